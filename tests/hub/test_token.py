"""The token goes to its own hub alone, and to no hub without https."""

from __future__ import annotations

import shutil

import pytest

from aetool.bundle import hub
from aetool.bundle.address import hub_folder
from aetool.cli.fixes import told
from aetool.errors import BundleError, UsageError
from tests.hub.faulty import TOKEN, Faulty, on, serving, status


def test_the_token_goes_to_the_hub_alone_and_never_after_a_redirect(faulty, find, toy, monkeypatch):
    other = Faulty(faulty.files)
    for server in serving(other):
        faulty.fault = on("onnx", lambda h: h.give(b"", 302, Location=f"{other.address}{h.path}"))
        find()
        faulty.fault = on("bank.npz", lambda h: "again" not in h.path and h.give(b"", 307, Location="/again/bank.npz"))
        shutil.rmtree(hub_folder())
        find()
        assert [auth for _, auth in server.asked] == [None, None]
    asked = [(path, auth) for path, auth in faulty.asked]
    assert {auth for path, auth in asked if "again" not in path} == {f"Bearer {TOKEN}"}
    assert [auth for path, auth in asked if "again" in path] == [None]


def test_http_to_this_machine_uses_no_proxy(faulty, find, monkeypatch):
    proxy = Faulty({})
    for server in serving(proxy):
        monkeypatch.setenv("http_proxy", server.address)
        find()
        assert server.asked == []


def test_without_a_token_none_is_sent_and_401_asks_for_one(faulty, find, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", " ")
    faulty.fault = on("/api/", status(401))
    with pytest.raises(BundleError) as caught:
        find()
    assert "asks for a token for hf:me/toy" in told(caught.value) and "set HF_TOKEN" in told(caught.value)
    assert faulty.asked[0][1] is None


@pytest.mark.parametrize("token", ["a\r\nX-Other: 1", "a b", "ä", "a\x1b", "hf_\udc80"])
def test_a_token_that_is_none_is_refused_and_not_shown(faulty, find, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UsageError, match="HF_TOKEN holds characters that no token has") as caught:
        find()
    assert faulty.asked == [] and token not in str(caught.value)


ENDPOINTS = ["http://a.example", "http://10.0.0.1:8000", "http://127.0.0.1.example", "http://localhost.example",
             "http://localhost@a.example", "http://a.example#@127.0.0.1", "ftp://127.0.0.1", "file:///etc",
             "huggingface.co", "https://", "https://user:word@a.example", "https://a.example?x=1", "https://[::1",
             "https://a.example:99999", "https://a.example/\n", "https://a b", "http://0.0.0.0:1", "http://2130706433",
             "//127.0.0.1"]  # fmt: skip


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_without_https_is_refused_unless_it_is_this_machine(faulty, find, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match="HF_ENDPOINT is no https address") as caught:
        find()
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["http://localhost:{}/", "http://127.1.2.3:{}", "HTTP://LOCALHOST:{}", "http://127.0.0.1:{}/"]
)
def test_an_endpoint_on_this_machine_is_used_without_https(cache, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint.format(1))
    assert hub.hub_of_environment().endpoint == endpoint.format(1).replace("HTTP", "http").rstrip("/")


def test_a_hub_below_a_path_is_asked_there(faulty, find, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{faulty.address}/mirror/hub/")
    find()
    assert all(path.startswith("/mirror/hub/") for path, _ in faulty.asked)
