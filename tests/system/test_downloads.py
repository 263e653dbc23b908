"""Downloads without a network: mirrors that serve, refuse, lie, break off or never end."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import io
import itertools
import os
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from aetool.errors import InvalidInput, ReadWriteError
from aetool.system import downloads
from aetool.system.downloads import CHUNK, TIMEOUT, Pinned, _chunks, _OnlyHttps, fetch, open_url, unpack

CONTENT = np.random.default_rng(0).integers(0, 256, 3 * CHUNK, np.uint8).tobytes()
PACKED = gzip.compress(CONTENT, mtime=0)
HALF = len(PACKED) // 2
PIN = Pinned("data", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
A, B = "https://a.example/", "https://b.example/"


class Response(io.BytesIO):
    """What a server sends."""

    def __init__(self, data: bytes, status: int = 200, length: object = None) -> None:
        super().__init__(data)
        self.status = status
        self.headers = {} if length is None else {"Content-Length": str(length)}


def whole(data: bytes):
    """A server that sends all of it."""
    return lambda: Response(data, 200, len(data))


def breaking_off(data: bytes, at: int):
    """A server whose connection ends early."""
    return lambda: Response(data[:at], 200, len(data))


def failing(error: Exception):
    def serve() -> Response:
        raise error

    return serve


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Download from mirrors {address: server}; afterwards `asked` holds the addresses and `told` the reports."""

    class Download:
        def __init__(self) -> None:
            self.target = tmp_path / "cache" / "data.gz"
            self.asked: list[str] = []
            self.told: list[tuple[str, int, int | None, str]] = []

        def __call__(self, servers) -> bytes:
            def opened(url: str) -> Response:
                self.asked.append(url)
                return servers[url.removesuffix("data.gz")]()

            monkeypatch.setattr(downloads, "open_url", opened)
            fetch(list(servers), PIN, self.target, lambda *report: self.told.append(report))
            assert [path.name for path in self.target.parent.iterdir()] == ["data.gz"]
            assert unpack(self.target, PIN) == CONTENT
            return self.target.read_bytes()

    return Download()


# Good mirrors


@pytest.mark.parametrize("data", [PACKED, CONTENT], ids=["packed", "plain"])
def test_a_whole_file_is_fetched(download, data):
    assert download({A: whole(data)}) == data
    assert download.asked == [f"{A}data.gz"]
    assert [done for _, done, _, _ in download.told] == [*range(CHUNK, len(data), CHUNK), len(data)]
    assert {(what, total) for what, _, total, _ in download.told} == {("downloading data.gz", len(data))}
    assert download.told[-1][3] == "0.2 MB"


def test_a_server_that_says_no_length_is_served_too(download):
    assert download({A: lambda: Response(PACKED)}) == PACKED
    assert {total for _, _, total, _ in download.told} == {None}


def test_an_existing_target_is_replaced(download):
    download.target.parent.mkdir()
    download.target.write_bytes(b"old")
    assert download({A: whole(PACKED)}) == PACKED


# Bad mirrors


@pytest.mark.parametrize(
    "lie",
    [
        b"<html>moved</html>",
        CONTENT[::-1],
        gzip.compress(CONTENT + b"\0"),
        PACKED[:-20],
        gzip.compress(bytes(10**6)),
        b"",
    ],
    ids=["page", "another", "longer", "cut", "bomb", "nothing"],
)
def test_after_a_mirror_that_lies_the_next_is_asked_from_the_start(download, lie):
    assert download({A: whole(lie), B: whole(PACKED)}) == PACKED
    assert download.asked == [f"{A}data.gz", f"{B}data.gz"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (urllib.error.URLError(OSError(errno.EHOSTUNREACH, "No route to host")), "No route to host"),
        (urllib.error.HTTPError("url", 404, "Not Found", {}, None), "Not Found"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset by peer"),
        (http.client.IncompleteRead(b"x", 5), "IncompleteRead"),
        (http.client.BadStatusLine("hello"), "hello"),
        (urllib.error.URLError("not an https address"), "not an https address"),
    ],
)
def test_a_mirror_that_fails_is_named_with_its_reason_and_the_next_is_asked(download, error, why):
    assert download({A: failing(error), B: whole(PACKED)}) == PACKED
    download.target.unlink()
    with pytest.raises(ReadWriteError) as caught:
        download({A: failing(error)})
    assert str(caught.value).startswith(f"could not download data.gz ({A}: ")
    assert why in str(caught.value)


def test_when_all_mirrors_fail_each_is_named_and_nothing_is_there(download):
    with pytest.raises(ReadWriteError, match=rf"\({A} gave another file; {B}: timed out\)"):
        download({A: whole(b"lie"), B: failing(TimeoutError("timed out"))})
    assert list(download.target.parent.iterdir()) == []


def test_after_a_connection_that_ends_early_the_next_mirror_is_asked(download):
    assert download({A: breaking_off(PACKED, HALF), B: whole(PACKED)}) == PACKED
    assert download.asked == [f"{A}data.gz", f"{B}data.gz"]


def test_a_connection_that_ends_early_leaves_nothing(download):
    with pytest.raises(ReadWriteError, match="the connection ended early"):
        download({A: breaking_off(PACKED, HALF)})
    assert list(download.target.parent.iterdir()) == []
    assert download({A: whole(PACKED)}) == PACKED


def test_a_connection_that_breaks_with_an_error_leaves_nothing(download):
    class Breaking(Response):
        def read1(self, size: int = -1) -> bytes:
            data = super().read1(size)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            return data

    with pytest.raises(ReadWriteError, match="Connection reset by peer"):
        download({A: lambda: Breaking(PACKED[:HALF], 200, len(PACKED))})
    assert list(download.target.parent.iterdir()) == []
    assert download({A: whole(PACKED)}) == PACKED


class Endless(Response):
    """A server that never stops; fails the test where it is read on and on."""

    def __init__(self, *args) -> None:
        super().__init__(b"", *args)
        self.reads = itertools.count()

    def read1(self, size: int = -1) -> bytes:
        assert 0 < size <= CHUNK
        assert next(self.reads) * size < 3 * len(CONTENT), "read for ever"
        return bytes(size)


def test_a_mirror_that_sends_for_ever_is_left(download):
    assert download({A: lambda: Endless(), B: whole(PACKED)}) == PACKED
    assert max(done for _, done, _, _ in download.told) <= 2 * len(CONTENT) + CHUNK


def test_a_mirror_that_announces_too_much_is_left(download):
    with pytest.raises(ReadWriteError):
        download({A: lambda: Endless(200, 10**15)})
    assert not download.target.exists()


def test_a_full_disk_is_told_at_once_and_no_other_mirror_is_asked(download, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReadWriteError, match=r"could not write .*: No space left on device"):
        download({A: whole(PACKED), B: whole(PACKED)})
    assert len(download.asked) == 1
    assert not download.target.exists()


@pytest.mark.parametrize("parent", ["a file in the way", os.devnull])
def test_a_cache_that_cannot_be_made_is_done_without(download, workplace, monkeypatch, parent):
    download.target = Path(parent, "data.gz").absolute()
    if parent != os.devnull:
        download.target.parent.write_bytes(b"")
    monkeypatch.setattr(downloads, "open_url", lambda _: whole(PACKED)())
    assert fetch([A], PIN, download.target, lambda *_: None) == CONTENT


@pytest.mark.parametrize(
    "liar",
    [breaking_off(b"\0" * len(PACKED), HALF), lambda: Endless(200, 10**15)],
    ids=["breaks off", "announces too much"],
)
def test_what_a_liar_left_does_not_spoil_a_good_mirror(download, liar):
    download({A: liar, B: whole(PACKED)})


def test_a_length_that_is_no_number_is_no_unexpected_error(download):
    download({A: lambda: Response(PACKED, 200, "many"), B: whole(PACKED)})


# What is fetched


@pytest.mark.parametrize("data", [PACKED, CONTENT])
def test_unpack_gives_the_pinned_content(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert unpack(tmp_path / "x", PIN) == CONTENT


def test_unpack_stops_at_the_pinned_size(tmp_path, monkeypatch):
    read = []
    unpacked = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: read.append(size) or unpacked(self, size))
    (tmp_path / "x").write_bytes(gzip.compress(bytes(10 * PIN.size)))
    with pytest.raises(InvalidInput, match="is not the published data; delete it"):
        unpack(tmp_path / "x", PIN)
    assert read == [PIN.size + 1]


def test_unpack_of_a_missing_file_is_told(tmp_path):
    with pytest.raises(ReadWriteError, match="No such file"):
        unpack(tmp_path / "missing", PIN)


# Addresses


@pytest.mark.parametrize("url", ["http://a.example/x", "ftp://a.example/x", "file:///etc/passwd", "/etc/passwd", ""])
def test_only_https_is_opened(url):
    with pytest.raises(urllib.error.URLError, match="not an https address"):
        open_url(url)


@pytest.mark.parametrize("url", ["http://a.example/x", "ftp://a.example/x", "file:///etc/passwd"])
def test_a_redirect_away_from_https_is_refused(url):
    request = urllib.request.Request("https://a.example/x")
    with pytest.raises(urllib.error.URLError, match=r"redirected to (http|ftp|file), which is not https"):
        _OnlyHttps().redirect_request(request, None, 302, "Found", {}, url)


def test_a_redirect_to_https_is_followed():
    request = urllib.request.Request("https://a.example/x", headers={"Range": "bytes=5-"})
    followed = _OnlyHttps().redirect_request(request, None, 302, "Found", {}, "https://b.example/y")
    assert followed.full_url == "https://b.example/y"
    assert followed.get_header("Range") == "bytes=5-"


def test_a_mirror_that_trickles_is_given_up(monkeypatch):
    class Trickle:
        def read1(self, size):
            now[0] += 1  # a byte a second
            return b"x"

    now = [0.0]
    monkeypatch.setattr(downloads.time, "monotonic", lambda: now[0])
    with pytest.raises(urllib.error.URLError, match="too slow"):
        for _ in iter(_chunks(Trickle()), b""):
            assert now[0] < 2 * TIMEOUT
