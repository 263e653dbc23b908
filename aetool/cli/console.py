"""The console: notes, warnings and progress on stderr, and reports as text or JSON."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aetool.errors import printable

if TYPE_CHECKING:
    from aetool.system.progress import Report

Advance = Callable[[int, str], None]
"""A function of the amount done and the text beside it."""


def say(line: str) -> None:
    """Write a line to stderr, with escapes for control characters; a closed stderr is ignored."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()


@dataclass(frozen=True)
class Console:
    """Notes, warnings and progress of a command; `quiet` silences notes and progress, never warnings and errors."""

    quiet: bool = False

    def note(self, line: str) -> None:
        """Print a choice made for the user, or a thing done."""
        if not self.quiet:
            say(f"aetool: {line}")

    def warn(self, line: str) -> None:
        """Print a possible mistake."""
        say(f"aetool: warning: {line}")

    def seed(self, given: int | None) -> int:
        """Return the given seed, or a new seed, printed on stderr."""
        from aetool.model.drawing import fresh_seed

        if given is not None:
            return given
        seed = fresh_seed()
        self.note(f"seed {seed}")
        return seed

    @property
    def shows_progress(self) -> bool:
        """Whether stderr is a terminal that can show a bar."""
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

    @contextlib.contextmanager
    def stages(self) -> Iterator[Report]:
        """Give a report function with a bar for each stage of work; a stage is named once."""
        with contextlib.ExitStack() as stack:
            bars: dict[str, Advance] = {}

            def report(title: str, done: int, total: int | None, text: str) -> None:
                if title not in bars:
                    stack.close()
                    self.note(title if total is None else f"{title}, {total} in all")
                    bars[title] = stack.enter_context(self.progress(title, total))
                bars[title](done, text)

            yield report


def _nothing(done: int, text: str) -> None:
    """Show no progress."""


def as_json(value: Any) -> str:
    """Return a report as indented JSON with a final newline."""
    import json

    return json.dumps(value, indent=2) + "\n"


def as_table(rows: list[list[str]], right: tuple[int, ...] = ()) -> str:
    """Return rows of cells as aligned columns, columns in `right` flush right, with printable cells."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "".join(line.rstrip() + "\n" for line in lines)
