"""Downloads over https: from the first of several mirrors, pinned by the sha256 and size of the unpacked file."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from aetool.errors import InvalidInput, ReadWriteError, reason
from aetool.system.atomic import write_file, writing
from aetool.system.progress import Report
from aetool.system.reading import reading

CHUNK = 1 << 16
TIMEOUT = 30
"""Seconds without a byte after which a mirror is given up."""

NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EEXIST})
"""Numbers of errors where a file cannot be kept."""

SLOWEST = 4096
"""Bytes a second below which, after `TIMEOUT` seconds, a mirror is given up."""


@dataclass(frozen=True)
class Pinned:
    """A gzip-compressed file, pinned by its unpacked content; the packing differs between mirrors."""

    name: str
    size: int
    sha256: str


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl.partition(':')[0]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url: str) -> IO[bytes]:
    """Open an https address; raises `OSError`."""
    if not url.startswith("https://"):
        raise urllib.error.URLError("not an https address")
    request = urllib.request.Request(url, headers={"User-Agent": "aetool"})
    stream: IO[bytes] = urllib.request.build_opener(_OnlyHttps).open(request, timeout=TIMEOUT)
    return stream


def unpack(path: Path, pinned: Pinned) -> bytes:
    """Return the pinned content of the file `path`, gzip or plain; raises `InvalidInput` for any other content."""
    with reading(path):
        packed = path.read_bytes()
    try:
        return _content(packed, pinned)
    except InvalidInput as error:
        raise InvalidInput(f"{path} {error}; delete it and try again") from error


def _content(packed: bytes, pinned: Pinned) -> bytes:
    try:
        data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(pinned.size + 1) if packed[:2] == b"\x1f\x8b" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput("is damaged") from error
    return check_content(data, pinned)


def check_content(data: bytes, pinned: Pinned) -> bytes:
    """Return the unpacked content of a file; raises `InvalidInput` for any other than the pinned."""
    if len(data) != pinned.size or hashlib.sha256(data).hexdigest() != pinned.sha256:
        raise InvalidInput(f"is not the published {pinned.name}")
    return data


def fetch(mirrors: Sequence[str], pinned: Pinned, target: Path, report: Report) -> bytes:
    """Return the content of `pinned` from the first mirror with the complete file; raises `ReadWriteError`.

    The packed file is kept at `target`, unless nothing may be written there.
    """
    with if_allowed(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        try:
            data = _download(f"{mirror}{target.name}", pinned, report)
            content = _content(data, pinned)
        except InvalidInput:
            failures.append(f"{mirror} gave another file")
        except (OSError, HTTPException) as error:
            failures.append(f"{mirror}: {_why(error)}")
        else:
            with if_allowed(target):
                write_file(target, data)
            return content
    raise ReadWriteError(f"could not download {target.name} ({'; '.join(failures)})")


@contextlib.contextmanager
def if_allowed(target: Path) -> Iterator[None]:
    """Do without a file in a place that is read-only or missing; raises `ReadWriteError` for a disk that fails."""
    try:
        with writing(target):
            yield
    except ReadWriteError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in NOT_ALLOWED:
            raise


def _why(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    return reason(inner) if isinstance(inner, OSError) else str(inner)


def _download(url: str, pinned: Pinned, report: Report) -> bytes:
    """Return the bytes behind an address, at most twice the pinned size, so no mirror can fill the memory."""
    with open_url(url) as response:
        length = response.headers.get("Content-Length")  # type: ignore[attr-defined]
        total = int(length) if length and length.isdecimal() else None
        data = bytearray()
        for chunk in iter(_chunks(response), b""):
            data += chunk
            report(f"downloading {url.rpartition('/')[2]}", len(data), total, f"{len(data) / 1e6:.1f} MB")
            if len(data) > 2 * pinned.size:
                break
    if total is not None and len(data) < total:
        raise urllib.error.URLError("the connection ended early")
    return bytes(data)


def _chunks(source: IO[bytes]) -> Callable[[], bytes]:
    """Return a function for the next chunk of a stream, as received; raises `URLError` below `SLOWEST`."""
    read: Callable[[int], bytes] = source.read1  # type: ignore[attr-defined]
    begun, done = time.monotonic(), 0

    def chunk() -> bytes:
        nonlocal done
        if time.monotonic() - begun > TIMEOUT + done / SLOWEST:
            raise urllib.error.URLError("the connection is too slow")
        data = read(CHUNK)
        done += len(data)
        return data

    return chunk
