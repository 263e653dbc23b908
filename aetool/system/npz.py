"""Archives of arrays (.npz), read from memory: bounded in size, without pickle, every member once.

A stored member becomes a view of the bytes of the archive: nothing is copied, however large the array is.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.system.limits import is_bomb

Arrays = dict[str, npt.NDArray[Any]]

LOCAL_HEADER = struct.Struct("<26xHH")
"""The lengths of name and extra field at the end of a local file header (APPNOTE.TXT of PKWARE, section 4.3.7)."""


class NpzError(ValueError):
    """The bytes are no archive of arrays of numbers and texts."""


class NpzTooLarge(ValueError):
    """The archive unpacks to more than is accepted; `size` is the unpacked size in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size >> 20} MiB")
        self.size = size


def read_npz(data: bytes, most: int | None = None) -> Arrays:
    """Return the arrays in `data` by name, at most `most` bytes unpacked; None takes stored members only.

    Raises `NpzError`, `NpzTooLarge`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check(members, data, most)
            return {info.filename.removesuffix(".npy"): _array(archive, info, data) for info in members}
    except (NpzError, NpzTooLarge):
        raise
    except Exception as error:  # whatever zipfile, its decompressors and NumPy raise
        raise NpzError(f"{type(error).__name__}: {error}") from error


def _check(members: list[zipfile.ZipInfo], data: bytes, most: int | None) -> None:
    """Refuse two members of one name, and sizes beyond the limit, before unpacking."""
    if len({info.filename for info in members}) != len(members):
        raise NpzError("two members have one name")
    if most is None and any(info.compress_type != zipfile.ZIP_STORED for info in members):
        raise NpzError("a member is compressed")
    unpacked = sum(info.file_size for info in members)
    if unpacked > (len(data) if most is None else most) or is_bomb(len(data), unpacked):
        raise NpzTooLarge(unpacked)


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> npt.NDArray[Any]:
    if info.compress_type == zipfile.ZIP_STORED:
        names = sum(LOCAL_HEADER.unpack_from(data, info.header_offset))
        start = info.header_offset + LOCAL_HEADER.size + names
        return parse_npy(memoryview(data)[start : start + info.file_size])
    return parse_npy(memoryview(archive.read(info)))


def parse_npy(data: memoryview) -> npt.NDArray[Any]:
    """Return the array in the bytes of an .npy file, as a view; raises `NpzError` for objects and for other sizes."""
    stream = io.BytesIO(data[: 1 << 16])
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    body = data[stream.tell() :]
    if dtype.hasobject or min(shape, default=0) < 0 or dtype.itemsize * int(np.prod(shape, dtype=object)) != len(body):
        raise NpzError("a member is no array of numbers or texts of the size that it declares")
    array = np.frombuffer(body, dtype) if dtype.itemsize else np.empty(shape, dtype)
    return array.reshape(shape, order="F" if fortran else "C")
