"""`aetool devices`."""

from __future__ import annotations

from aetool.cli import params


def devices(as_json: params.AsJson = False) -> None:
    """Show what this machine can run on.

    For what it cannot, why, and what to type to mend it."""
    from aetool.cli.report import as_json as to_json
    from aetool.cli.report import as_table
    from aetool.cli.sinks import write_stdout
    from aetool.runtime import devices as machine

    rows = machine.devices()
    if as_json:
        write_stdout(to_json({"wheels": machine.runtime_wheels(), "devices": rows}))
        return
    table = [["device", "available", "why not, and the mend"]]
    for row in rows:
        mend = f"{row['reason']}; {row['mend']}" if "reason" in row else ""
        table.append([row["device"], "yes" if row["available"] else "no", mend])
    write_stdout(as_table(table))
