"""Models of a hub: what is asked for, what is refused, what the cache holds, and who gets the token."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

import aetool
from aetool.bundle import address, hub
from aetool.bundle.address import address_of, called, hub_folder
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import CARD, FILES, MAX_BYTES, SUMS, canonical_sums
from aetool.bundle.lookup import find_path
from aetool.cli.completion import classes
from aetool.cli.fixes import told
from aetool.errors import AetoolError, BundleError, LastKnown, ReadWriteError, UsageError
from aetool.system import downloads
from tests.conftest import command
from tests.hub.fake import FakeHub
from tests.toy import toy_image

TOKEN = "hf_secret"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of hubs in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "aetool" / "hub"


def serving(server: ThreadingHTTPServer):
    threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


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


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


# A model is found, kept, and found again


def test_a_branch_is_resolved_said_and_its_six_files_are_kept_as_they_are(fake, find, toy, cache, told_of):
    commit = fake.repositories["me/toy"]["commit"]
    path = find()
    assert path == cache / "me" / "toy" / commit
    assert {p.name: p.read_bytes() for p in path.iterdir()} == {p.name: p.read_bytes() for p in toy.iterdir()}
    assert all(p.is_file() and not p.is_symlink() for p in path.iterdir())
    assert list(dict.fromkeys(told_of)) == [f"hf:me/toy: main is commit {commit}", "downloading hf:me/toy"]
    assert not any(name in ask[1] for ask in fake.asked for name in (".gitattributes", "LICENSE"))
    read = Bundle.read(path)
    assert read.name == "hf:me/toy" and read.identity == Bundle.read(toy).identity


def test_a_second_time_a_branch_costs_one_question_and_a_commit_none(fake, find):
    path, first = find(), len(fake.asked)
    assert find() == path and len(fake.asked) == first + 1
    assert find(f"hf:me/toy@{path.name}") == find(f"hf:me/toy@{path.name.upper()}") == path
    assert len(fake.asked) == first + 1


def test_a_commit_is_asked_for_without_a_branch(fake, find):
    find(f"hf:me/toy@{fake.repositories['me/toy']['commit']}")
    assert all("/resolve/" in path for _, path, _ in fake.asked)


def test_a_branch_that_moved_is_followed_and_the_old_commit_stays(fake, find):
    old = find()
    fake.put("me/toy", {CARD: b"other words"})
    new = find()
    assert new != old and old.is_dir() and (new / CARD).read_text() == "other words"


def test_a_model_without_a_card_or_with_a_huge_one_is_complete(fake, find, monkeypatch):
    del fake.repositories["me/toy"]["files"][CARD]
    assert sorted(p.name for p in find().iterdir()) == sorted([*FILES, SUMS])
    fake.put("me/toy", {CARD: b"x" * 2000})
    monkeypatch.setattr(hub, "CARD_BYTES", 1999)
    assert not (find() / CARD).exists()


def test_commands_and_python_take_an_address(fake, cli, monkeypatch):
    toy_image(0, 50, 100, 200).save("a.png")
    lines = (["encode", "a.png"], ["sample", "-n", 2, "--seed", 1], ["reconstruct", "a.png"], ["score", "a.png"],
             ["combine", "class:dark"], ["perturb", "a.png"], ["search", "a.png"],
             ["interpolate", "a.png", "class:dark"])  # fmt: skip
    for words in lines:
        code, out, err = cli(*words, "-m", "hf:me/toy@main", "-q")
        assert code == 0 and out and not err, (words, err)
    for words in (["info"], ["verify"], ["info", "--snippet", "python"]):
        code, out, _ = cli(*words, "hf:me/toy")
        assert code == 0 and (b"hf:me/toy" in out or b"/me/toy/" in out)
    assert aetool.load("hf:me/toy").bundle.name == "hf:me/toy"
    monkeypatch.setenv("AETOOL_MODEL", "hf:me/toy")
    code, _, err = cli("sample", "-n", 1, "--seed", 1)
    assert code == 0 and re.fullmatch(r"aetool: hf:me/toy: main is commit [0-9a-f]{40}\n", err)


@pytest.mark.parametrize("words", [["-m", "hf:me/toy"], ["--model=hf:me/toy"], ["-mhf:me/toy"]])
def test_a_picture_says_the_whole_address(fake, cli, monkeypatch, words):
    line = ["sample", *words, "-n", "1", "--seed", "1", "-o", "x.png", "-q"]
    monkeypatch.setattr(sys, "argv", ["aetool", *line])
    assert cli(*line)[0] == 0
    said = cli("explain", "x.png")[1].decode()
    assert f"aetool sample {' '.join(words)} " in said and "model     hf:me/toy " in said


# Names that do not use a network


def test_names_in_latents_and_pictures_completion_and_other_options_use_no_network(fake, cli, find, monkeypatch):
    toy_image(0, 50, 100, 200).save("a.png")
    Path("z.jsonl").write_text('{"latent": [0, 0, 0, 0], "model": "hf:me/toy"}\n')
    assert cli("decode", "z.jsonl", "-o", "x.png")[0] == 4
    assert cli("train", "digits", "--start", "hf:me/toy")[0] == 2
    context = SimpleNamespace(params={"model": "hf:me/toy"})
    assert classes(context, "") == [] and fake.asked == []
    find()
    asked = len(fake.asked)
    assert classes(context, "") == ["dark", "light"]
    monkeypatch.setenv("AETOOL_MODEL", "hf:me/toy")
    assert classes(SimpleNamespace(params={}), "d") == ["dark"] and len(fake.asked) == asked


def test_latents_of_a_model_in_the_cache_find_it_without_a_network(fake, cli, monkeypatch, toy):
    assert cli("sample", "-m", "hf:me/toy", "-n", 1, "--seed", 1, "-o", "z.jsonl")[0] == 0
    asked = len(fake.asked)
    code, _, err = cli("decode", "z.jsonl", "-o", "x.png")
    assert code == 0 and "model hf:me/toy, named by the latents" in err and len(fake.asked) == asked


def test_commands_without_an_address_import_nothing_of_it(toy, workplace):
    code = (
        "import sys\nfrom aetool.cli.app import run\nassert run(sys.argv[1:]) == 0\n"
        "assert not {'urllib.request', 'http.client', 'aetool.bundle.hub'} & set(sys.modules)"
    )
    words = ["sample", "-m", str(toy), "-n", "1", "-o", "x.png", "-q"]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60)


# Names that are none

BAD = ["hf:", "hf:toy", "hf:/toy", "hf:me/", "hf:me/toy/x", "hf:../toy", "hf:me/..", "hf:./toy", "hf:me/.",
       "hf:me/%2e%2e", "hf:me/a..b", "hf:me/a--b", "hf:me/.toy", "hf:me/toy.", "hf:-me/toy", "hf:me/toy-", "hf:me/t y",
       "hf:me/tö", "hf:me/t?x", "hf:me/t#x", "hf:me\\..\\toy", "hf:me/toy.git", f"hf:me/{'a' * 97}",
       f"hf:{'a' * 100_000}/toy", "hf://me/toy", "hf:me/toy\n", "hf:me/t\0y", "hf:me/toy\u202e",
       "hf:https://huggingface.co/me/toy", "hf:m\udc80/toy", "hf:me/toy ", "hf:é/e\u0301"]  # fmt: skip
BAD_REVISIONS = ["", "..", "a/../b", "../../x", "%2e%2e", "a%2fb", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.",
                 "-a", "a b", "a\tb", "a\nb", "a\0b", "a~1", "a^", "a:b", "a?b", "a*", "a[b", "a\\b", "a@{1}",
                 "x" * 201, "ö" * 101, "a\udc80", "\u202ea", "a/b.lock/c"]  # fmt: skip


@pytest.mark.parametrize("name", [*BAD, *(f"hf:me/toy@{revision}" for revision in BAD_REVISIONS)], ids=ascii)
def test_what_is_no_address_is_refused_before_anything_is_asked(fake, find, cache, name):
    with pytest.raises(UsageError) as caught:
        find(name)
    line = told(caught.value)
    assert line.isprintable() and len(line) < 300 and line.endswith("hf:OWNER/NAME@REVISION")
    assert fake.asked == [] and not cache.exists()


@pytest.mark.parametrize(
    "revision",
    ["main", "v1.0", "refs/pr/1", "feature/new", "issue#12", "pkg@1.0", "größe", "a+b=c&d", "x" * 200, "-".join("abc")],
)
def test_revisions_that_git_allows_are_asked_for_as_they_are(fake, find, cache, revision):
    path = find(f"hf:me/toy@{revision}")
    assert fake.asked[0][1] == f"/api/models/me/toy/revision/{revision}"
    (note,) = (cache / "me/toy/revisions").iterdir()
    assert note.read_text() == f"{path.name} {revision}\n"


def test_a_note_of_another_spelling_is_not_taken(fake, find, cache, monkeypatch):
    path = find("hf:me/toy@Main")
    (cache / "me/toy/revisions/Main").rename(cache / "me/toy/revisions/main")  # as where both are one file
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BundleError, match="not in the cache"):
        find()
    assert address.last_known(address_of("hf:me/toy@Main")) is None and path.is_dir()


# Hubs that refuse, lie or fail


class Faulty(ThreadingHTTPServer):
    """A hub with the toy bundle; `fault(handler)` may answer a request instead, and then returns True."""

    daemon_threads = True

    def __init__(self, files) -> None:
        super().__init__(("127.0.0.1", 0), FaultyAnswer)
        self.files, self.fault, self.commit, self.asked = files, lambda _: False, "0123456789" * 4, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class FaultyAnswer(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.server.fault(self):
            return
        name = self.path.rpartition("/")[2]
        self.give(b'{"sha": "%s"}' % self.server.commit.encode() if "/api/" in self.path else self.server.files[name])

    def give(self, data: bytes, code: int = 200, **headers: str) -> bool:
        self.send_response(code)
        for key, value in {"Content_Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        return True


@pytest.fixture
def faulty(cache, monkeypatch, toy):
    server = Faulty({path.name: path.read_bytes() for path in toy.iterdir()})
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield from serving(server)


def on(part: str, answer):
    """A fault for requests with `part` in their path."""
    return lambda handler: part in handler.path and answer(handler)


def cut(handler) -> bool:
    """Announce more than is sent."""
    handler.give(b"{", Content_Length="1000")
    handler.close_connection = True
    return True


def status(code: int, error: str = ""):
    return lambda handler: handler.give(
        b"<html>\n\x1b[31mno</html>", code, **({"X_Error_Code": error} if error else {})
    )


def elsewhere(url: str):
    return lambda handler: handler.give(b"", 302, Location=url)


def no_http(handler) -> bool:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    return True


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


# The token


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


# Without a network


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


# The cache


def test_a_damaged_model_in_the_cache_is_refused_and_how_to_get_it_anew_is_said(fake, find, cli):
    (find() / "bank.npz").write_bytes(b"x")
    code, _, err = cli("info", "hf:me/toy")
    assert code == 5 and "bank.npz is not what SHA256SUMS says" in err and "delete this folder" in err


def test_many_at_a_time_end_with_one_folder(fake, cache):
    words = command(["info", "hf:me/toy"])
    started = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    said = [one.communicate()[1] for one in started]
    assert [one.returncode for one in started] == [0] * 3
    assert all(
        line.startswith((b"aetool: hf:me/toy: main", b"aetool: downloading")) for e in said for line in e.splitlines()
    )
    assert len(list((cache / "me/toy").iterdir())) == 2
    assert everything_below(cache / "me/toy/revisions") == ["main"]


def test_a_folder_of_which_a_part_was_removed_is_made_whole(fake, find):
    path = find()
    (path / "bundle.json").unlink()
    assert find() == path and Bundle.read(path).name == "hf:me/toy"
    assert everything_below(path.parent)[0] == path.name  # and no temporary beside it


def test_another_process_that_was_faster_is_no_error(fake, find, monkeypatch):
    write = hub.write_folder
    monkeypatch.setattr(hub, "write_folder", lambda *words, replace: write(*words) or write(*words))
    assert find().is_dir()


def test_a_kill_in_the_middle_leaves_nothing_that_counts(faulty, cache, find):
    faulty.fault = on("encoder.onnx", lambda _: time.sleep(20) or True)
    process = subprocess.Popen(command(["info", "hf:me/toy"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any("encoder.onnx" in path for path, _ in faulty.asked):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not any(path.is_file() for path in cache.rglob("*"))
    faulty.fault = lambda _: False
    assert find().is_dir()


def test_a_full_disk_leaves_nothing(fake, find, cache, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ReadWriteError, match="No space left on device") as caught:
            find()
    assert "XDG_CACHE_HOME" in told(caught.value)
    assert not any(path.is_file() for path in cache.rglob("*"))
    assert find().is_dir()


@pytest.mark.parametrize("place", ["/proc/nowhere", os.devnull, "a file"])
def test_a_cache_that_cannot_be_written_is_told(fake, find, monkeypatch, tmp_path, place):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
    with pytest.raises(ReadWriteError, match="could not write") as caught:
        find()
    assert "set XDG_CACHE_HOME to a folder" in told(caught.value)


def test_a_cache_that_may_only_be_read_serves_what_it_holds(fake, find, monkeypatch):
    path = find()
    fake.put("me/toy", {"LICENSE": b"y"})
    shutil.copytree(path, path.parent / fake.repositories["me/toy"]["commit"])  # the note of main is now old

    def read_only(*_) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(downloads, "write_file", read_only)
    monkeypatch.setattr(hub, "write_file", read_only)
    assert find().name == fake.repositories["me/toy"]["commit"]


def test_folders_of_the_cache_have_the_name_of_the_model_and_others_their_own(cache, tmp_path):
    commit = "0" * 40
    assert called(cache / "me" / "toy" / commit) == "hf:me/toy"
    assert called(tmp_path / "me" / "toy" / commit) == commit
    assert called(cache / "me" / "toy") == "toy" and called(Path("x")) == "x" and called(Path(commit)) == commit


def test_errors_of_the_environment_name_the_variable(fake, monkeypatch, cli):
    for value in ("hf:me/none", "hf:bad", "hf:me/toy@.."):
        monkeypatch.setenv("AETOOL_MODEL", value)
        code, _, err = cli("sample", "-n", 1)
        assert code in (2, 5) and err.startswith("aetool: $AETOOL_MODEL: ") and err.count("\n") == 1
        with pytest.raises(AetoolError):
            aetool.load()
