"""Data sets by name and by path, and how test images are held apart."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from aetool.cli.fixes import told
from aetool.errors import InvalidInput, ReadWriteError, UsageError
from aetool.system import downloads
from aetool.system.downloads import Pinned
from aetool.system.paths import cache_folder
from aetool.training.data.dataset import load
from aetool.training.data.named import DATASETS, _idx_set
from tests.training.test_data_files import idx


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No network, no data sets of the caller, and a cache of our own."""

    def refuse(url: str) -> None:
        raise OSError(f"asked for {url}")

    monkeypatch.setattr(downloads, "open_url", refuse)
    monkeypatch.delenv("AETOOL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def made(path: Path, counts: dict[str, int], side: int = 8, channels: int = 1) -> str:
    """Write an .npz with so many images of each class; image i is flat with level i % 256."""
    labels = np.concatenate([np.repeat(name, count) for name, count in counts.items()])
    levels = np.arange(len(labels), dtype=np.int64).astype(np.uint8).reshape(-1, 1, 1, 1)
    images = np.broadcast_to(levels, (len(labels), channels, side, side))
    np.savez(path, images=images, labels=labels)
    return str(path)


def test_a_tenth_of_each_class_is_held_out(tmp_path):
    counts = {"a": 100, "b": 50, "c": 34, "d": 5, "e": 2, "f": 1}
    data = load(made(tmp_path / "mine.npz", counts), 0)
    assert data.name == "mine" and data.classes == tuple("abcdef")
    assert np.bincount(data.test.labels, minlength=6).tolist() == [10, 5, 3, 1, 1, 0]
    assert np.bincount(data.train.labels, minlength=6).tolist() == [90, 45, 31, 4, 1, 1]


def test_images_without_classes_are_held_out_alike(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((57, 8, 8), np.uint8))
    data = load(str(tmp_path / "x.npz"), 0)
    assert (len(data.train.pixels), len(data.test.pixels)) == (51, 6)
    assert data.classes == () and set(data.train.labels) | set(data.test.labels) == {-1}


def test_the_two_sides_share_no_image_and_miss_none(tmp_path):
    data = load(made(tmp_path / "x.npz", {"a": 120, "b": 80}), 3)
    train, test = set(map(int, data.train.sources)), set(map(int, data.test.sources))
    assert not train & test
    assert train | test == set(range(200))
    assert data.train.sources == sorted(data.train.sources, key=int)
    for side in (data.train, data.test):
        rows = list(map(int, side.sources))
        assert side.pixels[:, 0, 0, 0].tolist() == rows  # flat image i has level i
        assert side.labels.tolist() == [int(row >= 120) for row in rows]


def test_the_split_follows_from_the_seed(tmp_path):
    name = made(tmp_path / "x.npz", {"a": 120, "b": 80})
    first, again, other = load(name, 5), load(name, 5), load(name, 6)
    assert first.test.sources == again.test.sources and np.array_equal(first.test.pixels, again.test.pixels)
    assert first.test.sources != other.test.sources
    assert first.sha256 == again.sha256 == other.sha256


@pytest.mark.parametrize("change", ["pixel", "label", "class", "order"])
def test_the_digest_is_of_everything_that_was_read(tmp_path, change):
    images, labels = np.zeros((20, 8, 8), np.uint8), np.repeat(["a", "b"], 10)
    images[0] = 1
    np.savez(tmp_path / "one.npz", images=images, labels=labels)
    np.savez_compressed(tmp_path / "same.npz", images=images[..., None], labels=labels)
    if change == "pixel":
        images[7, 3, 3] = 1
    elif change == "label":
        labels[7] = "b"
    elif change == "class":
        labels = np.repeat(["a", "c"], 10)
    else:
        images = images[::-1]
    np.savez(tmp_path / "two.npz", images=images, labels=labels)
    digests = [load(str(tmp_path / f"{name}.npz"), 0).sha256 for name in ("one", "same", "two")]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_the_spec_is_that_of_the_images(tmp_path):
    data = load(made(tmp_path / "x.npz", {"a": 20}, side=17, channels=3), 0)
    assert data.spec.shape == (3, 17, 17) == data.train.pixels.shape[1:]


def test_an_idx_file_by_its_path(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 9, 11), np.uint8)
    (tmp_path / "my-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "my-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.repeat([4, 2], 20).astype(np.uint8))))
    data = load(str(tmp_path / "my-images-idx3-ubyte.gz"), 0)
    assert data.name == "my-images-idx3-ubyte" and data.spec.shape == (1, 9, 11) and data.classes == ("2", "4")
    rows = np.array(list(map(int, data.test.sources)))
    assert np.array_equal(data.test.pixels[:, 0], images[rows])
    assert np.array_equal(data.test.labels, np.where(rows < 20, 1, 0))


@pytest.mark.parametrize("side", [7, 513])
@pytest.mark.parametrize("wide", [True, False])
def test_sides_out_of_range_are_refused(tmp_path, side, wide):
    np.savez(tmp_path / "x.npz", images=np.zeros((20, 8, side) if wide else (20, side, 8), np.uint8))
    with pytest.raises(InvalidInput, match=r"x has images of 1 x .*; expected 1 to 16 channels, sides from 8 to 512"):
        load(str(tmp_path / "x.npz"), 0)


@pytest.mark.parametrize("side", [8, 512])
def test_the_smallest_and_the_largest_side_are_taken(tmp_path, side):
    assert load(made(tmp_path / "x.npz", {"a": 16}, side), 0).spec.shape == (1, side, side)


@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_up_to_16_channels_are_taken(tmp_path, channels):
    assert load(made(tmp_path / "x.npz", {"a": 20}, 17, channels), 0).spec.shape == (channels, 17, 17)


def test_more_channels_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="1 to 16 channels"):
        load(made(tmp_path / "x.npz", {"a": 20}, 20, channels=17), 0)


def test_fewer_than_16_images_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="x has 15 images; at least 16 are needed"):
        load(made(tmp_path / "x.npz", {"a": 10, "b": 5}), 0)


def test_another_number_of_labels_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((20, 8, 8), np.uint8), labels=np.zeros(19, int))
    with pytest.raises(InvalidInput, match="x has 20 images and 19 labels"):
        load(str(tmp_path / "x.npz"), 0)


@pytest.mark.parametrize(("name", "hint"), [("minst", r" \(did you mean \"mnist\"\?\)"), ("nothing/like/it.npz", "")])
def test_an_unknown_name_is_refused_with_what_there_is(name, hint):
    with pytest.raises(UsageError, match=f'no data set "{name}"{hint}; there is digits, mnist, fashion-mnist, or'):
        load(name, 0)


def test_digits_come_with_scikit_learn():
    pytest.importorskip("sklearn")
    data = load("digits", 0)
    assert data.spec.shape == (1, 8, 8) and data.classes == tuple("0123456789")
    assert (len(data.train.pixels), len(data.test.pixels)) == (1618, 179)
    counts = np.bincount(data.train.labels) + np.bincount(data.test.labels)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.train.pixels.min() == 0 and data.train.pixels.max() == 255
    assert set(np.unique(data.train.pixels)) <= {round(level * 255 / 16) for level in range(17)}


def test_mnist_has_its_official_split(data_dir):
    data = load("mnist", 0, str(data_dir))
    assert data.spec.shape == (1, 28, 28) and data.classes == tuple("0123456789")
    assert data.train.pixels.shape == (60_000, 1, 28, 28) and data.test.pixels.shape == (10_000, 1, 28, 28)
    assert data.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (data.train.sources[0], data.train.sources[-1]) == ("train/0", "train/59999")
    assert (data.test.sources[0], data.test.sources[-1]) == ("test/0", "test/9999")
    assert data.train.pixels.mean() == pytest.approx(33.318421, abs=1e-5)


@pytest.mark.parametrize("where", ["argument", "environment", "cache"])
def test_named_files_are_looked_for_in_three_places(tmp_path, monkeypatch, where):
    folder = {"argument": tmp_path / "arg", "environment": tmp_path / "env", "cache": cache_folder()}[where]
    pin = small_set(monkeypatch, folder / "small")
    monkeypatch.setenv("AETOOL_DATA", str(tmp_path / "env"))
    data = load("small", 0, str(tmp_path / "arg"))
    assert (len(data.train.pixels), len(data.test.pixels)) == (20, 16)
    assert (folder / "small" / f"{pin}.gz").is_file()


def test_plain_files_are_taken_as_packed_ones_are(tmp_path, monkeypatch):
    small_set(monkeypatch, tmp_path / "small")
    packed = load("small", 0, str(tmp_path)).sha256
    for path in (tmp_path / "small").iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load("small", 0, str(tmp_path)).sha256 == packed


@pytest.mark.parametrize("damage", ["changed", "cut", "longer", "empty", "another"])
def test_a_corrupted_named_file_is_refused_and_named(tmp_path, monkeypatch, damage):
    pin = small_set(monkeypatch, tmp_path / "small")
    path = tmp_path / "small" / f"{pin}.gz"
    plain = gzip.decompress(path.read_bytes())
    changed = plain[:-1] + bytes([plain[-1] ^ 1])
    path.write_bytes({
        "changed": gzip.compress(changed), "cut": path.read_bytes()[:-9], "longer": gzip.compress(plain + b"\0"),
        "empty": b"", "another": b"<html>not found</html>",
    }[damage])  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        load("small", 0, str(tmp_path))
    assert str(path) in str(caught.value) and "delete it and try again" in str(caught.value)


def test_what_cannot_be_downloaded_says_where_to_put_it(tmp_path):
    with pytest.raises(ReadWriteError) as caught:
        load("mnist", 0, str(tmp_path / "nowhere"))
    assert "asked for https://" in str(caught.value)
    assert str(caught.value).startswith("could not download train-images-idx3-ubyte.gz")
    assert told(caught.value).endswith("; or put the files into DIR/NAME/ and pass --data-dir DIR")


def test_the_cache_follows_the_xdg_rules(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "aetool"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "aetool"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored
    assert cache_folder() == tmp_path / ".cache" / "aetool"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_folder_the_cache_is_nowhere(monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    place = cache_folder()
    assert place.is_absolute() and not place.exists()
    with pytest.raises(OSError):
        place.mkdir(parents=True)


def _nobody(_: int) -> None:
    raise KeyError


def small_set(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Make a pinned set "small" of 20 and 16 images in `folder`, known to `load`; return the name of its first file."""
    rng = np.random.default_rng(0)
    arrays = [array for n in (20, 16) for array in (rng.integers(0, 256, (n, 8, 8), np.uint8), np.zeros(n, np.uint8))]
    names = [f"{side}-{kind}-ubyte" for side in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    folder.mkdir(parents=True)
    pins = []
    for name, array in zip(names, arrays, strict=True):
        data = idx(array)
        pins.append(Pinned(name, len(data), hashlib.sha256(data).hexdigest()))
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    monkeypatch.setitem(DATASETS, "small", _idx_set("small", (), ("only",), pins))
    return names[0]
