"""Talk on stderr: notes, warnings, progress; and reports on stdout, as text or JSON."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aetool.errors import printable

Advance = Callable[[int, str], None]
"""Told how much is done and what to show beside it."""


def say(line: str) -> None:
    """Write one line to stderr, whatever is in it; a closed stderr is no reason to fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()


@dataclass(frozen=True)
class Talk:
    """How a command talks: `quiet` silences notes and progress, never warnings and errors."""

    quiet: bool = False

    def note(self, line: str) -> None:
        """Say what was chosen or done."""
        if not self.quiet:
            say(f"aetool: {line}")

    def warn(self, line: str) -> None:
        """Say what may be wrong."""
        say(f"aetool: warning: {line}")

    @property
    def shows_progress(self) -> bool:
        """Whether there is a terminal to show a bar on."""
        return not self.quiet and sys.stderr is not None and sys.stderr.isatty()

    @contextlib.contextmanager
    def progress(self, title: str, total: int | None) -> Iterator[Advance]:
        """Show a bar on a terminal, and nothing elsewhere."""
        if not self.shows_progress:
            yield _nothing
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(title),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, text="")

            def advance(done: int, text: str) -> None:
                bar.update(task, completed=done, text=text)

            yield advance


def _nothing(done: int, text: str) -> None:
    """Progress that nobody sees."""


def as_json(value: Any) -> str:
    """Return a report as indented JSON with a final newline."""
    import json

    return json.dumps(value, indent=2) + "\n"


def as_table(rows: list[list[str]], right: tuple[int, ...] = ()) -> str:
    """Return rows of cells as aligned columns, those in `right` flush right; cells of strangers made printable."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "".join(line.rstrip() + "\n" for line in lines)
