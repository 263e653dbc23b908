"""Stdin as an input: handed out once a command, and read to its last picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.toy import picture, toy_image


@pytest.fixture
def two(workplace):
    toy_image(0, 50, 100, 150).save("a.png")
    toy_image(250, 200, 100, 0).save("b.png")
    toy_image(9, 9, 9, 9).save("c.bmp")
    Image.fromarray(np.full((8, 8), 7, np.uint8)).save("t.tif")


@pytest.mark.parametrize(
    "words",
    [
        "encode - a.png -",
        "encode - --files-from -",
        "score - -",
        "reconstruct - - -o out/",
        "sample --from - --files-from - -o x.png",
        "combine - class:dark -",
        "interpolate - -",
        "perturb - - -o x.png",
        "search - --in -",
        "explain - -",
    ],
)
def test_stdin_named_twice_is_refused_before_anything_is_read_or_written(shell, toy, two, words):
    model = "" if words.startswith("explain") else f"-m {toy}"
    before = sorted(Path().iterdir())
    done = shell(f"cat a.png | aetool {words} {model}")
    assert (done.returncode, done.stdout) == (2, b""), words
    assert done.stderr == b"aetool: stdin (-) can be read once, and is named more than once; name a file instead\n"
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("names", ["-\n-\n", "a.png\n-\nb.png\n-\n"])
def test_a_list_of_names_has_stdin_once_too(shell, toy, two, names):
    Path("names").write_text(names)
    done = shell(f"aetool encode --files-from names -m {toy} < a.png")
    assert done.returncode == 2 and b"named more than once" in done.stderr
    done = shell(f"echo - | aetool encode --files-from - -m {toy}")
    assert done.returncode == 2 and b"named more than once" in done.stderr


def test_each_command_of_a_process_has_stdin(cli, toy, two, monkeypatch):
    for name in ("a.png", "b.png"):
        with open(name) as stream:  # noqa: PTH123
            monkeypatch.setattr("sys.stdin", stream)
            assert cli("encode", "-", "-m", toy)[0] == 0


def test_all_pictures_of_stdin_are_read_whatever_their_format(shell, toy, two):
    done = shell(f"cat a.png c.bmp b.png t.tif | aetool encode - -m {toy}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, b"")
    assert [record["source"] for record in records] == ["-", "-#2", "-#3", "-#4"]
    levels = [np.rint(np.array(record["latent"]) * 255).tolist() for record in records]
    assert levels == [[0, 50, 100, 150], [9] * 4, [250, 200, 100, 0], [7] * 4]


def test_pictures_of_stdin_are_inputs_of_every_command(shell, toy, two):
    assert shell(f"cat a.png b.png | aetool reconstruct - a.png -m {toy} -o out/").returncode == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "stdin-2.png", "stdin.png"]
    assert np.array_equal(np.asarray(picture("out/stdin-2.png")), np.asarray(picture("b.png")))
    assert shell(f"cat a.png b.png | aetool score - -m {toy} --json").stdout.count(b"\n") == 2
    assert shell(f"cat a.png b.png | aetool interpolate - --steps 5 --latents -m {toy}").stdout.count(b"\n") == 5
    assert shell(f"cat a.png b.png | aetool search - -n 1 --json -m {toy}").stdout.count(b"\n") == 2
    assert shell(f"cat a.png b.png | aetool perturb - -n 3 --latents -m {toy}").stdout.count(b"\n") == 6
    assert shell(f"cat a.png b.png | aetool sample --from - -n 3 --latents -m {toy}").stdout.count(b"\n") == 3
    shell(f"aetool sample -n 1 --seed 3 -m {toy} -o x.png; aetool sample -n 1 --seed 4 -m {toy} -o y.png")
    said = [json.loads(line) for line in shell("cat x.png y.png | aetool explain - --json").stdout.splitlines()]
    assert [(one["picture"], one["seed"]) for one in said] == [("-", 3), ("-#2", 4)]


def test_pictures_of_other_pipes_are_all_read_too(shell, toy, two):
    done = shell(f"aetool encode <(cat a.png b.png) a.png -m {toy}")
    names = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and names == [names[0], f"{names[0]}#2", "a.png"] and names[0].startswith("/dev/fd/")
    done = shell(f"cat a.png b.png | aetool encode /dev/stdin -m {toy}")
    names = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert (done.returncode, names) == (0, ["/dev/stdin", "/dev/stdin#2"])
    done = shell(f"(cat a.png; echo more) | aetool encode /dev/stdin -m {toy}")
    assert done.returncode == 0 and b"/dev/stdin: 4 bytes are left out behind picture 1" in done.stderr
    assert shell(f"cat a.png | aetool encode - /dev/stdin -m {toy}").returncode == 3
    assert shell(f"aetool encode a.png /dev/fd/99 -m {toy}").returncode == 3


def test_a_damaged_picture_of_stdin_is_named_and_the_rest_is_done(shell, toy, two):
    data = bytearray(Path("b.png").read_bytes())
    data[data.index(b"IDAT") + 6] ^= 0xFF
    Path("bad.png").write_bytes(data)
    done = shell(f"cat a.png bad.png b.png | aetool encode - -m {toy}")
    assert done.returncode == 3 and done.stdout.count(b"\n") == 2 and b"-#2 is skipped" in done.stderr


def test_bytes_behind_a_picture_of_stdin_are_told_and_of_a_file_are_not(shell, toy, two):
    Path("d.png").write_bytes(Path("a.png").read_bytes() + b"a trailer")
    done = shell(f"aetool encode - -m {toy} < d.png")
    assert done.returncode == 0 and done.stdout.count(b"\n") == 1
    assert b"warning: stdin: 9 bytes are left out behind picture 1" in done.stderr
    assert shell(f"aetool encode d.png -m {toy}").stderr == b""
    done = shell(f"cat t.tif a.png | aetool encode - -m {toy}")
    assert done.returncode == 0 and b"bytes are left out behind picture 1" in done.stderr


def test_many_pictures_of_stdin_are_spread_over_workers_in_order(shell, toy, two):
    done = shell(f"for i in $(seq 700); do cat a.png b.png; done | aetool encode - -m {toy} --threads 2")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == ["-", *(f"-#{i}" for i in range(2, 1401))]
    assert all(record["latent"] == records[i % 2]["latent"] for i, record in enumerate(records))
