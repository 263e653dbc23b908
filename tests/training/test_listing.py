"""Training on folders and lists: what is left out and why, classes, splits, lists of pictures, and names."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from aetool import Bundle
from aetool.errors import UsageError
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.data.listed import common_folder
from aetool.training.session import train
from tests.training.test_data_folder import fill

QUICK = ("--epochs", 1, "--latent-dim", 2, "--threads", 1)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
CAFE, CAFE_OF_A_MAC = "café", unicodedata.normalize("NFD", "café")


@pytest.fixture
def photos(workplace) -> Path:
    """A folder with two classes of twelve pictures."""
    for name in ("cat", "dog"):
        fill(workplace / "photos" / name, 12)
    return workplace / "photos"


# What is left out


def test_what_is_left_out_is_told_and_stays_with_the_run(photos, cli):
    for name in ("a.heic", "b.heic", "cat/notes.txt"):
        (photos / name).write_text("")
    (photos / "dog/bad.png").write_text(POINTER)
    code, _, err = cli("train", "photos", *QUICK, "--errors", "bad.jsonl", "-q")
    lines = err.splitlines()
    assert code == 0
    assert "photos/dog/bad.png is skipped: a git-lfs pointer" in lines[0] and "git lfs pull" in lines[0]
    assert "3 files left out: 2 .heic (pip install '.[heif]'), 1 .txt;" in lines[1]
    assert json.loads(Path("runs/photos/config.json").read_text())["left_out"] == 4
    (row,) = map(json.loads, Path("bad.jsonl").read_text().splitlines())
    assert row["path"].endswith("bad.png") and "git-lfs" in row["reason"]


@pytest.mark.parametrize("good", [0, 10])
def test_too_few_pictures_end_with_the_reasons_first(workplace, cli, good):
    fill(workplace / "some", good)
    (workplace / "some").mkdir(exist_ok=True)
    for i in range(20):
        (workplace / f"some/l{i}.png").write_text(POINTER)
    (workplace / "some/phone.heic").write_text("")
    code, _, err = cli("train", "some", *QUICK, "--errors", "bad.jsonl")
    told = [line for line in err.splitlines() if not line.startswith(("aetool: looking", "aetool: reading"))]
    assert code == 4 and len(told) == 22 and not Path("runs").exists()
    assert all("a git-lfs pointer" in line for line in told[:20]) and "1 file left out: 1 .heic" in told[20]
    assert ("no usable image" if not good else "10 images; at least 16") in told[21]
    assert len(Path("bad.jsonl").read_text().splitlines()) == 20


def test_other_commands_tell_what_they_leave_out(photos, cli, toy):
    (photos / "phone.heic").write_text("")
    (photos / "cat/notes.txt").write_text("")
    said = "2 files left out: 1 .heic (pip install '.[heif]'), 1 .txt;"
    for words in (
        ("encode", "photos"), ("score", "photos"), ("reconstruct", "photos", "-o", "out/"), ("combine", "photos"),
        ("sample", "--from", "photos", "-n", 1), ("search", "photos"), ("perturb", "photos"),
    ):  # fmt: skip
        code, _, err = cli(*words, "-m", toy, "-q")
        assert code == 0 and err.count(said) == 1, (words, err)


def test_training_inside_the_data_folder_twice_reads_the_data_alone(photos, cli, monkeypatch):
    monkeypatch.chdir(photos)
    for run in ("photos", "photos-2"):
        assert cli("train", ".", *QUICK, "-q")[0] == 0
        assert cli("export", run, "-q")[0] == 0
    assert Bundle.read(Path("models/photos-2")).manifest.classes == ("cat", "dog")
    config = [json.loads(Path(f"runs/{run}/config.json").read_text()) for run in ("photos", "photos-2")]
    assert config[0]["sha256"] == config[1]["sha256"]
    for command in ("encode", "score"):
        code, out, err = cli(command, ".", "-m", "models/photos")
        assert code == 0 and b"runs" not in out and "2 models, 2 training runs left out" in err
    assert cli("sample", "-m", "models/photos", "-n", 2, "-o", "made/")[0] == 0
    assert cli("encode", ".", "-m", "models/photos")[1].count(b'"./made/new-') == 2  # made elsewhere: data


# Classes, splits and names


def test_classes_are_printed_with_their_counts(photos, cli):
    fill(photos / "bird", 1)
    fill(photos, 2)
    err = cli("train", "photos", *QUICK)[2]
    assert "3 classes: bird 1, cat 12, dog 12; 2 images of none" in err


def test_many_classes_are_cut(workplace, cli):
    images = np.zeros((1200, 8, 8), np.uint8)
    np.savez("many.npz", images=images, labels=[f"class-{i:04}" for i in range(1200)])
    err = cli("train", "many.npz", *QUICK)[2]
    (line,) = re.findall("aetool: 1,200 classes: .*", err)
    assert line.endswith("class-0019 1 and 1,180 more")


@pytest.mark.parametrize("wrapping", ["", "set/"])
def test_an_official_split_is_used(workplace, cli, wrapping):
    for part, count in (("train", 9), ("test", 4), ("val", 3)):
        for name in ("cat", "dog"):
            fill(workplace / "set" / wrapping / part / name, count)
    err = cli("train", "set", *QUICK)[2]
    assert "split by its folders train, val, test: test for testing" in err and "2 classes: cat 16, dog 16" in err
    assert "24 images of 1 x 12 x 10, 8 apart for testing" in err
    data = load("set", 0)
    assert {name.removeprefix(wrapping).split("/")[0] for name in data.train.sources} == {"train", "val"}
    assert {name.removeprefix(wrapping).split("/")[0] for name in data.test.sources} == {"test"}
    for split in (data.train, data.test):
        assert all(data.classes[label] in name for label, name in zip(split.labels, split.sources, strict=True))


def test_a_part_without_a_usable_picture_makes_no_split(workplace):
    fill(workplace / "set/train/a", 20)
    (workplace / "set/val").mkdir()
    (workplace / "set/val/bad.png").write_text("no picture")
    assert len(load("set", 0).test.pixels) == 2


def test_a_folder_called_like_a_data_set_is_told(workplace, cli):
    fill(workplace / "digits/seven", 20)
    code, _, err = cli("train", "digits", *QUICK)
    assert code == 0 and "./digits stands for the folder" in err and "images of 1 x 8 x 8" in err
    assert "18 images of 1 x 12 x 10" in cli("train", "./digits", *QUICK)[2]


def test_both_spellings_of_a_name_are_one(workplace, cli):
    fill(workplace / CAFE_OF_A_MAC / CAFE_OF_A_MAC, 12)
    fill(workplace / CAFE_OF_A_MAC / CAFE, 12)
    fill(workplace / CAFE_OF_A_MAC / "tea", 12)
    assert cli("train", CAFE, *QUICK, "-q")[0] == 0 and Path(f"runs/{CAFE}").is_dir()
    assert cli("export", CAFE_OF_A_MAC, "-q")[0] == 0
    assert Bundle.read(Path(f"models/{CAFE}")).manifest.classes == (CAFE, "tea")
    for model in (CAFE, CAFE_OF_A_MAC):
        for name in (CAFE, CAFE_OF_A_MAC):
            made = [cli("sample", "-m", model, "--class", name, "-n", 1, "--seed", 1, "--latents")[1]]
            made.append(cli("sample", "--from", model, "--class", name, "-m", model, "-n", 1, "-o", f"{name}.png")[0])
            assert json.loads(made[0])["class"] == CAFE and made[1] == 0
            assert cli("combine", "-m", model, f"class:{name}", "class:tea", "-o", "x.png")[0] == 0
    code, _, err = cli("sample", "-m", CAFE, "--class", "cafe")
    assert code == 2 and "there is" in err


def test_outputs_of_both_spellings_have_names_of_their_own(workplace, cli, toy):
    for name in (CAFE, CAFE_OF_A_MAC):
        fill(workplace / "in" / name, 1, size=(8, 8))
    assert cli("reconstruct", "in", "-m", toy, "-o", "out/")[0] == 0
    assert sorted(str(p.relative_to("out")) for p in Path("out").rglob("*.png")) == [
        f"{CAFE}/00-2.png",
        f"{CAFE}/00.png",
    ]


def test_labels_of_both_spellings_are_one_class(workplace):
    labels = [CAFE, CAFE_OF_A_MAC] * 8 + ["tea"] * 8
    np.savez("x.npz", images=np.zeros((24, 8, 8), np.uint8), labels=labels)
    data = load("x.npz", 0)
    assert data.classes == (CAFE, "tea") and np.bincount(data.train.labels).tolist() == [14, 7]


# Lists


def test_a_list_of_all_files_is_the_folder(photos, cli):
    names = sorted(photos.rglob("*.png"), reverse=True)
    Path("list").write_bytes(b"\xef\xbb\xbf" + b"".join(f"{name}\r\n".encode() for name in names))
    assert cli("train", "photos", *QUICK, "-q")[0] == cli("train", "--files-from", "list", *QUICK, "-q")[0] == 0
    assert cli("export", "photos-2", "-q")[0] == 0
    one, other = (json.loads(Path(f"runs/{run}/config.json").read_text()) for run in ("photos", "photos-2"))
    assert one["sha256"] == other["sha256"] and other["config"]["files_from"] == "list"
    bundle = Bundle.read(Path("models/photos"))
    assert bundle.manifest.training["command"].startswith("aetool train --files-from list ")
    assert bundle.manifest.classes == ("cat", "dog")


def test_a_run_on_a_list_keeps_the_names(photos, cli):
    Path("list").write_bytes(b"\0".join(bytes(p) for p in sorted(photos.glob("*/0*.png"))) + b"\0gone.png")
    code, _, err = cli("train", "--files-from", "list", "-0", *QUICK, "--errors", "bad")
    assert code == 0 and "18 images of" in err and "gone.png: No such file" in err
    assert "2 classes: cat 10, dog 10" in err and "gone.png" in Path("bad").read_text()
    Path("list").unlink()
    assert cli("export", "-q")[0] == 0
    assert len(Bundle.read(next(Path("models").iterdir())).bank().sources) == 18
    shutil.rmtree(next(Path("runs").iterdir()) / "checkpoints")
    assert cli("train", "--resume", "-q")[0] == 0


def test_folders_and_splits_in_a_list(workplace):
    for part, count in (("train", 18), ("val", 3)):
        fill(workplace / "set" / part / "cat", count)
        fill(workplace / "set" / part / "dog", count)
    (workplace / "set/val/notes.txt").write_text("")
    folder, listed = common_folder(["set/train", "set/val/cat", "set/val/../val/cat/00.png", "set/val"])
    assert folder == str(workplace / "set") and len(listed.names) == 42 and listed.listing.left_out == {".txt": 1}
    data = load(folder, 0, listed=listed)
    assert (data.name, len(data.train.pixels), len(data.test.pixels)) == ("set", 36, 6)
    assert data.listing.left_out == {".txt": 1} and len(data.listing.arrangements) == 1
    assert load("set", 0).sha256 == data.sha256


def test_python_trains_on_pictures(photos):
    run = train(photos.glob("*/*.png"), TrainConfig(epochs=1, latent_size=2))
    assert run == Path("runs/photos") and len((run / "files.jsonl").read_text().splitlines()) == 24


@pytest.mark.parametrize("words", [("photos", "--files-from", "list"), ("--resume", "--files-from", "list")])
def test_a_list_beside_other_data_is_refused(photos, cli, words):
    Path("list").write_text("photos\n")
    assert cli("train", *words)[0] == UsageError.exit_code


def test_an_empty_list_ends_with_4(workplace, cli):
    for text, said in (("\n", "names no picture"), ("gone.png\n", "no file of the list is there")):
        Path("list").write_text(text)
        code, _, err = cli("train", "--files-from", "list")
        assert code == 4 and said in err
