"""Hubs that refuse, lie or fail: each fault has its line, and leaves nothing."""

from __future__ import annotations

import time

import pytest

from aetool.bundle import hub
from aetool.bundle.folder import FILES, MAX_BYTES, SUMS, canonical_sums
from aetool.errors import BundleError, ReadWriteError
from aetool.system import downloads
from tests.hub.faulty import TOKEN, cut, elsewhere, no_http, on, status

FAULTS = {
    "401": ("/api/", status(401), BundleError, "does not take the token of $HF_TOKEN for hf:me/toy"),
    "403": ("/api/", status(403, "GatedRepo"), BundleError, "does not let you read hf:me/toy: it is private or gated"),
    "403 of a file": ("bank.npz", status(403, "GatedRepo"), BundleError, "does not let you read hf:me/toy"),
    "404": ("/api/", status(404, "RepoNotFound"), BundleError, "has no model hf:me/toy; write it as"),
    "500": ("/api/", status(500), ReadWriteError, "cannot answer now (status 500); try again"),
    "503 of a file": ("bank.npz", status(503), ReadWriteError, "cannot answer now (status 503); try again"),
    "418": ("/api/", status(418), ReadWriteError, "an answer of status 418"),
    "a missing file": ("bank.npz", status(404, "EntryNotFound"), BundleError,
                       "no bundle of aetool: bank.npz is missing"),
    "no bundle": ("bundle.json", status(404, "EntryNotFound"), BundleError,
                  "no bundle of aetool: bundle.json is missing"),
    "a redirect to http": ("bank.npz", elsewhere("http://a.example/x"), ReadWriteError, "redirected to http, which"),
    "a redirect of the question": ("/api/", elsewhere("http://a.example/x"), ReadWriteError, "redirected to http"),
    "a redirect to a file": ("bank.npz", elsewhere("file:///etc/passwd"), ReadWriteError, "status 302"),
    "a redirect to itself": ("bank.npz", lambda h: elsewhere(h.path)(h), ReadWriteError, "status 302"),
    "a redirect to nowhere": ("bank.npz", elsewhere("http://[::1"), ReadWriteError, "cannot be reached"),
    "a redirect without an address": ("bank.npz", lambda h: h.give(b"", 302), ReadWriteError, "status 302"),
    "a short body": ("bank.npz", cut, ReadWriteError, "the connection ended early"),
    "a short answer": ("/api/", cut, ReadWriteError, "the connection ended early"),
    "no HTTP": ("/api/", no_http, ReadWriteError, "cannot be reached"),
    "no JSON": ("/api/", lambda h: h.give(b"<html>"), ReadWriteError, "does not say which commit hf:me/toy@main is"),
    "no commit": ("/api/", lambda h: h.give(b"{}"), ReadWriteError, "does not say which commit"),
    "a list": ("/api/", lambda h: h.give(b"[1]"), ReadWriteError, "does not say which commit"),
    "depth": ("/api/", lambda h: h.give(b"[" * 200_000), ReadWriteError, "does not say which commit"),
    "a commit that leaves": ("/api/", lambda h: h.give(b'{"sha": "../../../x"}'), ReadWriteError, "does not say which"),
    "a wrong byte": ("bank.npz", lambda h: h.give(h.server.files["bank.npz"][:-1] + b"x"), BundleError,
                     "bank.npz is not what SHA256SUMS says"),
    "a page": ("encoder.onnx", lambda h: h.give(b"<html>"), BundleError, "encoder.onnx is not what SHA256SUMS says"),
    "too large by its word": ("bank.npz", lambda h: h.give(b"", Content_Length=str(1 << 40)), BundleError,
                              "bank.npz is no file of acceptable size"),
    "large sums": (SUMS, lambda h: h.give(bytes(2000)), BundleError, "SHA256SUMS is no file of acceptable size"),
    "a large answer": ("/api/", lambda h: h.give(b"", Content_Length="9" * 5000), ReadWriteError, ""),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_line_and_code_and_leaves_nothing(faulty, find, cache, cli, fault):
    part, answer, kind, words = FAULTS[fault]
    faulty.fault = on(part, answer)
    code, out, err = cli("sample", "-m", "hf:me/toy", "-n", 1, "-q")
    assert (code, out) == (kind.exit_code, b""), err
    assert words in err and err.count("\n") == 1 and err.startswith("aetool: ") and TOKEN not in err
    assert not any(path.is_file() for path in cache.rglob("*"))


@pytest.mark.parametrize("name", FILES)
def test_the_limits_of_a_bundle_hold_while_it_is_downloaded(faulty, find, monkeypatch, name):
    """A file that never ends, of which no length is said."""
    sent = []

    def endless(handler) -> bool:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        with pytest.raises(OSError):
            while True:
                sent.append(handler.wfile.write(bytes(1 << 16)))
        return True

    limits = {one: len(faulty.files[one]) for one in (*FILES, SUMS)}
    monkeypatch.setattr(hub, "MAX_BYTES", limits)
    faulty.fault = on(name, endless)
    with pytest.raises(BundleError, match=f"{name} is no file of acceptable size"):
        find()
    assert sum(sent) < 100 * (1 << 20)
    faulty.fault = lambda _: False
    assert set(limits) <= set(MAX_BYTES) and find().is_dir()


def test_what_the_gate_or_the_manifest_refuses_is_not_kept(faulty, find, cache):
    good = dict(faulty.files)
    for name, data in (("bundle.json", b"{}"), ("decoder.onnx", good["encoder.onnx"]), ("encoder.onnx", b"\x08\x0a")):
        faulty.files = good | {name: data}
        faulty.files[SUMS] = canonical_sums({one: faulty.files[one] for one in FILES})
        with pytest.raises(BundleError, match=r"the bundle hf:me/toy@\w{40} is refused: "):
            find()
        assert not any(path.is_file() for path in cache.rglob("*"))


def test_a_server_that_falls_silent_is_given_up(faulty, find, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    faulty.fault = on("bank.npz", lambda _: time.sleep(1) or True)
    with pytest.raises(ReadWriteError, match="cannot be reached: timed out"):
        find()
