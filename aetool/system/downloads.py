"""Files fetched over https: resumable, pinned by the sha256 and size of what they unpack to, atomic."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from aetool.errors import AetoolError, InvalidInput, ReadWriteError, reason
from aetool.system.atomic import writing
from aetool.system.progress import Report
from aetool.system.reading import reading

CHUNK = 1 << 16
TIMEOUT = 30
"""Seconds without a byte after which a mirror is given up."""

SLOWEST = 4096
"""Bytes a second below which, after `TIMEOUT` seconds, a mirror is given up."""


@dataclass(frozen=True)
class Pinned:
    """A gzip-compressed file and what it must unpack to; the packing itself differs between mirrors."""

    name: str
    size: int
    sha256: str


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl.partition(':')[0]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url: str, start: int) -> IO[bytes]:
    """Open an https address, from byte `start` on where the server can; its `status` is then 206."""
    if not url.startswith("https://"):
        raise urllib.error.URLError("not an https address")
    headers = {"User-Agent": "aetool", **({"Range": f"bytes={start}-"} if start else {})}
    opener = urllib.request.build_opener(_OnlyHttps)
    stream: IO[bytes] = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    return stream


def unpack(path: Path, pinned: Pinned) -> bytes:
    """Return the pinned content of `path` (gzip or plain); raises `InvalidInput` where it is anything else."""
    with reading(path):
        packed = path.read_bytes()
    try:
        data = gzip.GzipFile(fileobj=_bytes(packed)).read(pinned.size + 1) if packed[:2] == b"\x1f\x8b" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} is damaged; delete it and try again") from error
    if len(data) != pinned.size or hashlib.sha256(data).hexdigest() != pinned.sha256:
        raise InvalidInput(f"{path} is not the published {pinned.name}; delete it and try again")
    return data


def _bytes(data: bytes) -> IO[bytes]:
    import io

    return io.BytesIO(data)


def fetch(mirrors: Sequence[str], pinned: Pinned, target: Path, report: Report) -> None:
    """Download `pinned` to `target` from the first of `mirrors` that gives it whole; raises `ReadWriteError`.

    What was fetched stays beside the target as `.part`, and a later call goes on from there.
    """
    part = target.with_name(target.name + ".part")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        try:
            resumed = part.exists()
            try:
                _fetch_from(f"{mirror}{target.name}", pinned, part, report)
            except InvalidInput:
                if not resumed:
                    raise
                part.unlink()  # of another mirror, which may pack differently: once more from the start
                _fetch_from(f"{mirror}{target.name}", pinned, part, report)
            with writing(target):
                part.replace(target)
            return
        except InvalidInput:
            part.unlink(missing_ok=True)  # what it holds is wrong: no use going on from there
            failures.append(f"{mirror} gave another file")
        except (OSError, HTTPException) as error:
            if isinstance(error, AetoolError):
                raise
            failures.append(f"{mirror}: {_why(error)}")
    raise ReadWriteError(f"could not download {target.name} ({'; '.join(failures)})")


def _why(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    return reason(inner) if isinstance(inner, OSError) else str(inner)


def _fetch_from(url: str, pinned: Pinned, part: Path, report: Report) -> None:
    start = part.stat().st_size if part.exists() else 0
    try:
        response = open_url(url, start)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:  # the part is already whole, or longer than the file
            raise
        unpack(part, pinned)
        return
    with response:
        if getattr(response, "status", 200) != 206:
            start = 0
        length = response.headers.get("Content-Length")  # type: ignore[attr-defined]
        total = start + int(length) if length and length.isdecimal() else None
        with writing(part), part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            for done in _copy(response, stream, start, 2 * pinned.size):
                report(f"downloading {part.stem}", done, total, f"{done / 1e6:.1f} MB")
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and part.stat().st_size < total:
        raise urllib.error.URLError("the connection ended early")
    unpack(part, pinned)


def _copy(source: IO[bytes], target: IO[bytes], done: int, limit: int) -> Iterator[int]:
    """Copy by chunks, yielding how many bytes there are; stops past `limit`, so that no mirror fills the disk."""
    read: Callable[[int], bytes] = source.read1  # type: ignore[attr-defined]  # as it comes: a trickle is noticed
    begun, first = time.monotonic(), done
    while done <= limit and (chunk := read(CHUNK)):
        if time.monotonic() - begun > TIMEOUT + (done - first) / SLOWEST:
            raise urllib.error.URLError("the connection is too slow")
        target.write(chunk)
        done += len(chunk)
        yield done
