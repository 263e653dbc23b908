"""Hubs on this machine, and an empty cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from aetool.bundle.lookup import find_path
from tests.hub.fake import FakeHub
from tests.hub.faulty import TOKEN, Faulty, serving


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of hubs in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "aetool" / "hub"


@pytest.fixture
def fake(cache, monkeypatch, toy):
    """A hub with the toy bundle as me/toy, and a file that is none of a bundle's."""
    server = FakeHub()
    files = {path.name: path.read_bytes() for path in toy.iterdir()}
    server.put("me/toy", files | {".gitattributes": b"", "LICENSE": b"x"})
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    yield from serving(server)


@pytest.fixture
def told_of():
    """What was reported, a line a stage."""
    return []


@pytest.fixture
def find(told_of):
    def find(name: str = "hf:me/toy") -> Path:
        return find_path(name, lambda title, *_: told_of.append(title))

    return find


@pytest.fixture
def faulty(cache, monkeypatch, toy):
    server = Faulty({path.name: path.read_bytes() for path in toy.iterdir()})
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield from serving(server)
