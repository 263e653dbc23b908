"""Addresses of a hub: those that are none are refused before anything is asked."""

from __future__ import annotations

import pytest

import aetool
from aetool.bundle import address
from aetool.bundle.address import address_of
from aetool.cli.fixes import told
from aetool.errors import AetoolError, BundleError, UsageError

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


def test_errors_of_the_environment_name_the_variable(fake, monkeypatch, cli):
    for value in ("hf:me/none", "hf:bad", "hf:me/toy@.."):
        monkeypatch.setenv("AETOOL_MODEL", value)
        code, _, err = cli("sample", "-n", 1)
        assert code in (2, 5) and err.startswith("aetool: $AETOOL_MODEL: ") and err.count("\n") == 1
        with pytest.raises(AetoolError):
            aetool.load()
