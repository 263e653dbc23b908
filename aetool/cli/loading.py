"""Progress while data is loaded: downloads, and folders of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aetool.cli.report import Advance, Talk

if TYPE_CHECKING:
    from aetool.system.progress import Report


@contextlib.contextmanager
def show_loading(talk: Talk) -> Iterator[Report]:
    """Show a bar for each stretch of work while data is loaded, and say once what is under way."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, Advance] = {}

        def report(title: str, done: int, total: int | None, text: str) -> None:
            if title not in bars:
                stack.close()
                talk.note(title if total is None else f"{title}, {total} in all")
                bars[title] = stack.enter_context(talk.progress(title, total))
            bars[title](done, text)

        yield report
