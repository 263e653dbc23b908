"""A folder of one's own pictures as a data set: what it becomes, what is skipped, and the cache."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool import Bundle
from aetool.errors import InvalidInput
from aetool.images.decode import Kind
from aetool.images.files import find_images
from aetool.training.data import folder as folder_module
from aetool.training.data.dataset import Dataset
from aetool.training.data.dataset import load as load_dataset
from aetool.training.data.folder import FolderOptions, common_spec, decode_folder
from tests.toy import picture, toy_image

MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]


def fill(folder: Path, count: int, mode: str = "L", size: tuple[int, int] = (10, 12), suffix: str = ".png") -> None:
    """Make `count` pictures of different levels; size is (width, height)."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new(mode, size, 7 * i if mode == "L" else 0).save(folder / f"{i:02}{suffix}")


def ignore(*_: object) -> None:
    """Report to nobody."""


def load(folder: Path, **options: object) -> Dataset:
    return load_dataset(str(folder), 0, None, ignore, FolderOptions(**options), 2)


def test_sub_folders_are_classes_and_sources_are_relative_paths(tmp_path):
    fill(tmp_path / "set/b", 20)
    fill(tmp_path / "set/a/deep", 10)
    data = load(tmp_path / "set")
    assert (data.name, data.classes, data.spec.shape) == ("set", ("a", "b"), (1, 12, 10))
    assert len(data.train.pixels) == 27 and len(data.test.pixels) == 3
    assert {os.path.dirname(source) for source in data.train.sources} == {"a/deep", "b"}  # noqa: PTH120
    for split in (data.train, data.test):
        for pixels, label, source in zip(split.pixels, split.labels, split.sources, strict=True):
            assert data.classes[label] == source.split("/")[0]
            assert pixels.min() == pixels.max() == 7 * int(Path(source).stem)


def test_a_flat_folder_has_no_classes(tmp_path):
    fill(tmp_path / "flat", 16)
    data = load(tmp_path / "flat")
    assert data.classes == () and set(data.train.labels) == {-1}


@pytest.mark.parametrize(
    ("sizes", "greys", "options", "shape"),
    [
        ([(30, 40)], [True], {}, (1, 30, 40)),
        ([(30, 40)], [True, False], {}, (3, 30, 40)),
        ([(30, 40), (40, 30)], [True], {}, (1, 64, 64)),
        ([(200, 200)], [False], {}, (3, 64, 64)),
        ([(5, 30)], [False], {}, (3, 64, 64)),
        ([(128, 8)], [True], {}, (1, 128, 8)),
        ([(30, 40)], [True], {"channels": 3, "size": (9, 11)}, (3, 9, 11)),
        ([(30, 40)], [False], {"channels": 1}, (1, 30, 40)),
    ],
)
def test_what_images_become_follows_from_what_they_are(sizes, greys, options, shape):
    kinds = [Kind(size, grey) for size in sizes for grey in greys]
    assert common_spec(kinds, FolderOptions(**options)).shape == shape


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_trained_on(tmp_path, mode):
    folder = tmp_path / "set"
    folder.mkdir()
    suffix = ".tif" if mode in ("CMYK", "F", "I", "I;16") else ".png"
    for i in range(16):
        image = Image.new("L", (9, 9), 100)
        image = image.convert("LA").convert("PA") if mode == "PA" else image.convert(mode.replace("I;16", "I"))
        if mode == "I;16":
            image = Image.fromarray(np.full((9, 9), 100 * 257, np.uint16))
        elif mode == "I":
            image = Image.fromarray(np.full((9, 9), 100 * 257, np.int32))
        elif mode == "F":
            image = Image.fromarray(np.full((9, 9), 100 / 255, np.float32))
        image = image.convert("RGBA") if mode == "PA" else image
        image.save(folder / f"{i}{suffix}")
    data = load(folder)
    assert data.spec.channels == (3 if mode in ("RGB", "RGBA", "CMYK", "PA") else 1)
    expected = {"1": {0, 255}, "CMYK": {99, 100, 101}}.get(mode, {100})
    assert set(np.unique(data.train.pixels)) <= expected and not data.skipped


def test_what_cannot_be_used_is_named_and_skipped(tmp_path):
    folder = tmp_path / "set"
    fill(folder / "good", 17)
    (folder / "good/text.png").write_text("no picture")
    toy_image(1, 2, 3, 4).resize((40, 40)).save(folder / "good/cut.jpg")
    (folder / "good/cut.jpg").write_bytes((folder / "good/cut.jpg").read_bytes()[:-200])
    os.mkfifo(folder / "good/fifo.png")
    (folder / "good/link.png").symlink_to("nowhere.png")
    (folder / "loop").symlink_to(folder)
    (folder / "empty").mkdir()
    (folder / "good/notes.txt").write_text("not looked at")
    data = load(folder)
    assert len(data.train.pixels) + len(data.test.pixels) == 17
    assert sorted(Path(failure.path).name for failure in data.skipped) == ["cut.jpg", "text.png"]


def test_a_look_that_fails_and_decoding_that_works_count_as_one_picture(tmp_path, monkeypatch):
    fill(tmp_path / "set", 20)
    real = folder_module.kind_of
    monkeypatch.setattr(folder_module, "kind_of", lambda data, *more: 1 / 0 if data == bad else real(data, *more))
    bad = (tmp_path / "set/03.png").read_bytes()
    files = list(find_images([str(tmp_path / "set")]))
    data = decode_folder(files, FolderOptions(), 2, ignore)
    assert (
        data.pixels[:, 0, 0, 0].tolist() == [7 * i for i in range(20)] and len(data.sources) == len(data.labels) == 20
    )
    monkeypatch.setattr(folder_module, "kind_of", lambda data, *more: real(data, *more) if data == bad else 1 / 0)
    assert len(decode_folder(files, FolderOptions(), 2, ignore).pixels) == 20
    monkeypatch.undo()
    real_pixels = folder_module.pixels_of
    monkeypatch.setattr(
        folder_module, "pixels_of", lambda file, *more: 1 / 0 if "03" in file.relative else real_pixels(file, *more)
    )
    data = decode_folder(files, FolderOptions(), 2, ignore)
    assert len(data.pixels) == 19 and [Path(failure.path).name for failure in data.skipped] == ["03.png"]


def test_fewer_than_16_usable_images_end_with_4(cli, workplace):
    fill(workplace / "few", 15)
    code, out, err = cli("train", "few", "--epochs", 1)
    assert (code, out) == (4, b"") and "15 images; at least 16" in err and not Path("runs").exists()
    Path("none").mkdir()
    assert cli("train", "none")[0] == 4


def test_the_first_frame_of_an_animation_counts(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(16):
        frames = [Image.new("L", (8, 8), level) for level in (50, 200)]
        frames[0].save(folder / f"{i}.gif", save_all=True, append_images=frames[1:])
    data = load(folder)
    assert set(np.unique(data.train.pixels)) == {50}


def test_transparency_shows_the_background_that_was_asked_for(tmp_path):
    fill(tmp_path / "set", 16, "LA")
    assert load(tmp_path / "set", background=0).train.pixels.max() == 0
    data = load(tmp_path / "set", background=200)
    assert set(np.unique(data.train.pixels)) == {200} and data.spec.background == 200


def test_threads_change_nothing(tmp_path):
    fill(tmp_path / "set", 40, "RGB", (31, 17))
    files = list(find_images([str(tmp_path / "set")]))
    one, four = (decode_folder(files, FolderOptions(size=(16, 16)), workers, ignore) for workers in (1, 4))
    assert np.array_equal(one.pixels, four.pixels) and one.sources == four.sources


def test_progress_is_reported(tmp_path):
    fill(tmp_path / "set", 100)
    seen: list[tuple[object, ...]] = []
    decode_folder(list(find_images([str(tmp_path / "set")])), FolderOptions(), 2, lambda *words: seen.append(words))
    assert ("reading images", 64, 100, "64 of 100") in seen and seen[-1][1:3] == (100, 100)


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(InvalidInput, match="no usable image"):
        load(tmp_path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A folder of colour pictures in two classes, of different sizes and kinds, with transparency."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("photos") / "photos"
    for name, base in (("cats", 60), ("dogs", 180)):
        (place / name).mkdir(parents=True)
        for i in range(24):
            noise = rng.integers(0, 60, (20 + i, 30, 4), np.uint8) + np.uint8(base)
            image = Image.fromarray(noise) if i % 2 else Image.fromarray(noise[..., :3])
            image.save(place / name / f"{i}{'.png' if i % 2 else '.jpg'}")
    return place


@pytest.fixture(scope="module")
def model(photos, tmp_path_factory) -> Path:
    import subprocess

    from tests.conftest import command

    place = tmp_path_factory.mktemp("work")
    train = ["train", str(photos), "--epochs", "2", "--latent-dim", "4", "--size", "16x12", "--background", "9"]
    subprocess.run(command([*train, "--threads", "1"]), cwd=place, check=True, timeout=120)
    subprocess.run(command(["export"]), cwd=place, check=True, timeout=120)
    return place / "models/photos"


def test_encoding_a_training_file_gives_the_latent_in_the_bank_to_the_bit(photos, model, cli):
    bundle = Bundle.read(model)
    assert bundle.manifest.image.shape == (3, 16, 12) and bundle.manifest.image.background == 9
    bank = bundle.bank()
    records = [json.loads(line) for line in cli("encode", photos, "-m", model)[1].splitlines()]
    latents = {os.path.relpath(r["source"], photos): (r["class"], np.float32(r["latent"])) for r in records}
    assert len(latents) == 48 and len(bank.sources) == 44
    for source, label, latent in zip(bank.sources, bank.labels, bank.latents, strict=True):
        assert latents[source][0] == bank.classes[label]
        assert np.array_equal(latents[source][1], latent)
    assert (
        str(photos) not in (model / "bundle.json").read_text() and str(photos) not in (model / "README.md").read_text()
    )


def test_a_class_of_ones_own_is_what_from_points_at(photos, model, cli, workplace):
    shutil.copytree(photos / "cats", "mine")
    code, out, _ = cli("sample", "--from", "mine", "-m", model, "-n", 30, "--seed", 1, "--latents", "--method", "mix")
    drawn = np.float32([json.loads(line)["latent"] for line in out.splitlines()])
    own = np.float32([json.loads(line)["latent"] for line in cli("encode", "mine", "-m", model)[1].splitlines()])
    assert code == 0 and drawn.shape == (30, 4)
    assert (drawn >= own.min(0) - 1e-5).all() and (drawn <= own.max(0) + 1e-5).all()
    assert cli("sample", "--from", "mine", "-m", model, "-o", "new.png")[0] == 0 and picture("new.png").mode == "RGB"
    by_class = cli(
        "sample",
        "--from",
        photos,
        "--class",
        "cats",
        "-m",
        model,
        "-n",
        30,
        "--seed",
        1,
        "--latents",
        "--method",
        "mix",
    )
    names = "\n".join(str(path) for path in sorted(Path("mine").iterdir()))
    Path("names").write_text(names)
    line = ("sample", "--files-from", "names", "-m", model, "-n", 30, "--seed", 1, "--latents", "--method", "mix")
    assert cli(*line)[1].replace(b"new-", b"") == out.replace(b"new-", b"")
    same = np.float32([json.loads(line)["latent"] for line in by_class[1].splitlines()])
    assert np.array_equal(same, drawn)


def test_what_from_cannot_use_is_said(photos, model, cli, workplace):
    code, _, err = cli("sample", "--from", photos, "--class", "birds", "-m", model)
    assert code == 2 and "cats, dogs" in err
    Path("one").mkdir()
    shutil.copy(photos / "cats/0.jpg", "one")
    code, _, err = cli("sample", "--from", "one", "-m", model, "-o", "x.png")
    assert code == 4 and "at least two" in err
    shutil.copy(photos / "cats/1.png", "one")
    Path("one/text.png").write_text("no picture")
    assert cli("sample", "--from", "one", "-m", model, "-o", "x.png")[0] == 3 and Path("x.png").exists()
    assert cli("sample", "--from", "nowhere", "-m", model)[0] == 7


@pytest.mark.parametrize("size", ["0", "7", "513", "64x", "x64", "12x12x12", "big", "-8"])
def test_sizes_that_cannot_be_are_refused(cli, photos, workplace, size):
    code, _, err = cli("train", photos, "--size", size)
    assert code == 2 and err.count("\n") == 1


def test_a_resumed_run_reads_the_folder_as_it_was_asked_to(photos, cli, workplace):
    assert cli("train", photos, "--epochs", 1, "--size", "16", "--channels", "1", "-q")[0] == 0
    config = json.loads(Path("runs/photos/config.json").read_text())["config"]
    assert (config["size"], config["channels"]) == ([16, 16], 1)
    code, _, err = cli("train", "--resume", "photos")
    assert code == 2 and "is finished" in err


def test_a_model_of_a_flat_folder_does_everything_but_classes(cli, workplace):
    fill(workplace / "flat", 30)
    assert cli("train", "flat", "--epochs", 1, "--latent-dim", 2, "--threads", 1, "-q")[0] == 0
    assert cli("export", "-q")[0] == 0
    for method in ("neighbours", "mix", "gaussian"):
        assert cli("sample", "--method", method, "-o", "new.png")[0] == 0
    assert cli("interpolate", "flat/00.png", "flat/29.png", "-o", "walk.gif")[0] == 0
    assert json.loads(cli("encode", "flat/00.png")[1]).keys() == {"source", "model", "latent"}
    code, _, err = cli("sample", "--class", "a")
    assert code == 2 and "knows no classes" in err
