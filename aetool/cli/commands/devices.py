"""`aetool devices`."""

from __future__ import annotations

from aetool.cli.console import as_json as to_json
from aetool.cli.console import as_table
from aetool.cli.options import AsJson
from aetool.cli.target import write_stdout


def devices(as_json: AsJson = False) -> None:
    """Show the devices of this machine.

    For each unavailable device, the reason and the fix."""
    from aetool.runtime import devices as machine

    rows = machine.devices()
    if as_json:
        write_stdout(to_json({"wheels": machine.runtime_wheels(), "devices": rows}))
        return
    table = [["device", "available", "why not, and the fix"]]
    for row in rows:
        fix = f"{row['reason']}; {row['fix']}" if "reason" in row else ""
        table.append([row["device"], "yes" if row["available"] else "no", fix])
    write_stdout(as_table(table))
