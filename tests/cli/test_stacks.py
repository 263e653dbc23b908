"""Stacks of images as inputs and outputs, and pictures of models with other channels than grey and colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool.errors import InvalidInput, UsageError
from tests.banded import flat, write_banded
from tests.toy import toy_image, toy_latents, toy_pixels


@pytest.fixture(scope="session")
def banded(tmp_path_factory) -> Path:
    """A bundle of images with five channels (see tests/banded.py)."""
    return write_banded(tmp_path_factory.mktemp("banded") / "banded")


def records(out: bytes) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


GREY = toy_pixels(toy_latents())
SAVES = [np.savez, np.savez_compressed]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("images", [GREY, GREY[:, 0], GREY.transpose(0, 2, 3, 1), GREY / 255, GREY * np.uint16(257)])
def test_images_of_a_stack_have_the_latents_of_their_files(cli, toy, workplace, save, images):
    for i, picture in enumerate(GREY):
        Image.fromarray(picture[0]).save(f"{i:02}.png")
    save("x.npz", images=images)
    np.save("y.npy", images)
    files = [record["latent"] for record in records(cli("encode", *sorted(workplace.glob("*.png")), "-m", toy)[1])]
    for name in ("x.npz", "y.npy"):
        code, out, err = cli("encode", name, "-m", toy)
        assert code == 0 and err == "" and [record["latent"] for record in records(out)] == files
        assert [record["source"] for record in records(out)] == [f"{name}[{i}]" for i in range(12)]
    assert len(records(cli("encode", "x.npz", "00.png", "y.npy", "-m", toy)[1])) == 25


def test_many_images_go_to_workers_in_order(cli, toy, workplace):
    images = np.concatenate([GREY] * 400)
    np.save("y.npy", images)
    code, out, _ = cli("encode", "y.npy", "-m", toy, "--threads", 2)
    found = records(out)
    assert code == 0 and [record["source"] for record in found] == [f"y.npy[{i}]" for i in range(len(images))]
    assert [record["latent"] for record in found] == [record["latent"] for record in found[:12]] * 400


def test_labels_become_classes(cli, toy, workplace):
    np.savez("x.npz", images=GREY[:3], labels=np.array(["cat", "dog", "cat"]))
    assert [record["class"] for record in records(cli("encode", "x.npz", "-m", toy)[1])] == ["cat", "dog", "cat"]
    assert cli("sample", "--from", "x.npz", "--class", "cat", "-n", 2, "-m", toy, "-o", "s.npz")[0] == 0
    np.savez("x.npz", images=GREY[:3], labels=np.array([1, 2]))
    code, out, err = cli("encode", "x.npz", "-m", toy)
    assert code == 4 and out == b"" and "the labels in x.npz must be one whole number or text an image" in err


def test_a_stack_on_stdin(cli, shell, toy, workplace):
    np.savez("x.npz", images=GREY)
    expected = [record["latent"] for record in records(cli("encode", "x.npz", "-m", toy)[1])]
    for line in ("cat x.npz | aetool encode -", "aetool encode <(cat x.npz)"):
        done = shell(f"{line} -m {toy}")
        assert done.returncode == 0 and [record["latent"] for record in records(done.stdout)] == expected
    assert records(done.stdout)[3]["source"].endswith("[3]")
    done = shell(f"mkfifo p.npz; cat x.npz > p.npz & aetool encode p.npz -m {toy}")
    assert done.returncode == 0 and [record["latent"] for record in records(done.stdout)] == expected


def test_score_and_reconstruct_take_stacks(cli, toy, workplace):
    np.savez("x.npz", images=GREY)
    code, out, _ = cli("score", "x.npz", "-m", toy, "--json")
    assert code == 0 and [record["mse"] for record in records(out)] == [0] * 12
    assert cli("reconstruct", "x.npz", "-m", toy, "-o", "again/")[0] == 0
    assert sorted(path.name for path in Path("again").iterdir()) == [f"x-{i:04}.png" for i in range(12)]
    assert np.array_equal(np.asarray(Image.open("again/x-0007.png")), GREY[7, 0])
    Path("again/x-0003.png").unlink()
    code, _, err = cli("reconstruct", "x.npz", "-m", toy, "-o", "again/", "--skip-existing")
    assert code == 0 and len(list(Path("again").iterdir())) == 12 and "11" in err
    assert cli("reconstruct", "x.npz", "-m", toy, "-o", "y.npz")[0] == 0
    with np.load("y.npz") as made:
        assert np.array_equal(made["images"], GREY) and made["images"].dtype == np.uint8
        assert made["sources"].tolist() == [f"x-{i:04}" for i in range(12)]
    code, _, err = cli("reconstruct", "x.npz", "-m", toy, "-o", "x.npz")
    assert code == 2 and "is an input" in err
    assert cli("encode", "x.npz", "-m", toy, "-o", "x.npz")[0] == 2


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_decode_writes_arrays_that_encode_reads(cli, toy, banded, workplace, suffix):
    for model, pixels in ((toy, GREY), (banded, flat(40))):
        np.save("x.npy", pixels)
        assert cli("encode", "x.npy", "-m", model, "-o", "z.npz")[0] == 0
        code, out, err = cli("decode", "z.npz", "-m", model, "-o", f"again.{suffix}")
        assert (code, out, err) == (0, b"", "")
        made = np.load(f"again.{suffix}")
        assert np.array_equal(made["images"] if suffix == "npz" else made, pixels)
        first, again = (records(cli("encode", name, "-m", model)[1]) for name in ("x.npy", f"again.{suffix}"))
        assert [one["latent"] for one in again] == [one["latent"] for one in first]


def test_without_latents_no_array_is_written(cli, toy, workplace):
    Path("z.jsonl").write_bytes(b"")
    assert cli("decode", "z.jsonl", "-m", toy, "-o", "x.npz")[0] == 4 and not Path("x.npz").exists()


@pytest.mark.parametrize("words", [("--scale", 2), ("--show", "1"), ("--no-metadata",)])
def test_options_of_pictures_do_nothing_for_an_array(cli, toy, workplace, words):
    np.save("z.npy", toy_latents())
    code, _, err = cli("decode", "z.npy", "-m", toy, "-o", "x.npz", *words)
    assert code == 2 and f"no picture is written, so {words[0]} would do nothing" in err
    assert cli("decode", "z.npy", "-m", toy, "-o", "x.jsonl")[0] == 2


def test_images_and_latents_are_not_taken_for_each_other(cli, toy, workplace):
    np.savez("x.npz", images=GREY)
    np.save("x.npy", GREY)
    np.savez("z.npz", latents=toy_latents())
    np.save("z.npy", toy_latents())
    for name in ("x.npz", "x.npy"):
        code, _, err = cli("decode", name, "-m", toy, "-o", "y.png")
        assert code == 4 and "images" in err and "aetool encode makes latents of images" in err
        code, _, err = cli("interpolate", name, "class:dark", "-m", toy, "-o", "y.png")
        assert code == 4 and "aetool encode makes latents of images" in err
    for name in ("z.npz", "z.npy"):
        for verb in ("encode", "score", "reconstruct"):
            code, _, err = cli(verb, name, "-m", toy)
            assert code == 4 and "latents" in err and "aetool decode makes pictures of latents" in err


def test_other_inputs_go_on_where_a_stack_cannot_be_used(cli, toy, workplace):
    toy_image(1, 2, 3, 4).save("a.png")
    np.save("nan.npy", np.full((3, 8, 8), np.nan))
    np.save("bands.npy", flat(3))
    data = bytearray(np.lib.format.magic(1, 0))
    Path("bad.npz").write_bytes(data)
    np.savez("cut.npz", images=GREY)
    whole = bytearray(Path("cut.npz").read_bytes())
    whole[500] ^= 1
    Path("cut.npz").write_bytes(whole)
    names = ("nan.npy", "bands.npy", "bad.npz", "cut.npz", "missing.npz", "a.png")
    code, out, err = cli("encode", *names, "-m", toy, "--errors", "errors.jsonl", "-q")
    assert code == 3 and records(out)[-1]["source"] == "a.png"
    assert all(sum(name in line for line in err.splitlines()) >= 1 for name in names[:-1])
    assert {
        json.loads(line)["path"].partition("[")[0] for line in Path("errors.jsonl").read_text().splitlines()
    } == set(names[:-1])


def test_images_of_another_size_are_prepared_as_files_are(cli, toy, banded, workplace):
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        images = rng.integers(0, 256, (4, channels, 30, 41), np.uint8)
        np.save("x.npy", images)
        for i, image in enumerate(images):
            Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0)).save(f"{i}.png")
        found = records(cli("encode", "x.npy", "-m", toy)[1])
        files = records(cli("encode", *(f"{i}.png" for i in range(4)), "-m", toy)[1])
        assert [one["latent"] for one in found] == [one["latent"] for one in files]
    np.save("x.npy", flat(4, side=20))
    np.save("y.npy", flat(4))
    latents = [[one["latent"] for one in records(cli("encode", f"{n}.npy", "-m", banded)[1])] for n in "xy"]
    assert latents[0] == latents[1]


def test_a_layout_is_asked_for_where_both_fit(cli, workplace, tmp_path):
    toy = write_banded(tmp_path / "banded")
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 8, 5), np.uint8)
    np.save("x.npy", images)
    code, _, err = cli("encode", "x.npy", "-m", toy)
    assert code == 4 and "can be nchw and nhwc; say which with --layout" in err
    np.save("y.npy", images[:, :4])
    code, _, err = cli("encode", "y.npy", "-m", toy, "--layout", "nchw")
    assert code == 4 and "expected (n, 5, h, w) or (n, h, w, 5) as nchw" in err
    assert cli("encode", "x.npy", "-m", toy, "--layout", "nchw")[0] == 0
    code, _, err = cli("encode", "x.npy", "-m", toy, "--layout", "chw")
    assert code == 2 and 'no layout "chw"' in err and "nhwc" in err


def test_guessed_levels_are_told_once(cli, toy, workplace):
    np.save("x.npy", GREY * np.uint16(4))
    code, _, err = cli("encode", "x.npy", "-m", toy)
    assert code == 0 and err.count("uint16 numbers are read as levels from 0 to 1,023") == 1


@pytest.mark.parametrize("output", ["x.png", "x.jpg", "x.gif", "folder/", None])
def test_a_picture_of_other_channels_needs_show(cli, banded, workplace, output):
    np.save("x.npy", flat(3))
    np.save("z.npy", np.zeros((1, 5), np.float32))
    where = ["-o", output] if output else []
    every = ["reconstruct", "x.npy"], ["sample", "-n", 2], ["interpolate", *["z.npy"] * 2], ["decode", "z.npy"]
    for words in every:
        code, out, err = cli(*words, "-m", banded, *where)
        assert (code, out) == (2, b"") and "this model has 5" in err and "--show 1,2,3" in err
    assert not output or not Path(output).exists()
    for words in every:
        for show in ("5", "1,2,3", "3,2,1"):
            assert cli(*words, "-m", banded, *where, "--show", show)[0] == 0


def test_show_chooses_channels(cli, toy, banded, workplace):
    images = flat(3)
    np.save("x.npy", images)
    assert cli("reconstruct", "x.npy", "-m", banded, "-o", "a/", "--show", "5,1,3")[0] == 0
    assert np.array_equal(np.asarray(Image.open("a/x-0001.png")).transpose(2, 0, 1), images[1][[4, 0, 2]])
    np.save("one.npy", images[:1])
    assert cli("reconstruct", "one.npy", "-m", banded, "-o", "b.png", "--show", "4")[0] == 0
    assert np.array_equal(np.asarray(Image.open("b.png")), images[0, 3])
    assert cli("encode", "x.npy", "-m", banded, "-o", "z.npy")[0] == 0
    assert cli("decode", "z.npy", "-m", banded, "-o", "c/", "--show", "2")[0] == 0
    assert np.array_equal(np.asarray(Image.open(sorted(Path("c").iterdir())[2])), images[2, 1])
    np.save("g.npy", GREY)
    assert cli("reconstruct", "g.npy", "-m", toy, "-o", "d/", "--show", "1")[0] == 0


@pytest.mark.parametrize("show", ["0", "1,2", "1,2,3,4", "a", "-1", "1,2,"])
def test_channels_that_make_no_picture_are_refused(cli, toy, workplace, show):
    np.save("z.npy", toy_latents())
    code, _, err = cli("decode", "z.npy", "-m", toy, f"--show={show}", "-o", "x.png")
    assert code == 2 and "--show takes one channel or three" in err
    code, _, err = cli("decode", "z.npy", "-m", toy, "--show", "2", "-o", "x.png")
    assert code == 2 and "names channel 2, and this model has 1" in err


def test_python_takes_stacks_and_shows_channels(banded, workplace):
    images = flat(6)
    np.savez("x.npz", images=images)
    model = aetool.load(banded)
    again = model.reconstruct("x.npz")
    assert np.array_equal(again.pixels, images) and again._repr_png_() is None
    for refused in (lambda: again[0], lambda: again.sheet(), lambda: again.save("x.png"), lambda: again.save("x/")):
        with pytest.raises(UsageError, match="these images have 5"):
            refused()
    assert np.array_equal(np.asarray(again.shown(2)[3]), images[3, 1])
    again.shown(1, 2, 5).save("x/")
    assert len(list(Path("x").iterdir())) == 6
    with pytest.raises(InvalidInput, match="holds no array"):
        np.savez("y.npz", pictures=images)
        model.encode("y.npz")


def test_pictures_do_not_fit_a_model_of_other_channels(cli, banded, workplace):
    toy_image(1, 2, 3, 4).save("a.png")
    code, _, err = cli("encode", "a.png", "-m", banded)
    assert code == 4 and "a.png" in err and "5 channels" in err
