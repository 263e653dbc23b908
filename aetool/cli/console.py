"""The console: notes, warnings and progress on stderr, and reports as text or JSON."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aetool.errors import printable

if TYPE_CHECKING:
    from aetool.system.progress import Report

Advance = Callable[[int, str], None]
"""A function of the amount done and the text beside it."""
PATIENCE = 2
"""Seconds of work without a word about it."""


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
        able = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return able and not self.quiet

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
    def counting(self, title: str) -> Iterator[Callable[[int], None]]:
        """Give a function of the number done, which a terminal shows once the work takes longer than 2 seconds."""
        import time

        with contextlib.ExitStack() as stack:
            begun, bars = time.monotonic(), list[Advance]()

            def count(done: int) -> None:
                seconds = time.monotonic() - begun
                if not bars and seconds > PATIENCE:
                    bars.append(stack.enter_context(self.progress(title, None)))
                if bars:
                    bars[0](done, f"{done:,} done, {done / seconds:,.0f} a second")

            yield count if self.shows_progress else _uncounted

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


def _uncounted(done: int) -> None:
    """Show no count."""


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


WIDTH = 80
"""Columns of a report."""


def as_fields(rows: list[list[str]]) -> str:
    """Return rows of a name and a text as lines of at most 80 columns, where no word is longer, with printable text."""
    import textwrap

    wide = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, text in rows:
        parts = textwrap.wrap(printable(text), WIDTH - wide, break_long_words=False, break_on_hyphens=False)
        lines += [
            f"{begin:{wide}}{part}" for begin, part in zip([name, *[""] * len(parts)], parts or [""], strict=False)
        ]
    return "".join(line.rstrip() + "\n" for line in lines)


def as_blocks(rows: list[list[str]], below: list[list[str]], right: tuple[int, ...] = ()) -> str:
    """Return rows, the first of which are titles, as aligned columns, with the lines of each other row `below` it."""
    import textwrap

    title, *lines = as_table(rows, right).splitlines(keepends=True)
    wrapped = textwrap.TextWrapper(WIDTH, initial_indent="  ", subsequent_indent="    ",
                                   break_long_words=False, break_on_hyphens=False)  # fmt: skip
    after = ["".join(wrapped.fill(printable(text)) + "\n" for text in texts) for texts in below]
    return title + "".join(line + rest for line, rest in zip(lines, after, strict=True))
