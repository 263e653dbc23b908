"""Output folders: numbers that sort and meet, folders kept apart, and pictures of other runs, which are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import aetool
from tests.toy import picture, toy_image, toy_latents


@pytest.fixture
def two(workplace):
    for i, name in enumerate(("d1/a.png", "d2/a.png", "d2/b.png")):
        Path(name).parent.mkdir(exist_ok=True)
        toy_image(40 * i, 30, 20, 10).save(name)


def below(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


FOLDERS = [
    ("interpolate class:dark class:light --steps 5", ["0001", "0002", "0003", "0004", "0005"]),
    ("sample --class dark -n 2 --seed 1", ["dark-0001", "dark-0002"]),
    ("sample -n 1 --seed 1", ["new-0001"]),
    ("sample --from d2 -n 1 --seed 1", ["new-0001"]),
    ("sample --each -n 1 --seed 1", ["dark-0001", "light-0001"]),
    ("perturb d1/a.png -n 2 --seed 1", ["a-0001", "a-0002"]),
    ("perturb class:dark -n 1 --seed 1", ["class_dark-0001"]),
    ("decode z.npy", ["z.npy#0000", "z.npy#0001"]),
    ("decode bare.npz", ["bare.npz#0000", "bare.npz#0001"]),
    ("decode z.jsonl", ["named", "z.jsonl#0001"]),
]


@pytest.mark.parametrize(("line", "expected"), FOLDERS, ids=[line for line, _ in FOLDERS])
def test_numbers_have_at_least_four_digits(cli, toy, two, line, expected):
    np.save("z.npy", toy_latents()[:2])
    np.savez("bare.npz", latents=toy_latents()[:2])
    Path("z.jsonl").write_text('[0, 0, 0, 1]\n{"source": "named", "latent": [0, 0, 1, 1]}\n')
    assert cli(*line.split(), "-m", toy, "-o", "out/")[0] == 0
    assert below("out") == [f"{name}.png" for name in expected]


def test_sources_of_bare_latents_keep_their_plain_numbers(cli, toy, two):
    np.save("z.npy", toy_latents()[:2])
    out = cli("search", "z.npy", "-n", 1, "--json", "-m", toy)[1]
    assert [json.loads(line)["query"] for line in out.splitlines()] == ["z.npy#0", "z.npy#1"]


def test_longer_runs_have_longer_numbers(cli, toy, two):
    out = cli("interpolate", "class:dark", "class:light", "--steps", 10_000, "--latents", "-m", toy)[1]
    sources = [json.loads(line)["source"] for line in out.splitlines()]
    assert (sources[0], sources[-1]) == ("00001", "10000") and sources == sorted(sources)


def test_python_numbers_pictures_as_the_command(toy, two):
    model = aetool.load(toy)
    assert model.decode(toy_latents()[:2]).names == ("0001", "0002")
    assert model.perturb(toy_latents()[:2], n=1, seed=1).names == ("latent 0000-0001", "latent 0001-0001")
    pictures = model.perturb(toy_image(1, 2, 3, 4), toy_image(5, 6, 7, 8), n=1, seed=1)
    assert pictures.names == ("image-0000-0001", "image-0001-0001")


def test_pictures_of_an_earlier_run_are_told_in_one_line(cli, toy, two):
    walk = ("interpolate", "class:dark", "class:light", "-q", "-m", toy, "-o", "f/", "--steps")
    assert cli(*walk, 12)[2] == ""
    code, out, err = cli(*walk, 5)
    assert (code, out) == (0, b"") and len(below("f")) == 12
    told = "aetool: warning: f holds 7 pictures that this command did not write, such as f/0006.png\n"
    assert err == told
    assert cli(*walk, 12)[2] == ""
    Path("f/0006.png").unlink()
    assert "f holds 6 pictures" in cli(*walk, 5)[2]


OTHERS = ["sample --class dark -n 1 --seed 1", "perturb d1/a.png -n 1 --seed 1", "reconstruct d1/a.png",
          "decode z.npy", "sample --each -n 1 --seed 1", "interpolate class:dark class:light"]  # fmt: skip


@pytest.mark.parametrize("line", OTHERS)
def test_every_command_tells_of_others_and_of_pictures_alone(cli, toy, two, line):
    np.save("z.npy", toy_latents()[:2])
    for name in ("out/old/x.jpg", "out/.hidden/y.png"):
        Path(name).parent.mkdir(parents=True)
        toy_image(1, 2, 3, 4).save(name)
    Path("out/notes.txt").write_text("no picture")
    Path("out/.z.png").write_bytes(b"hidden")
    words = (*line.split(), "-m", toy, "-o", "out/")
    told = "out holds a picture that this command did not write, such as out/old/x.jpg"
    assert told in cli(*words)[2]
    assert told in cli(*words)[2]  # those of the run itself are replaced, not told


def test_a_folder_completed_by_skipping_holds_no_others(cli, toy, two):
    words = ("reconstruct", "d1", "d2", "-m", toy, "-o", "out/", "--skip-existing")
    assert cli("reconstruct", "d1", "d2", "-m", toy, "-o", "out/")[0] == 0
    Path("out/d2/b.png").unlink()
    assert "did not write" not in cli(*words)[2]
    toy_image(1, 2, 3, 4).save("out/d2/old.png")
    assert "such as out/d2/old.png" in cli(*words)[2]


def test_an_output_in_the_current_folder_is_told_the_same(cli, toy, two, monkeypatch):
    Path("cats").mkdir()
    monkeypatch.chdir("cats")
    words = ("reconstruct", "../d1", "../d2", "-m", toy, "-o", "./")
    assert cli(*words)[2] == "" and cli(*words)[2] == ""


@pytest.mark.parametrize("given", [("d1", "d2"), ("d1/a.png", "d2/a.png", "d2/b.png"), ("--files-from", "list")])
def test_equal_names_of_two_folders_keep_their_folders(cli, toy, two, given):
    Path("list").write_text("d1/a.png\nd2/a.png\nd2/b.png\n")
    kept = ["d1/a.png", "d2/a.png", "d2/b.png"]
    assert cli("reconstruct", *given, "-m", toy, "-o", "out/")[0] == 0
    assert below("out") == kept
    for i, name in enumerate(kept):
        assert np.array_equal(np.asarray(picture(f"out/{name}")), np.asarray(toy_image(40 * i, 30, 20, 10)))
    assert cli("encode", *given, "-m", toy, "-o", "z.npz")[0] == 0
    assert np.load("z.npz")["sources"].tolist() == kept
    assert cli("decode", "z.npz", "-m", toy, "-o", "again/")[0] == 0
    assert below("again") == kept
    for words in (("reconstruct", "--json"), ("score", "--json"), ("encode",)):
        out = cli(*words, *given, "-m", toy)[1]
        assert [json.loads(line)["source"] for line in out.splitlines()] == kept


def test_variations_of_equal_names_keep_their_folders(cli, toy, two):
    assert cli("perturb", "d1", "d2", "class:dark", "-n", 1, "--seed", 1, "-m", toy, "-o", "out/")[0] == 0
    assert below("out") == ["class_dark-0001.png", "d1/a-0001.png", "d2/a-0001.png", "d2/b-0001.png"]
    out = cli("perturb", "d1/a.png", "d2/a.png", "-n", 1, "--seed", 1, "-m", toy, "--latents")[1]
    assert re.findall(rb'"source": "([^"]*)"', out) == [b"d1/a-0001", b"d2/a-0001"]
    model = aetool.load(toy)
    assert model.perturb("d1", Path("d2"), n=1, seed=1).names == ("d1/a-0001", "d2/a-0001", "d2/b-0001")
    assert model.reconstruct(["d1", "d2"]).names == ("d1/a.png", "d2/a.png", "d2/b.png")
