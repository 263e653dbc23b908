"""`aetool explain`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from aetool.cli.console import Console, as_table
from aetool.cli.failures import Failures
from aetool.cli.inputs import stdin
from aetool.cli.options import AsJson, Quiet
from aetool.cli.target import write_stdout
from aetool.errors import AetoolError

Pictures = Annotated[list[str], typer.Argument(metavar="PICTURES…", help="Pictures that aetool made, or - for stdin.")]


def explain(pictures: Pictures, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show how pictures were made.

    Pictures of aetool carry model, command and seed in their text fields."""
    from aetool.images.files import Failure
    from aetool.images.provenance import read_provenance
    from aetool.system.names import existing
    from aetool.system.reading import read_file

    failures = Failures(Console(quiet))
    for name in map(existing, pictures):
        try:
            fields = {"picture": name, **read_provenance(stdin().read() if name == "-" else read_file(name, fifo=True))}
        except AetoolError as error:
            failures.add([Failure(name, error)])
            continue
        rows = [[key, str(value)] for key, value in fields.items()]
        write_stdout(json.dumps(fields) + "\n" if as_json else as_table(rows))
        failures.done += 1
    failures.end()
