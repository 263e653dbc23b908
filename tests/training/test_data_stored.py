"""Images that stay in their file: the same pixels, weights and bundles as in memory, and no others."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.cli.fixes import told
from aetool.errors import ReadWriteError
from aetool.training.config import TrainConfig
from aetool.training.data import cache, room, stored
from aetool.training.data.alike import all_equal, count_blank
from aetool.training.data.dataset import Dataset, load
from aetool.training.data.room import FileRoom, MemoryRoom, room_for
from aetool.training.data.stored import Changed, PixelFile, StoredPixels, blocks, taken, whole
from aetool.training.export.run import make_bundle
from aetool.training.loop import Trainer
from aetool.training.session import open_run
from tests.training.test_data_files import idx

PIXELS = np.random.default_rng(1).integers(0, 256, (40, 3, 8, 10), np.uint8)
LABELS = np.arange(40, dtype=np.uint8) // 20


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """The folder of an empty cache of its own; all images stay in files, and temporary files have a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache/aetool/folders"


@pytest.fixture
def pixels(tmp_path) -> StoredPixels:
    """PIXELS in a file, behind seven other bytes."""
    (tmp_path / "p.bin").write_bytes(b"1234567" + PIXELS.tobytes())
    return StoredPixels(PixelFile(tmp_path / "p.bin", 7, 40, PIXELS.shape[1:]))


def fill(folder: Path, pixels: np.ndarray = PIXELS) -> Path:
    for i, image in enumerate(pixels):
        (folder / f"{LABELS[i]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{LABELS[i]}/{i:02}.png")
    return folder


# rows of a file


@pytest.mark.parametrize(
    "index",
    [
        slice(None), slice(3, 9), slice(30, None, 3), slice(0), slice(None, None, -1), 0, -1, np.int64(7),
        np.array([5]), np.array([3, 1, 3, 39, -1]), np.array([], np.int64), np.arange(40) % 3 == 0,
        np.random.default_rng(0).permutation(40),
    ],
)  # fmt: skip
def test_rows_of_a_file_are_those_of_an_array(pixels, index):
    assert np.array_equal(pixels[index], PIXELS[index]) and pixels[index].dtype == np.uint8
    some, rows = np.array([2, 3, 4, 30, 31, 7, 7, 0]), np.array([0, 5, 5, 2])
    few = pixels.taken(some)
    assert few.shape == (8, 3, 8, 10) and np.array_equal(few[:], PIXELS[some])
    assert np.array_equal(few.taken(rows)[:], PIXELS[some][rows])


def test_rows_with_the_channels_last_are_turned(tmp_path):
    (tmp_path / "p.bin").write_bytes(np.ascontiguousarray(PIXELS.transpose(0, 2, 3, 1)))
    pixels = StoredPixels(PixelFile(tmp_path / "p.bin", 0, 40, (8, 10, 3)), last=True)
    assert pixels.shape == PIXELS.shape and np.array_equal(pixels[:], PIXELS) and np.array_equal(pixels[3], PIXELS[3])
    assert np.array_equal(np.stack(list(pixels)), PIXELS) and pixels[:].flags.c_contiguous


@pytest.mark.parametrize("most", [1, 240, 241, 1000, 1 << 20])
def test_blocks_are_all_images_in_order(pixels, most):
    for source in (pixels, PIXELS):
        parts = list(blocks(source, most))
        assert np.array_equal(np.concatenate(parts), PIXELS)
        assert all(part.nbytes <= max(most, 240) for part in parts)


def test_a_missing_index_is_an_error(pixels):
    for index in (40, np.array([0, 40]), -41):
        with pytest.raises(IndexError):
            pixels[index]
    assert repr(pixels) == "<uint8 of shape (40, 3, 8, 10) in a file>" and pixels.size == PIXELS.size


# a file that changes


def change_value(path: Path) -> None:
    """Change a value in place, and put the times back."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.seek(2000)
        value = stream.read(1)
        stream.seek(2000)
        stream.write(bytes([value[0] ^ 255]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 5000), lambda path: os.truncate(path, 0),
                                    change_value], ids=["shorter", "empty", "changed"])  # fmt: skip
def test_other_bytes_are_an_error_and_never_pixels(pixels, change):
    change(pixels.file.path)
    for index in (slice(None), np.array([39]), 0):
        with pytest.raises(Changed) as failed:
            pixels[index]
    assert "p.bin changed while images were read from it" in str(failed.value)
    assert told(failed.value).endswith("training goes on with: aetool train --resume")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.utime(path, (1, 1)),
        lambda path: path.rename(path.with_name("other")),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o600),
        lambda path: path.with_name("new").replace(path),
    ],
    ids=["times", "renamed", "removed", "mode", "replaced"],
)
def test_the_same_bytes_are_read_on(pixels, change, tmp_path):
    (tmp_path / "new").write_bytes(b"another")
    change(pixels.file.path)
    assert np.array_equal(pixels[:], PIXELS) and np.array_equal(pixels[3], PIXELS[3])


def test_a_disk_that_fails_is_told(pixels, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(stored, "_read_at", fail)
    with pytest.raises(ReadWriteError, match=r"could not read .*p\.bin: Input/output error"):
        pixels[3]


def test_training_on_a_cache_that_changes_ends_with_7_and_goes_on_anew(place, workplace, cli):
    fill(workplace / "set")
    words = ("--epochs", 1, "--batch-size", 4, "--latent-dim", 2, "--threads", 1)
    data = load("set", 0)
    (path,) = place.glob("*/pixels.bin")
    original = stored.PixelFile.read

    def read(self, rows):
        if len(rows) == 4:
            change_value(path)
        return original(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored.PixelFile, "read", read)
        code, out, err = cli("train", "set", *words)
    assert (code, out) == (7, b"") and err.count("pixels.bin changed while images were read from it") == 1
    assert cli("train", "set", *words)[0] == 0  # the damaged entry is made anew
    assert load("set", 0).sha256 == data.sha256


# the same as in memory


def saved(folder: Path, kind: str) -> Path:
    """Save PIXELS and LABELS in a form that can be trained on."""
    grey, last = PIXELS[:, 0], PIXELS.transpose(0, 2, 3, 1)
    forms = {"last": last, "floats": PIXELS / 255, "Fortran": np.asfortranarray(PIXELS)}
    if kind == "folder":
        return fill(folder / "set")
    if kind in ("idx", "idx.gz"):
        pack = gzip.compress if kind == "idx.gz" else bytes
        end = ".gz" if kind == "idx.gz" else ""
        (folder / f"a-labels-idx1{end}").write_bytes(pack(idx(LABELS)))
        (folder / f"a-images-idx3{end}").write_bytes(pack(idx(grey)))
        return folder / f"a-images-idx3{end}"
    if kind == "npy":
        np.save(folder / "a.npy", PIXELS)
        return folder / "a.npy"
    save = np.savez_compressed if kind == "deflated" else np.savez
    save(folder / "a.npz", images=forms.get(kind, PIXELS), labels=LABELS)
    return folder / "a.npz"


def assert_same(one: Dataset, other: Dataset) -> None:
    assert one.sha256 == other.sha256 and (one.classes, one.spec) == (other.classes, other.spec)
    for a, b in ((one.train, other.train), (one.test, other.test)):
        assert np.array_equal(whole(a.pixels), whole(b.pixels)) and np.array_equal(a.labels, b.labels)
        assert list(a.sources) == list(b.sources)


KINDS = ["folder", "idx", "idx.gz", "npz", "deflated", "last", "floats", "Fortran", "npy"]
IN_PLACE = ("idx", "npz", "last", "npy")


@pytest.mark.parametrize("kind", KINDS)
def test_a_data_set_in_a_file_is_the_one_in_memory(place, tmp_path, kind, monkeypatch):
    path = saved(tmp_path, kind)
    first, again = load(str(path), 0), load(str(path), 0)
    assert len(list(place.glob("*"))) == (0 if kind in IN_PLACE else 1)
    with monkeypatch.context() as patch:
        patch.setattr(stored, "IN_MEMORY", 1 << 27)
        memory = load(str(path), 0)
    for data in (first, again):
        assert isinstance(data.train.pixels, StoredPixels) and isinstance(data.test.pixels, StoredPixels)
        assert_same(data, memory)
    assert isinstance(memory.train.pixels, np.ndarray)
    assert (all_equal(first), count_blank(first)) == (False, 0)
    assert not list((tmp_path / "temporary").iterdir()) and not list(place.glob(".*"))


@pytest.mark.parametrize("kind", ["idx.gz", "deflated", "floats"])
def test_a_packed_file_is_unpacked_once(place, tmp_path, kind, monkeypatch):
    path = saved(tmp_path, kind)
    first = load(str(path), 0)
    for name in ("read_arrays", "read_idx_pair"):
        monkeypatch.setattr(cache, name, None)
    assert_same(load(str(path), 0), first)
    assert [(Path(entry.folder).name, entry.images) for entry in cache.entries()] == [(path.name, 40)]


def trained(run: Path, data: Dataset, config: TrainConfig) -> bytes:
    """Train to the end, and return the tensors of the last checkpoint."""
    run.mkdir(parents=True, exist_ok=True)
    list(Trainer(config, data, run).reports())
    (newest,) = sorted((run / "checkpoints").glob("*.safetensors"))[-1:]
    return newest.read_bytes()


@pytest.mark.parametrize("kind", ["folder", "npz", "deflated"])
def test_weights_and_bundle_are_the_same_to_the_bit(place, workplace, kind, monkeypatch):
    path = saved(workplace, kind)
    config = TrainConfig(dataset=str(path), epochs=2, batch_size=8, latent_size=3, threads=1, device="cpu", shift=1)
    found = []
    for most in (0, 1 << 27):
        monkeypatch.setattr(stored, "IN_MEMORY", most)
        with open_run(config, lambda *_: None) as (trainer, _):
            weights = trained(trainer.run, trainer.dataset, config)
            assert isinstance(trainer.dataset.train.pixels, np.ndarray) == (most > 0)
        made = make_bundle(trainer.run, rows=True)
        manifest = json.loads(made.files["bundle.json"])
        manifest.pop("exported"), manifest["training"].pop("seconds")
        rest = {name: data for name, data in made.files.items() if name != "bundle.json"}
        images = (trainer.run / "images.jsonl").read_bytes()
        found.append((weights, rest, manifest, images))
    assert found[0] == found[1]


# room


def test_without_a_cache_the_images_are_in_a_file_without_a_name(place, tmp_path):
    fill(tmp_path / "set")
    (tmp_path / "cache").write_text("no folder can be made here")
    data = load(str(tmp_path / "set"), 0)
    assert isinstance(data.train.pixels, StoredPixels) and data.train.pixels.file.path.parent.name == "temporary"
    assert not data.train.pixels.file.path.exists() and not list((tmp_path / "temporary").iterdir())
    assert data.train.pixels[:].sum() + data.test.pixels[:].sum() == PIXELS.sum()


def test_without_any_place_the_images_are_in_memory(place, tmp_path, monkeypatch):
    fill(tmp_path / "set")
    (tmp_path / "cache").write_text("no folder can be made here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert isinstance(load(str(tmp_path / "set"), 0).train.pixels, np.ndarray)


def test_a_full_disk_is_noticed_before_the_first_image(place, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    found = room_for(40, (3, 8, 10), cache.place)
    assert isinstance(found, MemoryRoom) and not list(place.glob(".*"))


def test_a_folder_larger_than_the_cache_is_no_entry(place, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "BYTES", PIXELS.nbytes - 1)
    data = load(str(fill(tmp_path / "set")), 0)
    assert isinstance(data.train.pixels, StoredPixels) and not list(place.iterdir())
    assert data.train.pixels[:].sum() + data.test.pixels[:].sum() == PIXELS.sum()


def test_a_folder_that_could_not_be_read_leaves_no_file(place, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FileRoom, "done", fail)
    with pytest.raises(KeyboardInterrupt):
        load(str(fill(tmp_path / "set")), 0)
    assert not list(place.iterdir())


@pytest.mark.parametrize("most", [0, 1 << 27])
@pytest.mark.parametrize("count", [1, 20, 40, 60])
def test_room_may_be_too_small_or_too_large(place, monkeypatch, most, count):
    monkeypatch.setattr(stored, "IN_MEMORY", most)
    found = room.room_for(count, (3, 8, 10), cache.place)
    for i in (0, 1, 15):
        found.add(PIXELS[i : {0: 1, 1: 15, 15: 40}[i]])
    pixels = found.done()
    assert np.array_equal(whole(pixels), PIXELS) and isinstance(pixels, StoredPixels) == (not most)
    assert np.array_equal(whole(taken(pixels, np.array([3, 2]))), PIXELS[[3, 2]])
