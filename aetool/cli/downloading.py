"""Progress of downloads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aetool.cli.report import Talk

if TYPE_CHECKING:
    from aetool.downloads import Report


@contextlib.contextmanager
def show_download(talk: Talk) -> Iterator[Report]:
    """Show a bar from the first byte of a download on, and say which file comes."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, object] = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in bars:
                stack.close()
                talk.note(f"downloading {name}")
                bars[name] = stack.enter_context(talk.progress(name, total))
            bars[name](done, f"{done / 1e6:.1f} MB")  # type: ignore[operator]

        yield report
