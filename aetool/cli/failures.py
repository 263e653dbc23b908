"""Failures: unusable inputs, named at once and counted at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from aetool.cli.console import Console
from aetool.cli.fixes import told
from aetool.errors import AetoolError, InvalidInput, SomeInputsFailed

if TYPE_CHECKING:
    from aetool.images.files import Failure, FileBatch

T = TypeVar("T")

NO_IMAGE = "no image found; expected image files, or folders of png, jpg, gif, bmp, webp, tif, ppm"


class Failures:
    """Counts of used, skipped and failed inputs; each failure is named on stderr at once."""

    def __init__(self, console: Console, file: str | None = None, nothing: str = NO_IMAGE) -> None:
        self.console, self.file, self.nothing = console, file, nothing
        self.done = self.skipped = 0
        self.errors: list[AetoolError] = []
        self._lines: list[str] = []
        self._guesses: set[str] = set()

    def values(self, batches: Iterable[FileBatch[T]]) -> Iterator[T]:
        """Yield the values of batches, count their files, and name the failures.

        Raises the error of `end` where all inputs failed, while the output is still open: an existing output stays.
        """
        for batch in batches:
            self.add(batch.failures)
            self.guessed(batch.guesses)
            if batch.files or not batch.failures:
                yield batch.value
                self.done += len(batch.files) or 1
        if not self.done and not self.skipped:
            self.end()

    def add(self, failures: Iterable[Failure]) -> None:
        """Name failures on stderr, and note them for the file of errors."""
        import json

        for failure in failures:
            self.errors.append(failure.error)
            text = told(failure.error)
            self._lines.append(json.dumps({"path": failure.path, "reason": text}) + "\n")
            self.console.warn(text if failure.path in text else f"{failure.path} is skipped: {text}")

    def unwritten(self, failures: Iterable[Failure]) -> None:
        """Name outputs that could not be written, each of which is done no longer."""
        for failure in failures:
            self.add([failure])
            self.done -= 1

    def guessed(self, guesses: Iterable[str]) -> None:
        """Say each guess of levels once."""
        for line in guesses:
            if line not in self._guesses:
                self._guesses.add(line)
                self.console.warn(line)

    def end(self) -> None:
        """Write the file of errors, if requested; raises the final error of the command, if any."""
        self._write()
        failed = len(self.errors)
        if self.skipped:
            self.console.note(f"{self.skipped} are there already")
        if failed and (self.done or self.skipped):
            raise SomeInputsFailed(f"{self.done} done, {failed} failed")
        if failed:
            kinds: set[Any] = {type(error) for error in self.errors}
            kind = kinds.pop() if len(kinds) == 1 else InvalidInput
            raise kind("nothing could be used" if failed > 1 else "the input could not be used")
        if not self.done and not self.skipped:
            raise InvalidInput(self.nothing)

    def _write(self) -> None:
        if self.file is not None:
            from pathlib import Path

            from aetool.system.atomic import write_file

            write_file(Path(self.file), "".join(self._lines).encode())
