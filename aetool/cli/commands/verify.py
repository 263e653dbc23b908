"""`aetool verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params


def verify(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Bundle to prove; as for -m elsewhere.")] = None,
    as_json: params.AsJson = False,
    device: params.Device = "auto",
    threads: params.Threads = 1,
    quiet: params.Quiet = False,
) -> None:
    """Prove that a bundle works on this machine.

    Checks the sums of its files, opens its graphs, and compares golden values."""
    from aetool.cli.choice import choose_bundle
    from aetool.cli.report import Talk, as_table
    from aetool.cli.report import as_json as to_json
    from aetool.cli.sinks import write_stdout
    from aetool.runtime.codec import Codec
    from aetool.runtime.golden import check_golden

    bundle = choose_bundle(model, Talk(quiet))
    codec = Codec(bundle, device, threads)
    proof = check_golden(codec) | {"nodes": codec.placement()}
    if as_json:
        write_stdout(
            to_json({"model": bundle.name, "identity": bundle.identity, "files": sorted(bundle.files)} | proof)
        )
        return
    found, bounds = proof["found"], proof["bounds"]
    rows = [
        ["sums", "ok", f"{len(bundle.files)} files"],
        ["bank", "ok", f"{len(bundle.bank().latents)} latents"],
    ]
    rows += [[f"golden {name}", "ok", f"{found[name]:.1e} of {bounds[name]:g} on {proof['device']}"] for name in found]
    write_stdout(as_table([[f"{bundle.name} {bundle.identity}", "", ""], *rows]))
