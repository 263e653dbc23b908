"""Names of outputs: too long ones are cut, and one that cannot be written is named while the others are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def long(workplace) -> Path:
    """A folder with three pictures, one of a name of 254 bytes."""
    Path("in").mkdir()
    for name in ("a", "b", "é" * 125):
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(f"in/{name}.jpg")
    return Path("in")


def records(*sources: str, size: int) -> str:
    return "".join(json.dumps({"source": source, "latent": [0.1] * size}) + "\n" for source in sources)


@pytest.fixture
def size(toy, cli) -> int:
    return len(json.loads(cli("sample", "-m", toy, "-n", 1, "--latents", "--seed", 1)[1])["latent"])


def pictures(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).rglob("*.png"))


def test_long_names_are_cut(cli, toy, long, size):
    assert cli("reconstruct", "-m", toy, long, "-o", "again/")[0] == 0
    names = pictures("again")
    assert len(names) == 3 and names[:2] == ["a.jpg.png", "b.jpg.png"] and all(len(n.encode()) <= 255 for n in names)
    assert cli("reconstruct", "-m", toy, long, "-o", "again/", "--skip-existing")[2].count("3 are there already") == 1
    assert pictures("again") == names
    Path("z.jsonl").write_text(records("a.png", "x" * 300, "x" * 301, "d" * 300 + "/y", size=size))
    assert cli("decode", "z.jsonl", "-m", toy, "-o", "out/")[0] == 0 and len(pictures("out")) == 4
    assert (
        cli("perturb", long, "-m", toy, "-n", 2, "--seed", 1, "-o", "varied/")[0] == 0 and len(pictures("varied")) == 6
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_name_that_cannot_be_written_is_named_and_the_rest_is_done(cli, toy, long, size, threads):
    Path("again/b.jpg.png").mkdir(parents=True)
    code, _, err = cli("reconstruct", "-m", toy, long, "-o", "again/", "--threads", threads, "--errors", "e.jsonl")
    assert code == 3 and "could not write again/b.jpg.png" in err and "2 done, 1 failed" in err
    assert len(Path("e.jsonl").read_text().splitlines()) == 1
    assert len([path for path in Path("again").iterdir() if path.is_file()]) == 2
    count = 700 if threads == 2 else 3
    Path("out/1.png").mkdir(parents=True)
    Path("out/2").write_bytes(b"")
    Path("z.jsonl").write_text(records(*["0", "1", "2/x", *map(str, range(3, count))], size=size))
    code, _, err = cli("decode", "z.jsonl", "-m", toy, "-o", "out/", "--threads", threads)
    assert code == 3 and "out/1.png" in err and "out/2" in err and f"{count - 2} done, 2 failed" in err
    assert len([path for path in Path("out").glob("*.png") if path.is_file()]) == count - 2


def test_a_name_that_cannot_be_written_is_named_by_every_command(cli, toy, long):
    for folder, name in (("p", "a-1.png"), ("s", "new-1.png"), ("i", "1.png")):
        Path(folder, name).mkdir(parents=True)
        Path(folder, name.replace("1", "01")).mkdir()
        Path(folder, name.replace("1", "0001")).mkdir()
    for words in (("perturb", long, "-n", 2, "--seed", 1, "-o", "p/"), ("sample", "--from", long, "-n", 2, "-o", "s/"),
                  ("sample", "-n", 2, "--seed", 1, "-o", "s/"),
                  ("interpolate", long / "a.jpg", long / "b.jpg", "--steps", 2, "-o", "i/")):  # fmt: skip
        code, _, err = cli(*words, "-m", toy)
        assert code == 3 and "could not write" in err and "1 failed" in err, words


def test_pixels_stay_with_their_names(cli, toy, long):
    cli("reconstruct", "-m", toy, long, "-o", "one/")
    Path("two/a.jpg.png").mkdir(parents=True)
    cli("reconstruct", "-m", toy, long, "-o", "two/")
    for name in pictures("one")[1:]:
        assert np.array_equal(np.asarray(Image.open(f"one/{name}")), np.asarray(Image.open(f"two/{name}")))
