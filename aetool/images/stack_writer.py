"""The writer of stacks: pictures as they come, into the array of an .npz or .npy file."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from aetool.system.atomic import Output, replacing, writing
from aetool.system.npz import write_header
from aetool.system.special import spool_folder


def write_stack(path: Path, parts: Iterable[tuple[npt.NDArray[Any], Sequence[str]]], array: str = "images") -> int:
    """Write pictures, uint8 (n, c, h, w), or other rows of numbers, with their names to an .npz or .npy file; return n.

    An .npz holds them as `array` and the names as `sources`, an .npy the rows alone. The file is the old file or
    complete; without a row none is written. Raises `ReadWriteError`, and the errors of the parts.
    """
    folder = spool_folder(path)
    with writing(path), tempfile.TemporaryFile(dir=folder) as rows, tempfile.TemporaryFile(dir=folder) as texts:
        count, longest, shape, kind = 0, 1, (0,), "|u1"
        for pixels, names in parts:
            rows.write(np.ascontiguousarray(pixels).data)
            pickle.dump(list(names), texts)
            count, longest, shape = count + len(pixels), max([longest, *map(len, names)]), pixels.shape[1:]
            kind = pixels.dtype.str
        if count:
            with replacing(path) as stream:
                if path.suffix.lower() == ".npy":
                    _write_rows(stream, rows, kind, (count, *shape))
                else:
                    with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
                        with archive.open(f"{array}.npy", "w", force_zip64=True) as member:
                            _write_rows(member, rows, kind, (count, *shape))
                        _write_sources(archive, texts, count, longest)
        return count


def _write_rows(stream: Output | IO[bytes], rows: IO[bytes], kind: str, shape: tuple[int, ...]) -> None:
    write_header(stream, kind, shape)
    rows.seek(0)
    shutil.copyfileobj(rows, stream, 1 << 20)


def _write_sources(archive: zipfile.ZipFile, texts: IO[bytes], count: int, longest: int) -> None:
    with archive.open("sources.npy", "w", force_zip64=True) as member:
        write_header(member, f"<U{longest}", (count,))
        for names in _kept(texts):
            member.write(np.array(names, f"<U{longest}").tobytes())


def _kept(texts: IO[bytes]) -> Iterator[list[str]]:
    end = texts.tell()
    texts.seek(0)
    while texts.tell() < end:
        yield pickle.load(texts)
