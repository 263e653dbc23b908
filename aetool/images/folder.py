"""Output folders: a file for each picture, a PNG of native size or its pixels, complete or absent, of a unique path."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aetool.arrays import OneLine, Pixels
from aetool.choices import IMAGE_SUFFIXES, RAW_SUFFIX
from aetool.errors import ReadWriteError
from aetool.images.files import Failure
from aetool.images.png import png_files
from aetool.system.atomic import write_file, writing
from aetool.system.lacking import move_file
from aetool.system.paths import fitting, safe_name
from aetool.system.temporaries import create_folder, name_for, sweep

LONGEST_FOLDER = 3500
"""Bytes of the longest path of an inner folder: paths end at 4,096 bytes, and names follow."""
OF_ONE_NAME = frozenset(
    [errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EILSEQ,
     errno.EINVAL, errno.ELOOP]
)  # fmt: skip
"""Errors of the system that one name of an output has; others, such as a full disk, would hit all pictures."""

PNG, RAW = ".png", RAW_SUFFIX
"""Suffixes of the files: pictures, and pixels as they are, uint8 (c, h, w)."""


def of_one_name(error: ReadWriteError) -> bool:
    """Return whether a failure to write is that of one name, so that other pictures can be written."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in OF_ONE_NAME


@dataclass(eq=False)
class UniquePaths:
    """Unique paths of files below `folder` that end with `suffix`, from names of pictures; never outside the folder.

    Names that are too long for a file system are cut; the same name always gives the same path.

    Only hashes of the given paths are stored, so a million paths take little memory; equal hashes would only add an
    unnecessary number to a name.
    """

    folder: str
    taken: Container[int] = ()
    suffix: str = PNG
    _given: set[int] = field(default_factory=set, repr=False)
    _inner: dict[str, str] = field(default_factory=dict, repr=False)

    def __call__(self, name: str) -> str:
        """Return the path for the picture `name`, in an existing folder; raises `ReadWriteError`."""
        head, tail = os.path.split(name)
        if tail in ("", ".", ".."):
            parts = [part for part in Path(name).parts if part not in (os.sep, "..")]
            head, tail = str(Path(*parts[:-1])), parts[-1] if parts else "picture"
        tail = safe_name(tail)
        suffix = self.suffix
        stem = fitting(tail if tail.lower().endswith(suffix) else tail + suffix)
        start = self._folder_of(head)
        for number in itertools.count(2):
            path = start + stem
            if not self._is_given(path, self.taken):
                self._given.add(hash(path))
                return path
            stem = fitting(f"{tail.removesuffix(suffix)}-{number}{suffix}")
        raise AssertionError

    def others(self, apart: Container[int] = ()) -> tuple[int, str]:
        """Return how many files of the kind below the folder have other paths than those given, and one of these.

        `apart` holds hashes of paths that do not count. Links to folders and hidden folders are not followed.
        """
        count, example = 0, ""
        for place, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            start = os.path.join(Path(place), "")  # noqa: PTH118
            found = [name for name in files if _is_kind(name, self.suffix) and not self._is_given(start + name, apart)]
            count += len(found)
            example = example or (start + min(found) if found else "")
        return count, example

    def _is_given(self, path: str, apart: Container[int]) -> bool:
        return hash(path) in self._given or hash(path) in apart

    def _folder_of(self, head: str) -> str:
        """Return the folder for the parent path `head`, created, with a separator at the end."""
        if head not in self._inner:
            parts = [fitting(safe_name(part)) for part in Path(head).parts if part not in (os.sep, "..")]
            inner = Path(self.folder, *parts)
            if len(os.fsencode(inner)) > LONGEST_FOLDER:
                inner = Path(self.folder, fitting(safe_name(head)))
            with writing(inner):
                inner.mkdir(parents=True, exist_ok=True)
            self._inner[head] = os.path.join(inner, "")  # noqa: PTH118
        return self._inner[head]


def _is_kind(name: str, suffix: str) -> bool:
    """Return whether a file is a picture by its name, or holds pixels where that is the suffix, and is not hidden."""
    kinds = IMAGE_SUFFIXES if suffix == PNG else {suffix}
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in kinds  # noqa: PTH122


@dataclass(frozen=True, repr=False)
class PictureWriter(OneLine):
    """A writer of PNG files with the text chunks `text`, or of pixels; unfinished files lie in the folder `place`.

    `alone` is True for an output folder that was empty at the start, where no existing file needs care. `show` are the
    numbers of the channels that are written, None for all. `suffix` tells what is written, `PNG` or `RAW`.
    """

    place: Path
    text: bytes
    alone: bool
    show: tuple[int, ...] | None = None
    suffix: str = PNG

    def __call__(self, pixels: Pixels, paths: Iterable[str]) -> list[Failure]:
        """Write uint8 (n, c, h, w) to n paths, "" for none, and return the names that failed.

        Raises `ReadWriteError` for a failure of more than one name.
        """
        failures = []
        shown = pixels if self.show is None else pixels[:, self.show]
        contents = png_files(shown, self.text) if self.suffix == PNG else (one.tobytes() for one in shown)
        for data, path in zip(contents, paths, strict=True):
            try:
                if path:
                    self._write(path, data)
            except ReadWriteError as error:
                if not of_one_name(error):
                    raise
                failures.append(Failure(path, error))
        return failures

    def _write(self, path: str, data: bytes) -> None:
        if not self.alone and os.path.lexists(path):
            write_file(Path(path), data, sync=False)
        else:
            with writing(Path(path)):
                self._put(path, data)

    def _put(self, path: str, data: bytes) -> None:
        """Write a new file, without care for links and permissions."""
        temporary = os.path.join(self.place, str(os.getpid()))  # noqa: PTH118
        with open(temporary, "wb", buffering=0) as stream:  # noqa: PTH123
            written = stream.write(data)
        if written != len(data):
            raise OSError(28, "No space left on device")
        move_file(temporary, path)


@contextlib.contextmanager
def picture_folder(
    folder: Path, text: bytes, taken: Container[int] = (), show: tuple[int, ...] | None = None, suffix: str = PNG
) -> Iterator[tuple[UniquePaths, PictureWriter]]:
    """Make `folder`, and give its unique paths, other than those with the hashes `taken`, and its writer of `show`.

    `suffix` tells what is written, `PNG` or `RAW`.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        with os.scandir(folder) as entries:
            alone = next(entries, None) is None
    with _workshop(folder) as place:
        yield UniquePaths(str(folder), taken, suffix), PictureWriter(place, text, alone, show, suffix)


@contextlib.contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Give a temporary folder in `folder` for unfinished files; the folder is removed with its content."""
    temporary = name_for(folder / "unfinished")
    try:
        with writing(folder):
            descriptor = create_folder(temporary)
        try:
            yield temporary
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
