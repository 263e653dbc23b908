"""The writer of stacks: pictures as they come, into the array of an .npz or .npy file."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from aetool.arrays import Pixels
from aetool.system.atomic import Output, replacing, writing
from aetool.system.npz import write_header
from aetool.system.special import spool_folder


def write_stack(path: Path, parts: Iterable[tuple[Pixels, Sequence[str]]]) -> int:
    """Write pictures, uint8 (n, c, h, w), with their names to an .npz or .npy file, and return n.

    An .npz holds `images` and the names as `sources`, an .npy the images alone. The file is the old file or complete;
    without a picture none is written. Raises `ReadWriteError`, and the errors of the parts.
    """
    folder = spool_folder(path)
    with writing(path), tempfile.TemporaryFile(dir=folder) as rows, tempfile.TemporaryFile(dir=folder) as texts:
        count, longest, shape = 0, 1, (0,)
        for pixels, names in parts:
            rows.write(np.ascontiguousarray(pixels).data)
            pickle.dump(list(names), texts)
            count, longest, shape = count + len(pixels), max([longest, *map(len, names)]), pixels.shape[1:]
        if count:
            with replacing(path) as stream:
                if path.suffix.lower() == ".npy":
                    _write_images(stream, rows, (count, *shape))
                else:
                    _write_archive(stream, rows, (count, *shape), texts, longest)
        return count


def _write_images(stream: Output | IO[bytes], rows: IO[bytes], shape: tuple[int, ...]) -> None:
    write_header(stream, "|u1", shape)
    rows.seek(0)
    shutil.copyfileobj(rows, stream, 1 << 20)


def _write_archive(stream: Output, rows: IO[bytes], shape: tuple[int, ...], texts: IO[bytes], longest: int) -> None:
    with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
        with archive.open("images.npy", "w", force_zip64=True) as member:
            _write_images(member, rows, shape)
        with archive.open("sources.npy", "w", force_zip64=True) as member:
            write_header(member, f"<U{longest}", shape[:1])
            for names in _kept(texts):
                member.write(np.array(names, f"<U{longest}").tobytes())


def _kept(texts: IO[bytes]) -> Iterator[list[str]]:
    end = texts.tell()
    texts.seek(0)
    while texts.tell() < end:
        yield pickle.load(texts)
