"""Without a network the last known commit is taken, and said."""

from __future__ import annotations

import shutil

import pytest

from aetool.errors import BundleError, LastKnown, ReadWriteError
from tests.hub.faulty import cut, no_http, on, status


def test_without_a_network_the_last_known_commit_is_taken_and_said(fake, find, monkeypatch):
    path = find()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.warns(LastKnown, match=f"hf:me/toy is taken at the last known commit {path.name}"):
        assert find() == path
    with pytest.raises(ReadWriteError, match="cannot be reached: Connection refused"):
        find("hf:me/toy@other")
    assert find(f"hf:me/toy@{path.name}") == path


def test_the_command_line_warns_of_the_last_known_commit(fake, find, aetool):
    path = find()
    done = aetool(
        "sample", "-m", "hf:me/toy", "-n", "1", "-o", "x.png", "-q", env={"HF_ENDPOINT": "http://127.0.0.1:1"}
    )
    assert done.returncode == 0 and done.stderr.decode() == (
        "aetool: warning: 127.0.0.1:1 cannot be reached: Connection refused; "
        f"hf:me/toy is taken at the last known commit {path.name}\n"
    )


@pytest.mark.parametrize("code", [401, 403, 404])
def test_an_answer_that_refuses_is_final(faulty, find, code):
    find()
    faulty.fault = on("/api/", status(code))
    with pytest.raises(BundleError):
        find()


@pytest.mark.parametrize("fault", [status(502), status(429), cut, no_http])
def test_a_hub_that_cannot_answer_is_done_without(faulty, find, fault):
    path = find()
    faulty.fault = on("/api/", fault)
    with pytest.warns(LastKnown):
        assert find() == path


def test_the_last_known_commit_is_one_whose_files_are_there(faulty, find):
    first = find()
    faulty.commit, faulty.fault = "f" * 40, on("bank.npz", cut)
    with pytest.raises(ReadWriteError):
        find()
    faulty.fault = on("/api/", status(503))
    with pytest.warns(LastKnown, match=first.name):
        assert find() == first
    shutil.rmtree(first)
    with pytest.raises(ReadWriteError, match="cannot answer now"):
        find()


@pytest.mark.parametrize("content", [b"", b"x", b"main", b"../../x main", b"\xff\xfe main", b"0" * 5000])
def test_a_damaged_note_is_as_none(fake, find, cache, monkeypatch, content):
    find()
    (cache / "me/toy/revisions/main").write_bytes(content)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BundleError, match="not in the cache"):
        find()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    find()
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    assert find().is_dir()


def test_offline_uses_no_network(fake, find, monkeypatch):
    path, asked = find(), len(fake.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find() == find(f"hf:me/toy@{path.name}") == path
    with pytest.raises(BundleError, match="hf:me/other is not in the cache"):
        find("hf:me/other")
    assert len(fake.asked) == asked
