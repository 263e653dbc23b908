"""`aetool encode --pixels FOLDER/`: the prepared pixels of each image, as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool as package
from tests.toy import toy_image


@pytest.fixture
def here(workplace, toy, monkeypatch):
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    for name in ("d1/a.png", "d1/b.png", "d2/a.png"):
        Path(name).parent.mkdir(exist_ok=True)
        toy_image(len(name), ord(name[1]), ord(name[3]), 9).save(name)
    Image.effect_noise((90, 70), 80).convert("RGB").save("photo.jpg")
    return workplace


def below(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_the_pixels_are_those_of_the_encoder_beside_the_same_latents(cli, here, toy):
    plain = cli("encode", "d1", "d2", "photo.jpg")
    code, out, err = cli("encode", "d1", "d2", "photo.jpg", "--pixels", "px/")
    assert (code, out) == (plain[0], plain[1]) and not err and code == 0
    names = ["d1/a.png", "d1/b.png", "d2/a.png", "photo.jpg"]
    assert below("px") == sorted(f"{name}.u8" for name in names)
    model = package.load(toy)
    for name in names:
        pixels = np.fromfile(f"px/{name}.u8", np.uint8).reshape(1, 8, 8)
        assert np.array_equal(pixels, model.prepare(name))


def test_channels_come_first(cli, here):
    code, _, _ = cli("encode", "photo.jpg", "-m", "sign_digits", "--pixels", "px", "-o", "z.npy")
    pixels = np.fromfile("px/photo.jpg.u8", np.uint8).reshape(3, 64, 64)
    assert code == 0 and np.array_equal(pixels, package.load("sign_digits").prepare("photo.jpg"))
    assert np.load("z.npy").shape == (1, 32)


def test_tiles_and_arrays_have_a_file_each(cli, here):
    cli("sample", "--class", "dark", "-n", "3", "--seed", "1", "-o", "s.png")
    np.save("x.npy", np.arange(128, dtype=np.uint8).reshape(2, 8, 8))
    assert cli("encode", "s.png", "x.npy", "--pixels", "px/", "-q")[0] == 0
    found = below("px")
    assert len(found) == 5 and [name for name in found if name.startswith("s-000")] == [
        f"s-000{i}.png.u8" for i in (1, 2, 3)
    ]
    (last,) = (name for name in found if name.startswith("x") and "1" in name)
    assert Path("px", last).read_bytes() == bytes(range(64, 128))


def test_many_are_written_in_order_by_workers(aetool, toy, workplace):
    Path("in").mkdir()
    for i in range(600):
        toy_image(i % 256, i // 256, 128, 255).save(f"in/{i:04}.png")
    plain, done = (aetool("encode", "-m", str(toy), "in", *more) for more in ((), ("--pixels", "px/")))
    assert done.returncode == 0 and plain.stdout == done.stdout
    for record, name in zip(map(json.loads, done.stdout.splitlines()), below("px"), strict=True):
        pixels = np.fromfile(f"px/{name}", np.uint8).reshape(8, 8)
        assert name == f"{Path(record['source']).name}.u8"
        assert np.array_equal(np.float32(record["latent"]), pixels[2::4, 2::4].ravel() / np.float32(255))


def test_one_bad_input_costs_its_file_alone(cli, here):
    Path("d1/b.png").write_bytes(b"no picture")
    code, out, err = cli("encode", "d1", "--pixels", "px")
    assert code == 3 and out.count(b"\n") == 1 and "b.png is skipped" in err and below("px") == ["a.png.u8"]
    assert cli("encode", "d1/b.png", "--pixels", "none")[0] == 4 and not Path("none").exists()


def test_a_file_that_cannot_be_written_is_named(cli, here):
    Path("px/a.png.u8").mkdir(parents=True)
    code, out, err = cli("encode", "d1", "--pixels", "px")
    assert code == 3 and out.count(b"\n") == 2 and "px/a.png.u8" in err and below("px") == ["b.png.u8"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("d1 --pixels d1", 2, "the output d1 is an input; choose another --pixels"),
        ("d1/a.png --pixels d1/", 2, "holds an input; choose another --pixels"),
        ("d1/a.png --pixels photo.jpg", 2, "--pixels takes a folder"),
        ("d1/a.png --pixels TOY", 2, "--pixels takes a folder"),
        ("d1/a.png --pixels=", 2, "an argument is empty"),
        ("d1/a.png --pixels /dev/null", 2, "--pixels takes a folder"),
        ("d1/a.png --pixels photo.jpg/x", 7, "photo.jpg"),
    ],
)
def test_other_places_are_refused_in_one_line(cli, here, toy, words, code, said):
    found, out, err = cli("encode", *words.replace("TOY", str(toy)).split())
    assert (found, out) == (code, b"") and said in err and err.count("\n") == 1
    assert below("d1") == ["a.png", "b.png"]


def test_files_of_an_earlier_run_are_told(cli, here):
    assert cli("encode", "d1", "--pixels", "px")[2] == ""
    assert cli("encode", "d1", "--pixels", "px")[2] == ""
    Path("px/notes.txt").write_text("not told")
    told = "aetool: warning: px holds a file that this command did not write, such as px/b.png.u8\n"
    assert cli("encode", "d1/a.png", "--pixels", "px")[2] == told
