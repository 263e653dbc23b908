"""Downloads over https, bounded in size and time; pinned files from the first of several mirrors."""

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


class TooLarge(urllib.error.URLError):
    """A response of more bytes than accepted."""


class Misdirected(urllib.error.URLError):
    """A redirect that is not followed."""


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone; of an http server of this machine (`local`) also those to this machine."""

    def __init__(self, local: bool = False) -> None:
        self.local = local

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_allowed(newurl, self.local):
            if fp is not None:
                fp.close()
            raise Misdirected(f"redirected to {newurl.partition(':')[0]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_allowed(url: str, local: bool) -> bool:
    """Return whether an address is https or, where `local` allows it, http to this machine."""
    return url.startswith("https://") or (local and is_local(url))


def is_local(url: str) -> bool:
    """Return whether an address is http to a loopback address of this machine."""
    import ipaddress
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url).hostname or ""
        return url.startswith("http://") and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def open_url(url: str, token: str | None = None, local: bool = False) -> IO[bytes]:
    """Open an https address, with `local` also an http address of this machine; raises `OSError`.

    The token goes to this very address: neither behind a redirect nor, since no proxy is asked for http to this
    machine, to a proxy.
    """
    if not is_allowed(url, local):
        raise urllib.error.URLError("not an https address")
    request = urllib.request.Request(url, headers={"User-Agent": "aetool"})
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    handlers: list[Any] = [_OnlyHttps(local), *([urllib.request.ProxyHandler({})] if is_local(url) else [])]
    stream: IO[bytes] = urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT)
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
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{mirror}: {why(error)}")
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


def why(error: Exception) -> str:
    """Return the reason of a failed download, in words of the system or of the server."""
    inner = getattr(error, "reason", error)
    return reason(inner) if isinstance(inner, OSError) else str(inner)


def _download(url: str, pinned: Pinned, report: Report) -> bytes:
    """Return the bytes behind an address, at most twice the pinned size, so no mirror can fill the memory."""
    with open_url(url) as response:
        return receive(response, 2 * pinned.size, f"downloading {url.rpartition('/')[2]}", report)


def receive(response: IO[bytes], most: int, title: str, report: Report) -> bytes:
    """Return the bytes of a response; raises `TooLarge` for more than `most`, `URLError` for fewer than announced."""
    length = response.headers.get("Content-Length")  # type: ignore[attr-defined]
    total = int(length) if length and length.isdecimal() and len(length) < 20 else None
    data = bytearray()
    if total is not None and total > most:
        raise TooLarge(f"{total:,} bytes are announced, over the {most:,} accepted")
    for chunk in iter(_chunks(response), b""):
        data += chunk
        report(title, len(data), total, f"{len(data) / 1e6:.1f} MB")
        if len(data) > most:
            raise TooLarge(f"more than the {most:,} bytes accepted are sent")
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
