"""Failures: unusable inputs, named at once and counted at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from aetool.choices import IMAGE_FORMATS
from aetool.cli.console import Console
from aetool.cli.fixes import told
from aetool.cli.listing import tell
from aetool.errors import AetoolError, InvalidInput, SomeInputsFailed

if TYPE_CHECKING:
    from aetool.images.files import Failure, FileBatch
    from aetool.images.tiles import Sheet
    from aetool.images.walk import Listing

T = TypeVar("T")

NO_IMAGE = f"no image found; expected image files, or folders of {IMAGE_FORMATS}"


class Failures:
    """Counts of used, skipped and failed inputs; each failure is named on stderr at once.

    `counted` says that long work shows its count on a terminal: nothing else is printed meanwhile.
    """

    def __init__(
        self, console: Console, file: str | None = None, nothing: str = NO_IMAGE, counted: bool = False
    ) -> None:
        self.console, self.file, self.nothing, self.counted = console, file, nothing, counted
        self.done = self.skipped = 0
        self.errors: list[AetoolError] = []
        self._lines: list[str] = []
        self._told = False
        self._guesses: set[str] = set()

    def values(self, batches: Iterable[FileBatch[T]]) -> Iterator[T]:
        """Yield the values of batches, count their files, and name the failures.

        Raises the error of `end` where all inputs failed, while the output is still open: an existing output stays.
        """
        with self.console.counting("pictures") if self.counted else contextlib.nullcontext() as count:
            for batch in batches:
                self.add(batch.failures)
                self.tell(batch.sheets)
                self.guessed(batch.guesses)
                if batch.files or not batch.failures:
                    yield batch.value
                    self.done += len(batch.files) or 1
                if count is not None:
                    count(self.done)
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

    def tell(self, sheets: Iterable[Sheet]) -> None:
        """Note the first sheet that is cut into its tiles, and name each picture whose grid does not fit."""
        for sheet in sheets:
            if not sheet.tiles:
                fault = "calls itself a sheet, but its grid does not fit; it is taken as one picture"
                self.console.warn(f"{sheet.path} {fault}")
            elif not self._told:
                self._told = True
                instead = "--whole takes a sheet as one picture"
                self.console.note(f"{sheet.path} is a sheet of {sheet.tiles:,} pictures, and each is taken; {instead}")

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

    @contextlib.contextmanager
    def of_data(self) -> Iterator[None]:
        """Name the unusable files of a data set before the error that too few are left."""
        from aetool.training.data.files import TooFewImages

        try:
            yield
        except TooFewImages as error:
            self.add_data(error.skipped, error.listing)
            raise

    def add_data(self, skipped: Iterable[Failure], listing: Listing) -> None:
        """Name the unusable files of a data set and what else was left out, and write the file of errors."""
        self.add(skipped)
        tell(listing, self.console)
        self._write()

    def _write(self) -> None:
        if self.file is not None:
            from pathlib import Path

            from aetool.system.atomic import write_file

            write_file(Path(self.file), "".join(self._lines).encode())
