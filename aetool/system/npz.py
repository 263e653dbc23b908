"""Archives of arrays (.npz), read from memory: bounded in size, without pickle; and where arrays lie in a file.

A stored member becomes a view of the bytes of the archive: nothing is copied, however large the array is.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aetool.system.limits import is_bomb

Arrays = dict[str, npt.NDArray[Any]]

LOCAL_HEADER = struct.Struct("<26xHH")
"""The lengths of name and extra field at the end of a local file header (APPNOTE.TXT of PKWARE, section 4.3.7)."""

ENCRYPTED = 1
"""Flag of an encrypted member, which zipfile refuses without a password (the same, section 4.4.4)."""


class NpzError(ValueError):
    """The bytes are no archive of arrays of numbers and texts; `member` is the array at fault, None for the archive."""

    def __init__(self, member: str | None = None) -> None:
        super().__init__(member)
        self.member = member


class NpzTooLarge(ValueError):
    """The archive unpacks to more than is accepted; the text is its unpacked size."""


def read_npz(data: bytes, most: int | None = None, only: AbstractSet[str] | None = None) -> Arrays:
    """Return the arrays in `data` by name, at most `most` bytes unpacked; of two members of one name, the last.

    None for `most` is for bytes whose checksum the caller has verified: compressed members are refused, and stored
    members become views without a second checksum. `only` names the arrays to read, None for all. Raises `NpzError`,
    `NpzTooLarge`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if most is not None:
                _check_size(sum(info.file_size for info in members.values()), len(data), most)
            names = members.keys() if only is None else members.keys() & only
            return {name: _array(archive, members[name], data, most is None) for name in sorted(names)}
    except (NpzError, NpzTooLarge):
        raise
    except Exception as error:  # whatever zipfile and its decompressors raise
        raise NpzError from error


def _check_size(unpacked: int, packed: int, most: int) -> None:
    if unpacked > most or is_bomb(packed, unpacked):
        raise NpzTooLarge(f"{unpacked >> 20} MiB")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes, verified: bool) -> npt.NDArray[Any]:
    body = _body(archive, info, data, verified)
    try:
        return parse_npy(body)
    except Exception as error:  # whatever NumPy raises for a damaged or foreign header
        raise NpzError(info.filename.removesuffix(".npy")) from error


def _body(archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes, verified: bool) -> memoryview:
    """Return the bytes of a member, with the checksum of the member compared unless `verified`."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & ENCRYPTED:
        if verified:
            raise NpzError
        return memoryview(archive.read(info))
    start = info.header_offset + LOCAL_HEADER.size + sum(LOCAL_HEADER.unpack_from(data, info.header_offset))
    body = memoryview(data)[start : start + info.file_size]
    if not verified and zlib.crc32(body) != info.CRC:
        raise NpzError
    return body


def parse_npy(data: memoryview) -> npt.NDArray[Any]:
    """Return the array in the bytes of an .npy file, as a view; raises `ValueError` for objects and for other sizes."""
    stream = io.BytesIO(data[: 1 << 16])
    shape, fortran, dtype = _header(stream, len(data))
    return np.frombuffer(data[stream.tell() :], dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], length: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type of an .npy file of `length` bytes; the stream then stands at its numbers."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0 or size != length - stream.tell():
        raise ValueError("no array of numbers or texts of the size that the header declares")
    return shape, fortran, dtype


def write_header(stream: Any, kind: str, shape: tuple[int, ...]) -> None:
    """Write the header of an .npy file for numbers of type `kind`, as "<f4", in rows."""
    fields: dict[str, Any] = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)


@dataclass(frozen=True)
class Place:
    """Where an array lies in a file: its shape, order and type, and its member (None in an .npy file).

    `start` is the first byte of its numbers in the file, None for a compressed member. `unpacked` is the bytes that the
    member unpacks to, header included, and `packed` its bytes in the file.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    member: zipfile.ZipInfo | None
    start: int | None
    unpacked: int
    packed: int


def find_arrays(file: BinaryIO) -> dict[str, Place | None]:
    """Return where the arrays of an opened .npz file lie, by name; of two members of one name, the last.

    The array of an .npy file is called "". None stands for a member that holds no array of numbers or texts. Raises
    `NpzError`.
    """
    try:
        if file.read(2) != b"PK":
            return {"": _bare(file)}
        places = {}
        with zipfile.ZipFile(file) as archive:
            _check_whole(archive, file)
            for info in archive.infolist():
                places[info.filename.removesuffix(".npy")] = _placed(archive, info, file)
        return places
    except Exception as error:  # whatever zipfile, its decompressors and NumPy raise
        raise NpzError from error


def _check_whole(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Raise `NpzError` for bytes before or behind an archive, as another archive: zipfile reads the last one.

    The end record has 22 bytes and a comment (APPNOTE.TXT of PKWARE, section 4.3.16).
    """
    file.seek(-22 - len(archive.comment), io.SEEK_END)
    ends = file.read(4) == b"PK\x05\x06"
    if not ends or min((member.header_offset for member in archive.infolist()), default=0):
        raise NpzError


def _bare(file: BinaryIO) -> Place:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    header = _header(file, size)
    return Place(*header, None, file.tell(), size, size)


def _placed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO) -> Place | None:
    with archive.open(info) as member:
        try:
            header = _header(member, info.file_size)
        except ValueError:
            return None
        behind = member.tell()
    start = None
    if info.compress_type == zipfile.ZIP_STORED:
        file.seek(info.header_offset)
        start = info.header_offset + LOCAL_HEADER.size + behind
        start += sum(LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size)))
    return Place(*header, info, start, info.file_size, info.compress_size)
