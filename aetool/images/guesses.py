"""Guesses: one white for all pictures of a folder whose files do not say which number is white (see `levels`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from aetool.images.decode import open_image
from aetool.images.levels import Evidence, guess
from aetool.images.spec import PICTURED
from aetool.images.wide import evidence_of
from aetool.system.limits import LIMITS, Limits
from aetool.system.reading import read_file

if TYPE_CHECKING:
    from aetool.images.files import ImageFile

SAMPLE = 1024
"""Most pictures of a folder that are looked at for one guess, evenly spread over the sorted names."""
NAMES = {"u2": "16 bits", "i2": "16 bits with sign", "u4": "32 bits", "i4": "32 bits with sign", "f4": "floats"}
"""Types of numbers, by `Evidence.kind`."""


class Guesses:
    """White for the pictures of a stream, the same for all pictures of a folder with numbers of one type.

    `pictures` yields the paths of the pictures in a folder. `whites` holds what was white before, by type of numbers,
    instead of guesses, and in the end what was used for folders.
    """

    def __init__(
        self, pictures: Callable[[str], Iterable[str]], limits: Limits = LIMITS, whites: Mapping[str, int] | None = None
    ) -> None:
        self._pictures, self._limits = pictures, limits
        self.whites = dict(whites or {})
        self._known = frozenset(self.whites)
        self._tops: dict[tuple[str, str], float] = {}
        self._lines: dict[str, bool] = {}
        self._lock = Lock()  # of one look at a folder, where threads read

    def white(self, file: ImageFile, channels: int, evidence: Evidence) -> int:
        """Return the number that is white in a picture with this evidence, read as an image of `channels`."""
        folder = file.folder
        if folder is not None and evidence.kind in self._known:
            return self.whites[evidence.kind]
        if not evidence.settled and folder is not None:
            top = self._top_of(folder, evidence.kind, channels)
            evidence = Evidence(evidence.kind, top or evidence.top)
        white = guess(evidence)
        if folder is not None:
            self.whites[evidence.kind] = white
        if white != evidence.usual:
            what = f"{NAMES[evidence.kind]} are read as levels from 0 to {white:,}"
            self.say(f"{folder or file.path}: {what}, a guess: no tag says which number is white")
        return white

    def say(self, sentence: str) -> None:
        """Add a sentence on a guess to those that `new` returns, once."""
        self._lines.setdefault(sentence, True)

    def _top_of(self, folder: str, kind: str, channels: int) -> float:
        """Return the largest number that counts in the pictures of a folder with numbers of one type."""
        with self._lock:
            if (folder, kind) not in self._tops:
                self._tops[folder, kind] = self._look(folder, kind, channels)
            return self._tops[folder, kind]

    def _look(self, folder: str, kind: str, channels: int) -> float:
        paths = list(self._pictures(folder))
        count = min(len(paths), SAMPLE)
        top = 0.0
        for i in range(count):
            found = self._evidence(paths[i * (len(paths) - 1) // max(1, count - 1)], channels)
            if found is not None and found.kind == kind:
                top = max(top, found.top)
                if found.settled:
                    break
        return top

    def _evidence(self, path: str, channels: int) -> Evidence | None:
        """Return what the numbers of a picture say, None for one without numbers to guess."""
        try:
            data = read_file(path)
            if channels not in PICTURED:
                from aetool.images.bands import evidence_of_bands

                return evidence_of_bands(data, channels, self._limits)
            return evidence_of(open_image(data, self._limits), data)
        except Exception:  # named when it is its turn
            return None

    def new(self) -> tuple[str, ...]:
        """Return the sentences on guesses since the last call."""
        fresh = tuple(line for line, unsaid in list(self._lines.items()) if unsaid)
        self._lines.update(dict.fromkeys(fresh, False))
        return fresh
