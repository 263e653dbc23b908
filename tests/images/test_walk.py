"""The walk of folders: links, folders that aetool wrote, what is left out, and how folders are arranged."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import features

from aetool.choices import CHECKED_SUFFIXES
from aetool.images import walk as module
from aetool.images.arrangement import arranged_files
from aetool.images.files import find_images, read_batches
from aetool.images.spec import ImageSpec
from aetool.images.walk import BROKEN, BUNDLE, CACHE, LINK, RUN, SPECIAL, Listing

CAFE, CAFE_OF_A_MAC = "café", unicodedata.normalize("NFD", "café")


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def listed(root: Path) -> tuple[list[tuple[str, str | None]], Listing]:
    """Return relative paths and classes of the pictures of a folder, and the account."""
    listing = Listing()
    return [(file.relative, file.label) for file in find_images([str(root)], listing)], listing


def names(root: Path) -> list[str]:
    return [name for name, _ in listed(root)[0]]


# Links


def test_linked_class_folders_are_classes(tmp_path):
    tree(tmp_path, "store/cat/1.png", "store/dog/2.png", "set/bird/3.png")
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(f"../store/{name}")
    found, listing = listed(tmp_path / "set")
    assert found == [("bird/3.png", "bird"), ("cat/1.png", "cat"), ("dog/2.png", "dog")]
    assert not listing.left_out


@pytest.mark.parametrize("target", [".", "..", "../..", "/", "loop", "deep"])
def test_links_to_parents_and_loops_are_left_out(tmp_path, target):
    tree(tmp_path, "other.png", "set/a/1.png", "set/b/2.png")
    (tmp_path / "set/a/loop").symlink_to(target)
    (tmp_path / "set/a/deep").symlink_to("loop")
    assert names(tmp_path / "set") == ["a/1.png", "b/2.png"]
    assert listed(tmp_path / "set")[1].left_out.total() == 2


def test_a_loop_outside_is_walked_once(tmp_path):
    tree(tmp_path, "store/x/1.png", "set/a/2.png")
    (tmp_path / "store/x/again").symlink_to("../../store")
    (tmp_path / "store/x/home").symlink_to("../../set")
    (tmp_path / "set/store").symlink_to("../store")
    found, listing = listed(tmp_path / "set")
    assert found == [("a/2.png", "a"), ("store/x/1.png", "store")] and listing.left_out == {LINK: 2}


def test_two_links_to_a_folder_are_followed_once(tmp_path):
    tree(tmp_path, "store/1.png", "set/x.png")
    for name in ("a", "b"):
        (tmp_path / "set" / name).symlink_to("../store")
    found, listing = listed(tmp_path / "set")
    assert found == [("a/1.png", "a"), ("x.png", None)] and listing.left_out == {LINK: 1}


def test_a_folder_and_a_link_to_it_count_as_the_folder(tmp_path):
    tree(tmp_path, "set/cat/1.png", "set/x.png")
    (tmp_path / "set/a").symlink_to("cat")
    assert listed(tmp_path / "set")[0] == [("cat/1.png", "cat"), ("x.png", None)]


def test_links_into_a_hidden_folder_are_followed(tmp_path):
    tree(tmp_path, "set/.store/cat/1.png", "set/x.png")
    (tmp_path / "set/cat").symlink_to(".store/cat")
    assert listed(tmp_path / "set")[0] == [("cat/1.png", "cat"), ("x.png", None)]


def test_broken_links_and_fifos_are_counted(tmp_path):
    tree(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("nowhere")
    (tmp_path / "cat").symlink_to("nowhere")
    os.mkfifo(tmp_path / "f.png")
    assert listed(tmp_path)[1].left_out == {BROKEN: 2, SPECIAL: 1}


# Left out


def test_files_are_left_out_by_kind_and_litter_in_silence(tmp_path):
    tree(tmp_path, "a.png", "b.txt", "c/d.TXT", "c/README", "e.tar.gz", "f. a long end", "g.")
    tree(tmp_path, ".hidden", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/x.png", "@eaDir/a.jpg", "c/Icon\r")
    found, listing = listed(tmp_path)
    assert found == [("a.png", None)]
    assert listing.left_out == {".txt": 2, ".gz": 1, module.NO_SUFFIX: 3}


def test_suffixes_are_read_where_the_packages_read_them(tmp_path, monkeypatch):
    tree(tmp_path, *(f"a{suffix}" for suffix in CHECKED_SUFFIXES))
    monkeypatch.setattr(module, "is_read", lambda suffix: suffix != ".avif")
    assert names(tmp_path) == ["a.heic", "a.heif", "a.hif"] and listed(tmp_path)[1].left_out == {".avif": 1}
    monkeypatch.setattr(module, "is_read", lambda suffix: False)
    assert names(tmp_path) == [] and listed(tmp_path)[1].left_out == Counter(CHECKED_SUFFIXES)


def test_heif_depends_on_its_extra_and_avif_on_pillow(tmp_path, monkeypatch):
    assert module.is_read.__wrapped__(".avif") == features.check("avif")
    monkeypatch.syspath_prepend(str(tmp_path))
    tree(tmp_path, "pillow_heif.py")
    assert module.is_read.__wrapped__(".heic")


@pytest.mark.parametrize("start", ["version https://git-lfs.github.com/spec/v1\noid", "/annex/objects/SHA256E-s9"])
def test_pointers_are_called_by_name(tmp_path, start):
    (tmp_path / "a.png").write_text(start)
    (batch,) = read_batches(find_images([str(tmp_path)]), ImageSpec(1, 8, 8), 4)
    assert "pointer, not the picture itself" in str(batch.failures[0].error) and batch.failures[0].error.fix


# Folders that aetool wrote


def run_folder(place: Path, *beside: str) -> None:
    tree(place, "loss.png", *beside)
    (place / "config.json").write_text(json.dumps({"config": {}, "dataset": "x", "sha256": "y"}))


@pytest.mark.parametrize("beside", ["checkpoints/a.json", "images.jsonl", "log.jsonl", ".lock"])
def test_run_folders_are_no_data(tmp_path, beside):
    tree(tmp_path, "cats/1.png", "dogs/2.png")
    run_folder(tmp_path / "runs/x", beside)
    found, listing = listed(tmp_path)
    assert [name for name, _ in found] == ["cats/1.png", "dogs/2.png"] and listing.own == {RUN: 1}
    assert not listing.left_out
    assert names(tmp_path / "runs/x") == ["loss.png"]  # a named folder is meant


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"config": {}}', "[" * 100_000])
def test_other_folders_with_such_names_are_data(tmp_path, text):
    tree(tmp_path, "a/1.png", "a/log.jsonl", "b/2.png", "b/encoder.onnx")
    (tmp_path / "a/config.json").write_text(text)
    (tmp_path / "b/bundle.json").write_text(text)
    assert names(tmp_path) == ["a/1.png", "b/2.png"]


def test_bundles_and_the_cache_are_no_data_and_made_pictures_are(tmp_path, toy):
    tree(tmp_path, "out/1.png", "cache/folders/1234/pixels.bin", "cache/folders/1234/meta.json")
    (tmp_path / "models").symlink_to(toy.parent)
    tree(toy, "seen.png")
    try:
        found, listing = listed(tmp_path)
    finally:
        (toy / "seen.png").unlink()
    assert found == [("out/1.png", "out")] and listing.own == {BUNDLE: 1, CACHE: 1} and not listing.left_out


# Arrangements


@pytest.mark.parametrize(
    ("files", "labels", "said"),
    [
        ("cat/1 dog/2", "cat dog", ""),
        ("train/cat/1 train/dog/2 val/cat/3", "cat:train dog:train cat:test", "train, val: val for testing"),
        ("test/cat/1 train/cat/2 val/cat/3", "cat:test cat:train cat:train", "train, val, test: test for testing"),
        ("Test/1 Train/cat/2 Train/dog/3", "-:test cat:train dog:train", "Train, Test: Test for testing"),
        ("testing/1 training/2 validation/3", "-:test -:train -:train", "training, validation, testing"),
        ("photos/cat/1 photos/dog/2", "cat dog", "in its one folder photos"),
        ("w/train/cat/1 w/val/cat/2", "cat:train cat:test", "in its one folder w; split by its folders train, val"),
        ("a/b/c/1 a/b/d/2", "c d", f"in its one folder {os.path.join('a', 'b')}"),  # noqa: PTH118
        ("set/cat/1", "cat", "in its one folder set"),
        ("train/cat/1", "cat", "in its one folder train"),
        ("cat/1 cat/2", "cat cat", ""),
        ("a/deep/1", "a", ""),
        ("train/1 bus/2", "bus train", ""),
        ("val/1 test/2", "test val", ""),
        ("photos/cat/1 photos/dog/2 x", "photos photos -", ""),
        ("train/1 val/2 x", "train val -", ""),
    ],
)
def test_splits_and_wrapping_folders_are_recognised(tmp_path, files, labels, said):
    names = sorted(f"{name}.png" for name in files.split())
    tree(tmp_path / "set", *names, "docs/readme.txt", "empty/x/.keep")
    listing = Listing()
    found = list(find_images([str(tmp_path / "set")], listing))
    assert [file.relative for file in found] == names
    shown = [(file.label or "-") + (f":{file.part}" if file.part else "") for file in found]
    assert " ".join(shown) == labels
    assert said in "".join(listing.arrangements) and bool(said) == bool(listing.arrangements)
    arrangement = arranged_files(names, "set")  # the same for a list
    assert [arrangement.place(name) for name in names] == [(file.label, file.part) for file in found]


# Spelling


def test_two_spellings_of_a_class_are_one_in_the_same_order(tmp_path):
    tree(tmp_path, f"a/{CAFE}/1.png", f"a/{CAFE_OF_A_MAC}/2.png", "a/cafz/3.png")
    assert [label for _, label in listed(tmp_path / "a")[0]] == ["cafz", CAFE, CAFE]
    for place, name in (("mac", CAFE_OF_A_MAC), ("other", CAFE)):
        tree(tmp_path / place, f"{name}.png", "cafz.png", "cafa.png")
    mac, other = (names(tmp_path / place) for place in ("mac", "other"))
    assert [unicodedata.normalize("NFC", name) for name in mac] == other


def test_a_picture_is_found_by_either_spelling(tmp_path):
    tree(tmp_path, f"{CAFE_OF_A_MAC}/{CAFE}.png")
    for name in (f"{CAFE}/{CAFE}.png", f"{CAFE_OF_A_MAC}/{CAFE_OF_A_MAC}.png"):
        (file,) = find_images([str(tmp_path / name)])
        assert file.path == str(tmp_path / f"{CAFE_OF_A_MAC}/{CAFE}.png")
    assert [label for _, label in listed(tmp_path)[0]] == [CAFE]
    assert next(find_images([CAFE])).path == CAFE
