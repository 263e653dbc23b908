"""`aetool explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console, as_table
from aetool.cli.failures import Failures
from aetool.cli.inputs import stdin_pictures
from aetool.cli.options import AsJson, Quiet
from aetool.cli.stdin import check_stdin, stdin
from aetool.cli.target import write_stdout
from aetool.errors import AetoolError

if TYPE_CHECKING:
    from aetool.images.files import ImageFile

Pictures = Annotated[list[str], typer.Argument(metavar="PICTURES…", help="Pictures that aetool made, or - for stdin.")]


def explain(pictures: Pictures, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show how pictures were made.

    Pictures of aetool carry model, command and seed in their text fields."""
    from aetool.images.files import Failure, read_image
    from aetool.images.provenance import read_provenance
    from aetool.system.names import existing

    failures = Failures(Console(quiet))
    for file in _files(list(map(existing, pictures))):
        try:
            fields = {"picture": file.path, **read_provenance(read_image(file))}
        except AetoolError as error:
            failures.add([Failure(file.path, error)])
            continue
        rows = [[key, _shown(value)] for key, value in fields.items()]
        write_stdout(json.dumps(fields) + "\n" if as_json else as_table(rows))
        failures.done += 1
    failures.end()


def _files(names: list[str]) -> Iterator[ImageFile]:
    """Yield the pictures of names; - stands for those on stdin."""
    from aetool.images.files import ImageFile

    check_stdin(*names)
    for name in names:
        if name == "-":
            yield from stdin_pictures(stdin())
        else:
            yield ImageFile(name, name, named=True)


def _shown(value: object) -> str:
    return ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
