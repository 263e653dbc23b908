"""Stacks: layouts, levels, blocks equal to the whole, rows alone, and arrays that are refused in one line."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from aetool.errors import InvalidInput, LimitExceeded, ReadWriteError, UsageError
from aetool.images.stacks import open_stack
from aetool.system.limits import Limits

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (37, 3, 9, 10), np.uint8)
BANDS = RNG.integers(0, 256, (5, 5, 20, 24), np.uint8)
SAVES = [np.savez, np.savez_compressed]


def read(path: Path, count: int | None = None, **words) -> np.ndarray:
    with open_stack(path, **words) as stack:
        found = np.concatenate(list(stack.blocks(count)))
        assert found.shape == stack.shape and found.dtype == np.uint8 and len(stack) == len(found)
        if stack.in_place:
            wanted = RNG.integers(0, len(found), 11)
            assert np.array_equal(stack.rows(wanted), found[wanted])
        return found


def stored_npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npz(path: Path, images: np.ndarray, save=np.savez, **more) -> Path:
    save(path, images=images, **more)
    return path


def npy(path: Path, images: np.ndarray) -> Path:
    np.save(path, images)
    return path


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize(
    ("images", "pixels"),
    [
        (COLOUR[:, 0], COLOUR[:, :1]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (np.ascontiguousarray(COLOUR.transpose(0, 2, 3, 1)), COLOUR),
        (COLOUR[:, :1], COLOUR[:, :1]),
        (COLOUR[:, :1].transpose(0, 2, 3, 1), COLOUR[:, :1]),
        (np.asfortranarray(COLOUR), COLOUR),
        (BANDS, BANDS),
        (BANDS.transpose(0, 2, 3, 1), BANDS),
    ],
    ids=["n h w", "n c h w", "n h w c", "n h w c whole", "n 1 h w", "n h w 1", "Fortran", "5 bands", "5 bands last"],
)
def test_every_layout_is_read_in_blocks(tmp_path, images, pixels, save):
    for count in (None, 1, 4, 1000):
        assert np.array_equal(read(npz(tmp_path / "x.npz", images, save), count), pixels)
        assert np.array_equal(read(npy(tmp_path / "x.npy", images), count), pixels)


@pytest.mark.parametrize("shape", [(9, 8, 8, 8), (4, 10, 12, 14), (4, 16, 8, 16)])
def test_where_both_layouts_fit_the_layout_must_be_said(tmp_path, shape):
    images = RNG.integers(0, 256, shape, np.uint8)
    path = npy(tmp_path / "x.npy", images)
    with pytest.raises(InvalidInput, match="can be nchw and nhwc") as caught:
        read(path)
    assert caught.value.fix == "layout"
    assert np.array_equal(read(path, layout="nchw"), images)
    assert np.array_equal(read(path, layout="nhwc"), images.transpose(0, 3, 1, 2))


def test_known_channels_decide_and_exclude(tmp_path):
    images = RNG.integers(0, 256, (4, 10, 12, 14), np.uint8)
    path = npy(tmp_path / "x.npy", images)
    assert np.array_equal(read(path, channels=10), images)
    assert np.array_equal(read(path, channels=14), images.transpose(0, 3, 1, 2))
    with pytest.raises(InvalidInput, match=r"expected \(n, 3, h, w\) or \(n, h, w, 3\)"):
        read(path, channels=3)
    with pytest.raises(InvalidInput, match="as nhwc"):
        read(path, channels=10, layout="nhwc")
    with pytest.raises(UsageError, match='no layout "nhw"'):
        read(path, layout="nhw")


@pytest.mark.parametrize("shape", [(), (5,), (5, 9, 9, 3, 1), (0, 9, 9), (5, 0, 9), (5, 3, 9, 0), (5, 17, 20, 20)])
def test_other_shapes_are_refused(tmp_path, shape):
    with pytest.raises(InvalidInput, match=r"shape .*; expected \(n, c, h, w\) or \(n, h, w, c\)"):
        read(npz(tmp_path / "x.npz", np.zeros(shape, np.uint8)))


LEVELS = np.tile(np.arange(256).reshape(1, 1, 16, 16), (3, 2, 1, 1))


@pytest.mark.parametrize(
    ("dtype", "white", "told"),
    [
        ("u2", 65535, False), (">u2", 65535, False), ("u2", 255, True), ("u2", 1023, True), ("i2", 4095, True),
        ("i1", 255, True), ("u4", 4095, True), ("i8", 65535, True), ("f4", 1, False), (">f8", 1, False),
        ("f2", 255, True), ("f4", 65535, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("save", SAVES)
def test_one_white_for_a_whole_stack(tmp_path, save, dtype, white, told):
    stack = LEVELS * (white / 255)
    stack[0] = stack[0] / 3  # a dark image stays dark
    stack = stack if dtype[-2] == "f" else np.rint(stack).clip(0, 127 if dtype == "i1" else white)
    expected = np.rint(stack / white * 255)
    path = npz(tmp_path / "x.npz", stack.astype(dtype), save)
    assert abs(read(path, 2).astype(int) - expected).max() <= (1 if dtype in ("f2", "f4") else 0)
    with open_stack(path) as opened:
        assert opened.white == white and (opened.note is not None) == told
        assert not told or f"levels from 0 to {white:,}" in opened.note
    with open_stack(path, white=2 * white) as opened:
        assert opened.note is None and abs(next(opened.blocks())[1].astype(int) - expected[1] / 2).max() <= 1


def test_truth_values_are_black_and_white(tmp_path):
    images = RNG.random((4, 8, 9)) > 0.5
    assert np.array_equal(read(npy(tmp_path / "x.npy", images)), images[:, None] * np.uint8(255))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("white", [None, 1])
def test_numbers_that_are_not_finite_are_refused(tmp_path, value, white):
    images = np.zeros((5, 9, 9), np.float32)
    images[4, 1, 3] = value
    with pytest.raises(InvalidInput, match="hold numbers that are not finite"):
        read(npy(tmp_path / "x.npy", images), white=white)


class Evil:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("dtype", ["c8", "S1", "M8[s]", "U2", "u1,u1"])
def test_other_kinds_of_arrays_are_refused(tmp_path, dtype):
    with pytest.raises(InvalidInput, match="expected whole numbers or floats"):
        read(npz(tmp_path / "x.npz", np.zeros((5, 9, 9), dtype)))


def test_objects_are_refused_and_not_unpickled(tmp_path):
    objects = np.array([Evil()] * 5, object)
    with pytest.raises(InvalidInput, match='no array "images" of numbers'):
        read(npz(tmp_path / "x.npz", objects))
    with pytest.raises(InvalidInput, match="of numbers"):
        read(npy(tmp_path / "x.npy", objects))


@pytest.mark.parametrize("save", SAVES)
def test_latents_are_named_as_such(tmp_path, save):
    save(tmp_path / "x.npz", latents=np.zeros((5, 16), np.float32))
    with pytest.raises(InvalidInput, match="holds latents, not images") as caught:
        read(tmp_path / "x.npz")
    assert caught.value.fix == "latents"
    with pytest.raises(InvalidInput, match=r"of shape \(5, 16\), as latents are"):
        read(npy(tmp_path / "x.npy", np.zeros((5, 16), np.float32)))


@pytest.mark.parametrize("save", SAVES)
def test_labels_come_with_the_images(tmp_path, save):
    with open_stack(npz(tmp_path / "x.npz", COLOUR[:3], save, labels=np.array(["a", "b", "ä"]))) as stack:
        assert stack.labels.tolist() == ["a", "b", "ä"]
    with open_stack(npz(tmp_path / "x.npz", COLOUR[:3])) as stack:
        assert stack.labels is None


@pytest.mark.parametrize("save", SAVES)
def test_damage_is_found(tmp_path, save):
    data = bytearray(npz(tmp_path / "x.npz", COLOUR, save).read_bytes())
    data[len(data) // 2] ^= 0x55
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidInput, match="is damaged"):
        read(tmp_path / "x.npz")


def test_shortened_files_and_other_files_are_refused(tmp_path):
    for name, whole in (("x.npz", npz(tmp_path / "x.npz", COLOUR)), ("x.npy", npy(tmp_path / "x.npy", COLOUR))):
        whole.write_bytes(whole.read_bytes()[:-7])
        with pytest.raises(InvalidInput, match="of numbers"):
            read(tmp_path / name)
    for data in (b"", b"P", b"PK", b"PK\x03\x04 nothing", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "y.npz").write_bytes(data)
        with pytest.raises(InvalidInput, match="of numbers"):
            read(tmp_path / "y.npz")
    with pytest.raises(ReadWriteError, match="No such file"):
        read(tmp_path / "missing.npz")
    with pytest.raises(ReadWriteError):
        read(tmp_path)


def test_limits_hold_before_anything_is_unpacked(tmp_path):
    with pytest.raises(LimitExceeded, match="unpacks to") as caught:
        read(npz(tmp_path / "x.npz", COLOUR, np.savez_compressed), limits=Limits(bytes=1000))
    assert caught.value.fix == "bytes"
    images = np.zeros((2000, 200, 200), np.uint8)
    with pytest.raises(LimitExceeded, match="more than is accepted of a file of its size"):
        read(npz(tmp_path / "x.npz", images, np.savez_compressed))


def test_the_last_of_two_members_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for images in (COLOUR[:2], COLOUR[2:5]):
            stream = io.BytesIO()
            np.save(stream, images)
            archive.writestr("images.npy", stream.getvalue())
    assert np.array_equal(read(tmp_path / "x.npz"), COLOUR[2:5])


def test_bytes_of_a_file_are_a_stack_too(tmp_path):
    data = npz(tmp_path / "x.npz", COLOUR).read_bytes()
    with open_stack(data, name="stdin") as stack:
        assert stack.name == "stdin" and np.array_equal(np.concatenate(list(stack.blocks(5))), COLOUR)


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_large_stack_needs_the_memory_of_a_block(tmp_path, save, dtype):
    row = np.arange(64) * np.arange(64)[:, None] % 200
    images = (np.arange(6000)[:, None, None] % 50 + row).astype(dtype)
    path, total = npz(tmp_path / "x.npz", images, save), images.nbytes
    del images
    tracemalloc.start()
    with open_stack(path) as stack:
        for _ in stack.blocks(100):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 24e6 and peak < np.dtype(dtype).itemsize * 16e6


def test_archives_one_behind_the_other_are_refused(tmp_path):
    one = stored_npz(images=np.zeros((2, 8, 8), np.uint8))
    for data in (one + one, b"PK\3\4" + one, one + b"\0"):
        with pytest.raises(InvalidInput, match=r"is not an \.npz or \.npy file"), open_stack(data):
            pass


def test_negative_numbers_are_told():
    data = stored_npz(images=np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 8, 8))
    with open_stack(data) as stack:
        assert "smaller ones become black" in (stack.note or "")


def test_the_arrays_that_are_there_are_named():
    with pytest.raises(InvalidInput, match="among x_train"), open_stack(stored_npz(x_train=np.zeros((2, 8, 8)))):
        pass
