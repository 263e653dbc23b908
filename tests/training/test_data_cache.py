"""The cache of decoded folders: what makes an entry anew, how much it keeps, and how it is shown and cleared."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from aetool.errors import LimitExceeded, ReadWriteError
from aetool.images import files
from aetool.system.limits import Limits
from aetool.training.data import cache
from aetool.training.data.dataset import load as load_dataset
from tests.training.test_data_folder import fill, load


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The folder of an empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/aetool/folders"


def test_the_second_time_nothing_is_decoded(tmp_path, monkeypatch):
    fill(tmp_path / "set/a", 10)
    fill(tmp_path / "set/b", 10)
    (tmp_path / "set/a/bad.png").write_text("no picture")
    first = load(tmp_path / "set")
    monkeypatch.setattr(cache, "decode_folder", None)
    again = load(tmp_path / "set")
    assert again.sha256 == first.sha256 and np.array_equal(again.train.pixels, first.train.pixels)
    assert again.train.sources == first.train.sources and again.classes == first.classes
    assert [f.path for f in again.skipped] == [f.path for f in first.skipped]
    assert str(again.skipped[0].error) == str(first.skipped[0].error)


def change_content(folder):
    (folder / "a/00.png").write_bytes((folder / "a/09.png").read_bytes() + b"longer")


@pytest.mark.parametrize(
    "change",
    [
        change_content,
        lambda folder: (folder / "a/00.png").unlink(),
        lambda folder: (folder / "a/00.png").rename(folder / "a/new.png"),
        lambda folder: shutil.copy(folder / "a/00.png", folder / "a/zz.png"),
    ],
    ids=["content", "removed", "renamed", "added"],
)
def test_a_folder_that_changed_is_read_anew(tmp_path, change):
    fill(tmp_path / "set/a", 20)
    first = load(tmp_path / "set")
    change(tmp_path / "set")
    again = load(tmp_path / "set")
    seen = [
        dict(zip(d.train.sources + d.test.sources, [*d.train.pixels, *d.test.pixels], strict=True))
        for d in (first, again)
    ]
    assert seen[0].keys() != seen[1].keys() or any(not np.array_equal(seen[0][k], seen[1][k]) for k in seen[0])


@pytest.mark.parametrize("name", ["pixels.bin", "meta.json"])
def test_a_damaged_cache_is_made_anew(tmp_path, name, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "set", 16)
    first = load(tmp_path / "set")
    (entry,) = (tmp_path / "cache/aetool/folders").iterdir()
    data = bytearray((entry / name).read_bytes())
    data[len(data) // 2] ^= 255
    (entry / name).write_bytes(data)
    assert load(tmp_path / "set").sha256 == first.sha256
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("no folder can be made here")
    assert load(tmp_path / "set").sha256 == first.sha256


def test_the_cache_keeps_the_latest_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "KEPT", 2)
    for i in range(4):
        fill(tmp_path / f"set{i}", 16)
        load(tmp_path / f"set{i}")
    assert len(list((tmp_path / "cache/aetool/folders").iterdir())) == 2


def test_files_that_exchange_places_with_all_their_times_are_noticed(tmp_path):
    for name, level in (("a", 20), ("b", 200)):
        fill(tmp_path / "set" / name, 10, suffix=".bmp")
        for path in (tmp_path / "set" / name).iterdir():
            Image.new("L", (10, 12), level).save(path)
            os.utime(path, (315532800, 315532800))
    first = load(tmp_path / "set")
    one, other, aside = (tmp_path / "set" / name for name in ("a/00.bmp", "b/00.bmp", "aside"))
    one.rename(aside), other.rename(one), aside.rename(other)
    assert load(tmp_path / "set").sha256 != first.sha256


def test_new_content_with_the_old_size_and_time_is_noticed(tmp_path):
    fill(tmp_path / "set", 16, suffix=".bmp")
    path = tmp_path / "set/03.bmp"
    first, status = load(tmp_path / "set"), path.stat()
    path.write_bytes((tmp_path / "set/09.bmp").read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size and load(tmp_path / "set").sha256 != first.sha256


def test_another_limit_is_another_entry_and_the_fix_stays(tmp_path):
    fill(tmp_path / "set", 20)
    Image.new("L", (40, 40)).save(tmp_path / "set/zz.png")
    small, large = Limits(pixels=500), Limits(pixels=5000)
    for limits, skipped in ((small, 1), (small, 1), (large, 0), (small, 1)):
        data = load_dataset(str(tmp_path / "set"), 0, limits=limits)
        assert [Path(failure.path).name for failure in data.skipped] == ["zz.png"] * skipped
        assert all(isinstance(f.error, LimitExceeded) and f.error.fix == "pixels" for f in data.skipped)


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(PIL, "__version__", "0"),
        lambda patch: patch.setattr(cache, "_decoders", lambda: ("other",)),
        lambda patch: patch.setattr(os.path, "realpath", os.path.realpath),
    ],
    ids=["Pillow", "decoders", "nothing"],
)
def test_other_decoders_make_an_entry_anew(tmp_path, place, monkeypatch, change, request):
    fill(tmp_path / "set", 16)
    load(tmp_path / "set")
    change(monkeypatch)
    load(tmp_path / "set")
    assert len(list(place.iterdir())) == (1 if "nothing" in request.node.name else 2)


def test_each_preparation_has_an_entry(tmp_path, place):
    fill(tmp_path / "set", 16)
    for count, version in enumerate((2, 1), 1):
        for _ in range(2):
            assert load(tmp_path / "set", preparation=version).spec.preparation == version
            assert len(list(place.iterdir())) == count


def test_failed_files_are_named_as_the_folder_is_named_now(tmp_path, monkeypatch):
    fill(tmp_path / "set", 16)
    (tmp_path / "set/bad.png").write_text("no picture")
    load(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    assert [failure.path for failure in load(Path("set")).skipped] == ["set/bad.png"]


def test_files_that_could_not_be_read_are_tried_again(tmp_path, place, monkeypatch):
    fill(tmp_path / "set", 17)

    def refuse(path, **more):
        if Path(path).name == "00.png":
            raise ReadWriteError("could not read 00.png: Input/output error")
        return original(path, **more)

    original = files.read_file
    monkeypatch.setattr(files, "read_file", refuse)
    assert len(load(tmp_path / "set").skipped) == 1 and not place.exists()
    monkeypatch.setattr(files, "read_file", original)
    assert not load(tmp_path / "set").skipped and len(list(place.iterdir())) == 1


def test_the_cache_is_bounded_in_bytes_and_the_oldest_go_first(tmp_path, place, monkeypatch):
    for i in range(3):
        fill(tmp_path / f"set{i}", 16)
        load(tmp_path / f"set{i}")
        os.utime(place / cache.entries()[0].path, (i, i))
    assert [Path(entry.folder).name for entry in cache.entries()] == ["set2", "set1", "set0"]
    load(tmp_path / "set0")  # read last
    monkeypatch.setattr(cache, "BYTES", sum(entry.bytes for entry in cache.entries()))
    fill(tmp_path / "set3", 16)
    load(tmp_path / "set3")
    assert {Path(entry.folder).name for entry in cache.entries()} == {"set3", "set0", "set2"}
    assert sum(entry.bytes for entry in cache.entries()) <= cache.BYTES
    monkeypatch.setattr(cache, "BYTES", 16 * 120 - 1)
    fill(tmp_path / "large", 16)
    load(tmp_path / "large")  # done without
    assert len(cache.entries()) == 3


def test_what_decoding_said_is_said_again(tmp_path, monkeypatch):
    def decode(files, options, workers, report, *more):
        report("16 bits are read as levels from 0 to 4,095, a guess", 0, None, "")
        return original(files, options, workers, report, *more)

    original = cache.decode_folder
    monkeypatch.setattr(cache, "decode_folder", decode)
    fill(tmp_path / "set", 16)
    lines: list[str] = []
    for _ in range(2):
        load_dataset(str(tmp_path / "set"), 0, report=lambda title, *_: lines.append(title))
    assert [line for line in lines if "a guess" in line] == ["16 bits are read as levels from 0 to 4,095, a guess"] * 2


def test_the_classes_and_the_split_are_part_of_the_key(tmp_path):
    fill(tmp_path / "set/train/a", 16)
    fill(tmp_path / "set/val/a", 4)
    first, again = load(tmp_path / "set"), load(tmp_path / "set")
    assert first.sha256 == again.sha256 and len(again.test.pixels) == 4 and again.test.sources[0] == "val/a/00.png"
    assert [sentence.partition(": ")[2] for sentence in again.listing.arrangements] == [
        "split by its folders train, val: val for testing"
    ]
    fill(tmp_path / "set/b", 2)
    assert load(tmp_path / "set").classes == ("b", "train", "val")


def test_info_lists_the_cache_and_clears_it(tmp_path, place, cli):
    assert cli("info", "--cache")[:2] == (0, f"0 folders, 0.0 of at most 4,000.0 MB, in {place}\n".encode())
    fill(tmp_path / "set", 16)
    load(tmp_path / "set")
    (place / "broken").mkdir()
    (place / "broken/pixels.bin").write_bytes(b"1234")
    found = json.loads(cli("info", "--cache", "--json")[1])
    assert [(row["folder"], row["images"]) for row in found["folders"]] == [(None, 0), (str(tmp_path / "set"), 16)]
    assert found["bytes"] == sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert str(tmp_path / "set") in cli("info", "--cache")[1].decode()
    code, out, _ = cli("info", "--cache", "--clear")
    assert code == 0 and b"2 folders, 0.0 of at most 4,000.0 MB, removed" in out and not list(place.iterdir())
    for words in (("--clear",), ("--cache", "mnist")):
        assert cli("info", *words)[0] == 2


def test_info_tells_the_size_of_what_else_the_cache_holds_and_keeps_it(place, cli):
    for name, size in (("hub/me/toy/0/bank.npz", 400_000), ("maps/x.npy", 1_000_000), ("a\nb/x", 0)):
        path = place.parent / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size))
    line = (
        f"beside them, in MB: a\\nb 0.0, hub 0.4, maps 1.0; what you delete in {place.parent} is made or fetched again"
    )
    assert line in cli("info", "--cache", "--clear")[1].decode()
    found = json.loads(cli("info", "--cache", "--json")[1])
    assert found["others"] == {"a\nb": 0, "hub": 400_000, "maps": 1_000_000} and found["bytes"] == 0
