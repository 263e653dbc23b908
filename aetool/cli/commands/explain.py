"""`aetool explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params


def explain(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURES…", help="Pictures that aetool made, or - for stdin.")
    ],
    as_json: params.AsJson = False,
    quiet: params.Quiet = False,
) -> None:
    """Show how pictures were made.

    Pictures of aetool carry model, command and seed in their text fields."""
    import json
    from pathlib import Path

    from aetool.cli.report import Talk, as_table
    from aetool.cli.sinks import write_stdout
    from aetool.cli.sources import Failures, stdin
    from aetool.errors import AetoolError
    from aetool.images.files import Failure
    from aetool.images.provenance import read_provenance
    from aetool.system.reading import read_file

    failures = Failures(Talk(quiet))
    for name in pictures:
        try:
            said = read_provenance(stdin().read() if name == "-" else read_file(Path(name)))
        except AetoolError as error:
            failures.add([Failure(name, error)])
            continue
        rows = [[key, str(value)] for key, value in {"picture": name, **said}.items()]
        write_stdout(json.dumps({"picture": name, **said}) + "\n" if as_json else as_table(rows))
        failures.done += 1
    failures.verdict()
