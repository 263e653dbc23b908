"""Sheets as inputs: what `sample` writes as one picture, every other command reads as many."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from tests.toy import picture, toy_image


def latents(out: bytes) -> list[list[float]]:
    return [json.loads(line)["latent"] for line in out.splitlines()]


@pytest.fixture
def sheet(cli, toy, workplace):
    """A sheet of seven pictures, and the same pictures in a folder."""
    for place in ("s.png", "single/"):
        assert cli("sample", "-m", toy, "-n", 7, "--seed", 1, "-o", place)[0] == 0
    return workplace / "s.png"


def test_a_sheet_has_the_latents_of_its_pictures_to_the_bit(cli, toy, sheet):
    code, out, err = cli("encode", "s.png", "-m", toy)
    assert code == 0 and latents(out) == latents(cli("encode", "single", "-m", toy)[1])
    assert [json.loads(line)["source"] for line in out.splitlines()] == [f"s.png[{i}]" for i in range(1, 8)]
    assert err == "aetool: s.png is a sheet of 7 pictures, and each is taken; --whole takes a sheet as one picture\n"
    assert cli("encode", "s.png", "-m", toy, "-q")[2] == ""


def test_sample_into_encode_makes_as_many(shell, toy, sheet):
    done = shell(f"aetool sample -m {toy} -n 7 --seed 1 | aetool encode - -m {toy} -q")
    assert done.returncode == 0 and len(latents(done.stdout)) == 7
    done = shell(f"cat s.png single/*1.png s.png | aetool encode - -m {toy} -q")
    names = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert len(names) == 15 and names[0] == "-[1]" and names[7] == "-#2" and names[8] == "-#3[1]"


@pytest.mark.parametrize(
    ("words", "cut", "whole"),
    [
        ("encode s.png", 7, 1),
        ("score s.png --json", 7, 1),
        ("reconstruct s.png --json", 7, 1),
        ("interpolate s.png --steps 3 --latents", 13, None),
        ("interpolate s.png class:dark --steps 3 --latents", 15, 3),
        ("perturb s.png -n 2 --latents", 14, 2),
        ("search s.png -n 1 --json", 7, 1),
        ("sample --from s.png -n 3 --latents", 3, None),
    ],
)
def test_every_command_takes_the_tiles_or_the_whole(cli, toy, sheet, words, cut, whole):
    code, out, err = cli(*words.split(), "-m", toy)
    assert code == 0 and out.count(b"\n") == cut and "s.png is a sheet of 7 pictures" in err
    code, out, err = cli(*words.split(), "-m", toy, "--whole")
    assert "is a sheet" not in err
    assert (code, out.count(b"\n")) == ((2 if "interpolate" in words else 4, 0) if whole is None else (0, whole))


def test_combine_takes_the_mean_of_the_tiles(cli, toy, sheet):
    mean = np.mean(latents(cli("encode", "s.png", "-m", toy)[1]), axis=0)
    assert latents(cli("combine", "s.png", "-m", toy, "--latents")[1])[0] == pytest.approx(mean.tolist())
    assert cli("combine", "s.png", "-m", toy, "--latents", "--weights", "1,1,1,1,1,1,1")[0] == 0


def test_tiles_keep_their_names_in_an_output_folder(cli, toy, sheet):
    Path("in/sub").mkdir(parents=True)
    sheet.rename("in/sub/s.png")
    for _ in range(2):
        assert cli("reconstruct", "in", "-o", "out/", "-m", toy, "--skip-existing")[0] == 0
        names = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.png"))
        assert names == [f"sub/s-{i:04}.png" for i in range(1, 8)]
    for name, single in zip(names, sorted(Path("single").iterdir()), strict=True):
        assert np.array_equal(np.asarray(picture(f"out/{name}")), np.asarray(picture(single)))


def test_sheets_among_many_files_come_in_order_with_workers(cli, toy, sheet):
    Path("many").mkdir()
    for i in range(3000):
        (Path("many") / f"{i:04}.png").symlink_to(sheet if i % 701 == 700 else next(Path("single").iterdir()).resolve())
    Path("many/1500-bad.png").write_bytes(b"none")
    runs = [cli("encode", "many", "-m", toy, "--threads", threads) for threads in (1, 2)]
    assert [run[0] for run in runs] == [3, 3] and runs[0][1] == runs[1][1]
    names = [json.loads(line)["source"] for line in runs[0][1].splitlines()]
    assert len(names) == 3000 + 6 * 4 and names[699:702] == ["many/0699.png", "many/0700.png[1]", "many/0700.png[2]"]
    assert runs[1][2].count("is a sheet") == 1
    assert len(latents(cli("encode", "many", "-m", toy, "--threads", 2, "--whole")[1])) == 3000


def test_a_grid_that_does_not_fit_is_told_and_the_picture_is_whole(cli, toy, sheet):
    image = picture("s.png")
    image.crop((0, 0, 64, 64)).save("cropped.png", pnginfo=_text(image))
    for words in (["encode"], ["search", "-n", "1", "--json"], ["perturb", "-n", "1", "--latents"]):
        code, out, err = cli(*words, "cropped.png", "-m", toy, "-q")
        assert code == 0 and out.count(b"\n") == 1
        said = "calls itself a sheet, but its grid does not fit; it is taken as one picture"
        assert err.count("\n") == 1 and f"warning: cropped.png {said}" in err


def _text(image: Image.Image):
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_itxt("aetool", image.info["aetool"])
    return text


def test_sheets_without_metadata_and_single_pictures_stay_whole(cli, toy, workplace):
    assert cli("sample", "-m", toy, "-n", 7, "-o", "bare.png", "--no-metadata")[0] == 0
    assert cli("sample", "-m", toy, "-n", 1, "-o", "one.png")[0] == 0
    toy_image(1, 2, 3, 4).save("other.png")
    code, out, err = cli("encode", "bare.png", "one.png", "other.png", "-m", toy)
    assert code == 0 and err == "" and [json.loads(line)["source"] for line in out.splitlines()] == [
        "bare.png", "one.png", "other.png"
    ]  # fmt: skip


def test_an_enlarged_picture_is_taken_at_its_own_size(cli, toy, workplace):
    toy_image(1, 20, 30, 200).save("a.png")
    assert cli("reconstruct", "a.png", "-m", toy, "-o", "large.png", "--scale", 5)[0] == 0
    assert picture("large.png").size == (40, 40)
    code, out, err = cli("encode", "large.png", "-m", toy)
    assert code == 0 and err == "" and json.loads(out)["source"] == "large.png"
    assert latents(out) == latents(cli("encode", "a.png", "-m", toy)[1])


def test_explain_shows_the_grid(cli, toy, sheet):
    assert "count 7" in cli("explain", "s.png")[1].decode()
    assert json.loads(cli("explain", "s.png", "--json")[1])["grid"]["columns"] == 3


def test_python_cuts_files_and_takes_opened_pictures_whole(toy, sheet):
    model = aetool.load(toy)
    assert model.encode(["s.png"]).shape == model.encode(sheet.read_bytes()).shape == (7, 4)
    assert model.encode(picture("s.png")).shape == (1, 4)
    assert len(model.score("s.png")) == len(model.reconstruct("s.png")) == 7
