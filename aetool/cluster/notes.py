"""Notes of the workers on this machine, in files of a folder: guesses of levels, sheets, how many pictures are done."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aetool.images.tiles import Sheet

GUESSES, SHEETS = ".guesses", ".sheets"
SECONDS = 0.5
"""Seconds between two looks at the counts."""


@dataclass(frozen=True)
class Notes:
    """A folder for notes, in which each worker process has files of its own."""

    folder: str

    def __call__(self, done: int, guesses: Iterable[str], sheets: Iterable[Sheet]) -> None:
        """Note that a worker has `done` pictures so far, with its new guesses, and the sheets among the pictures."""
        own = Path(self.folder) / str(os.getpid())
        own.with_suffix(".count").write_text(str(done))
        for suffix, notes in ((GUESSES, guesses), (SHEETS, sheets)):
            if lines := [json.dumps(note) + "\n" for note in notes]:
                with own.with_suffix(suffix).open("a") as stream:
                    stream.writelines(lines)

    def done(self) -> int:
        """Return the number of pictures that are done; one that is being written down counts as none."""
        return sum(int(path.read_text() or 0) for path in Path(self.folder).glob("*.count"))

    def guesses(self) -> list[str]:
        """Return all guesses in order, each once: workers that guess the same say the same."""
        return sorted(set(self._all(GUESSES)))

    def sheets(self) -> list[Sheet]:
        """Return all sheets in order."""
        return sorted(Sheet(*fields) for fields in self._all(SHEETS))

    def _all(self, suffix: str) -> list[Any]:
        texts = [path.read_text() for path in Path(self.folder).glob(f"*{suffix}")]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    @contextlib.contextmanager
    def followed(self, count: Callable[[int], None]) -> Iterator[None]:
        """Call `count` with the number of pictures that are done, now and then."""
        end = threading.Event()

        def follow() -> None:
            most = 0
            while not end.wait(SECONDS):
                most = max(most, self.done())
                count(most)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            end.set()
            follower.join()
