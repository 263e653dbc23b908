"""`aetool verify`."""

from __future__ import annotations

from typing import Any

from aetool.cli.console import Console, as_table
from aetool.cli.console import as_json as to_json
from aetool.cli.model import choose_bundle
from aetool.cli.options import AsJson, Device, ModelName, Quiet, Threads
from aetool.cli.target import write_stdout


def verify(
    model: ModelName = None,
    as_json: AsJson = False,
    device: Device = "auto",
    threads: Threads = 1,
    quiet: Quiet = False,
) -> None:
    """Prove that a bundle works on this machine.

    Checks the sums of its files, opens its graphs, and compares golden values and golden pictures."""
    from aetool.runtime.codec import Codec
    from aetool.runtime.golden import check_golden, check_pictures

    console = Console(quiet)
    bundle = choose_bundle(model, console)
    codec = Codec(bundle, device, threads)
    proof = check_golden(bundle, codec) | {"nodes": codec.placement()}
    proof["preparation"] = pictures = check_pictures(bundle.manifest)
    _note_levels(pictures, console)
    if as_json:
        head = {"model": bundle.name, "identity": bundle.identity, "files": sorted(bundle.files)}
        write_stdout(to_json(head | proof))
        return
    found, bounds = proof["found"], proof["bounds"]
    rows = [[f"golden {name}", "ok", f"{found[name]:.1e} of {bounds[name]:g} on {proof['device']}"] for name in found]
    files = [["sums", "ok", f"{len(bundle.files)} files"], ["bank", "ok", f"{len(bundle.bank().latents)} latents"]]
    write_stdout(as_table([[f"{bundle.name} {bundle.identity}", "", ""], *files, *rows, _preparation(pictures)]))


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
