"""`aetool verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli.console import Console, as_table
from aetool.cli.console import as_json as to_json
from aetool.cli.model import choose_bundle, open_codec
from aetool.cli.options import AsJson, Device, ModelName, Quiet, Threads
from aetool.cli.target import write_stdout

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle
    from aetool.runtime.codec import Codec


Witness = Annotated[
    bool, typer.Option("--witness", help="Also compare the device with NumPy, which shares no code with it.")
]


def verify(
    model: ModelName = None,
    as_json: AsJson = False,
    device: Device = "auto",
    threads: Threads = 1,
    witness: Witness = False,
    quiet: Quiet = False,
) -> None:
    """Prove that a bundle works on this machine.

    Checks the sums of its files, opens its graphs, and compares golden values and golden pictures."""
    console = Console(quiet)
    bundle = choose_bundle(model, console)
    proof = _proof(bundle, open_codec(bundle, device, threads, console), witness)
    _note_levels(proof["preparation"], console)
    head = {"model": bundle.name, "identity": bundle.identity, "files": sorted(bundle.files)}
    write_stdout(to_json(head | proof) if as_json else _text(bundle, proof))


def _proof(bundle: Bundle, codec: Codec, witness: bool) -> dict[str, Any]:
    """Return all that was compared; raises `BundleError` where something differs."""
    from aetool.runtime.golden import check_golden, check_pictures
    from aetool.runtime.witness import check_witness

    proof = check_golden(bundle, codec) | {"nodes": codec.placement()}
    if witness:
        proof["witness"] = check_witness(bundle, codec)
    return proof | {"preparation": check_pictures(bundle.manifest)}


def _text(bundle: Bundle, proof: dict[str, Any]) -> str:
    rows = [[f"{bundle.name} {bundle.identity}", "", ""], ["sums", "ok", f"{len(bundle.files)} files"]]
    rows.append(["bank", "ok", f"{len(bundle.bank().latents)} latents"])
    rows += _compared("golden", proof, f"on {proof['device']}")
    if "witness" in proof:
        rows += _compared("witness", proof["witness"], f"between {proof['device']} and NumPy")
    return as_table([*rows, _preparation(proof["preparation"])])


def _compared(kind: str, proof: dict[str, Any], where: str) -> list[list[str]]:
    """Return a row for each difference that was found."""
    bounds = proof["bounds"]
    return [[f"{kind} {name}", "ok", f"{far:.1e} of {bounds[name]:g} {where}"] for name, far in proof["found"].items()]


def _note_levels(pictures: dict[str, Any], console: Console) -> None:
    """Tell golden pictures that differ by a level, which other versions of Pillow and its codecs may make."""
    apart = " and ".join(name.upper() for name, levels in pictures["found"].items() if levels)
    if apart:
        versions = f"Pillow {pictures['pillow']} here, {pictures['made_with']} at export"
        console.note(f"golden pictures are prepared otherwise by one level: {apart} ({versions})")


def _preparation(pictures: dict[str, Any]) -> list[str]:
    """Return the row of the preparation."""
    found = pictures["found"]
    shown = ", ".join(f"{name.upper()} {'one level' if found[name] else 'to the bit'}" for name in found)
    compared = f"golden pictures: {shown}" if found else "no golden pictures to compare"
    state = "ok" if found else "-"
    return ["preparation", state, f"version {pictures['version']}, {compared}, Pillow {pictures['pillow']}"]
