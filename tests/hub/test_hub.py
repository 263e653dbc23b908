"""A model of a hub is found, kept, and found again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import aetool
from aetool.bundle import hub
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import CARD, FILES, SUMS
from aetool.cli.completion import classes
from tests.toy import toy_image


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
