"""`aetool verify`."""

from __future__ import annotations

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

    Checks the sums of its files, opens its graphs, and compares golden values."""
    from aetool.runtime.codec import Codec
    from aetool.runtime.golden import check_golden

    bundle = choose_bundle(model, Console(quiet))
    codec = Codec(bundle, device, threads)
    proof = check_golden(bundle, codec) | {"nodes": codec.placement()}
    if as_json:
        head = {"model": bundle.name, "identity": bundle.identity, "files": sorted(bundle.files)}
        write_stdout(to_json(head | proof))
        return
    found, bounds = proof["found"], proof["bounds"]
    rows = [[f"golden {name}", "ok", f"{found[name]:.1e} of {bounds[name]:g} on {proof['device']}"] for name in found]
    files = [["sums", "ok", f"{len(bundle.files)} files"], ["bank", "ok", f"{len(bundle.bank().latents)} latents"]]
    write_stdout(as_table([[f"{bundle.name} {bundle.identity}", "", ""], *files, *rows]))
