"""Files of labelled images: idx headers that lie, gzip, and the forms of .npz."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from aetool.errors import InvalidInput, LimitExceeded, ReadWriteError
from aetool.system.limits import Limits
from aetool.training.data import stored
from aetool.training.data.files import TIMES, parse_idx, read_arrays, read_idx_pair
from aetool.training.data.stored import whole

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
COLOUR = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 10), np.uint8)
LABELS = np.array([3, 1, 3, 7, 1], np.uint8)


@pytest.fixture(autouse=True, params=["in memory", "in a file"])
def held(request, monkeypatch):
    """Hold the images in memory, as few images are, or in a file, as many are."""
    if request.param == "in a file":
        monkeypatch.setattr(stored, "IN_MEMORY", 0)


def idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in LeCun's format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def archive(path: Path, **members: bytes) -> Path:
    """Write a zip archive whose members hold these bytes."""
    with zipfile.ZipFile(path, "w") as stream:
        for name, data in members.items():
            stream.writestr(f"{name}.npy", data)
    return path


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


# idx


def test_idx_gives_images_and_labels():
    assert np.array_equal(parse_idx(idx(IMAGES), "x"), IMAGES)
    assert np.array_equal(parse_idx(idx(LABELS), "x"), LABELS)
    assert parse_idx(idx(IMAGES), "x").dtype == np.uint8
    assert parse_idx(idx(IMAGES[:0]), "x").shape == (0, 2, 3)


@pytest.mark.parametrize(("at", "right"), [(0, 0), (1, 0), (2, 8), (3, 3)])
def test_an_idx_magic_number_that_lies_is_refused(at, right):
    for value in set(range(256)) - {right}:
        data = bytearray(idx(IMAGES))
        data[at] = value
        with pytest.raises(InvalidInput, match="x"):
            parse_idx(bytes(data), "x")


@pytest.mark.parametrize("field", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 1, 6, 1 << 16, (1 << 32) - 1])
def test_an_idx_size_that_lies_is_refused(field, size):
    data = bytearray(idx(IMAGES))
    struct.pack_into(">I", data, 4 + 4 * field, size)
    with pytest.raises(InvalidInput, match=r"x says .* and holds 30 bytes"):
        parse_idx(bytes(data), "x")


def test_idx_sizes_whose_product_overflows_are_refused():
    data = struct.pack(">HBB3I", 0, 8, 3, 1 << 31, 1 << 31, 4) + b""  # 2 ** 64, which is 0 in 64 bits
    with pytest.raises(InvalidInput, match="holds 0 bytes"):
        parse_idx(data, "x")


@pytest.mark.parametrize("length", [0, 1, 3, 4, 8, 15, 16, 17, 45])
def test_an_idx_file_cut_short_is_refused(length):
    with pytest.raises(InvalidInput):
        parse_idx(idx(IMAGES)[:length], "x")


@pytest.mark.parametrize("shape", [(), (30,), (5, 6), (5, 1, 2, 3)])
def test_idx_has_one_or_three_dimensions(shape):
    data = idx(IMAGES.reshape(shape) if shape else IMAGES[0, 0, 0])
    if shape == (30,):
        assert parse_idx(data, "x").shape == shape
        return
    with pytest.raises(InvalidInput, match="x is not an idx file of bytes with images or labels"):
        parse_idx(data, "x")


def test_an_idx_file_with_more_than_it_says_is_refused():
    with pytest.raises(InvalidInput, match="5 x 2 x 3 and holds 31 bytes"):
        parse_idx(idx(IMAGES) + b"\0", "x")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_images_are_read_with_the_labels_beside_them(tmp_path, packed):
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    (tmp_path / f"my-images-idx3-ubyte{end}").write_bytes(pack(idx(IMAGES)))
    (tmp_path / f"my-labels-idx1-ubyte{end}").write_bytes(pack(idx(LABELS)))
    data = read_idx_pair(tmp_path / f"my-images-idx3-ubyte{end}")
    assert np.array_equal(data.pixels, IMAGES[:, None])
    assert data.classes == ("1", "3", "7")
    assert data.labels.tolist() == [1, 0, 1, 2, 0] and data.labels.dtype == np.int64
    assert data.train_count is None


@pytest.mark.parametrize("name", ["my-images-idx3-ubyte", "pictures"])
def test_idx_images_without_labels_have_no_classes(tmp_path, name):
    (tmp_path / name).write_bytes(idx(IMAGES))
    data = read_idx_pair(tmp_path / name)
    assert data.classes == () and data.labels.tolist() == [-1] * 5


def test_a_file_of_labels_is_no_data_set(tmp_path):
    (tmp_path / "my-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(InvalidInput, match="my-labels-idx1-ubyte holds labels; name the file of the images"):
        read_idx_pair(tmp_path / "my-labels-idx1-ubyte")


def test_images_in_the_place_of_the_labels_are_refused(tmp_path):
    (tmp_path / "my-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "my-labels-idx1-ubyte").write_bytes(idx(IMAGES))
    with pytest.raises(InvalidInput, match="labels in my-labels-idx1-ubyte"):
        read_idx_pair(tmp_path / "my-images-idx3-ubyte")


def test_damaged_gzip_is_refused(tmp_path):
    path, whole = tmp_path / "x.gz", gzip.compress(idx(IMAGES))
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    for data in (whole[:-1], whole[:20], whole[:2], bytes(changed)):
        path.write_bytes(data)
        with pytest.raises(InvalidInput):
            read_idx_pair(path)


def test_gzip_that_unpacks_to_too_much_is_refused(tmp_path):
    images = np.zeros((5, 40, 40), np.uint8)
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx(images)))
    enough = Limits(bytes=-(-len(idx(images)) // TIMES))
    assert len(read_idx_pair(tmp_path / "x.gz", enough).pixels) == 5
    with pytest.raises(LimitExceeded, match="unpacks to more than"):
        read_idx_pair(tmp_path / "x.gz", Limits(bytes=len(idx(images)) // TIMES - 1))


def test_a_missing_idx_file_is_told(tmp_path):
    with pytest.raises(ReadWriteError, match="No such file"):
        read_idx_pair(tmp_path / "missing")


# npz


@pytest.mark.parametrize(
    ("images", "pixels"),
    [
        (COLOUR[:, 0], COLOUR[:, :1]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (COLOUR[:, :1], COLOUR[:, :1]),
        (COLOUR[:, :1].transpose(0, 2, 3, 1), COLOUR[:, :1]),
        (np.asfortranarray(COLOUR), COLOUR),
    ],
    ids=["n h w", "n c h w", "n h w c", "n 1 h w", "n h w 1", "Fortran"],
)
def test_npz_takes_every_layout(tmp_path, images, pixels):
    data = read_arrays(npz(tmp_path / "x.npz", images=images, labels=LABELS))
    assert np.array_equal(whole(data.pixels), pixels)
    assert data.pixels.dtype == np.uint8
    assert data.classes == ("1", "3", "7") and data.labels.tolist() == [1, 0, 1, 2, 0]


@pytest.mark.parametrize(("layout", "shape"), [("nchw", (5, 8, 12, 9)), ("nhwc", (5, 9, 8, 12))])
def test_where_both_layouts_fit_one_must_be_named(tmp_path, layout, shape):
    path = npz(tmp_path / "x.npz", images=np.zeros((5, 8, 12, 9), np.uint8))
    with pytest.raises(InvalidInput, match="can be nchw and nhwc"):
        read_arrays(path)
    assert read_arrays(path, layout=layout).pixels.shape == shape


def test_an_npy_file_is_a_stack_too(tmp_path):
    np.save(tmp_path / "x.npy", COLOUR)
    data = read_arrays(tmp_path / "x.npy")
    assert np.array_equal(whole(data.pixels), COLOUR) and data.classes == ()


@pytest.mark.parametrize(("images", "white"), [(COLOUR.astype("u2") * 257, 65535), (COLOUR.astype("f4"), 255)])
def test_numbers_of_other_sizes_are_levels_by_one_white(tmp_path, images, white):
    data = read_arrays(npz(tmp_path / "x.npz", images=images))
    assert data.whites == (("array", white),) and np.array_equal(whole(data.pixels), COLOUR)
    half = read_arrays(tmp_path / "x.npz", white=2 * white)
    assert abs(whole(half.pixels).astype(int) * 2 - COLOUR).max() <= 1


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_npz_takes_floats_between_0_and_1(tmp_path, dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    data = read_arrays(npz(tmp_path / "x.npz", images=(levels / 255).astype(dtype)))
    assert abs(data.pixels[0].astype(int) - levels).max() <= (1 if dtype == "<f2" else 0)


def test_floats_become_the_nearest_levels(tmp_path):
    images = np.array([0, 0.4, 0.6, 100.4, 100.6, 254.6]).reshape(1, 2, 3) / 255
    pixels = read_arrays(npz(tmp_path / "x.npz", images=images)).pixels
    assert whole(pixels).ravel().tolist() == [0, 0, 1, 100, 101, 255]


@pytest.mark.parametrize("packing", [np.savez, np.savez_compressed])
def test_npz_without_labels_has_no_classes(tmp_path, packing):
    packing(tmp_path / "x.npz", images=IMAGES)
    data = read_arrays(tmp_path / "x.npz")
    assert data.classes == () and data.labels.tolist() == [-1] * 5


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (np.array(["dog", "cat", "dog", "ant", "cat"]), ("ant", "cat", "dog"), [2, 1, 2, 0, 1]),
        (np.array([b"dog", b"cat", b"dog", b"ant", b"cat"]), ("ant", "cat", "dog"), [2, 1, 2, 0, 1]),
        (np.array([10, -2, 10, 9, -2]), ("-2", "9", "10"), [2, 0, 2, 1, 0]),
        (np.array([1, 1, 1, 1, 1], ">u8"), ("1",), [0] * 5),
    ],
)
def test_npz_labels_may_be_whole_numbers_or_texts(tmp_path, labels, classes, numbers):
    data = read_arrays(npz(tmp_path / "x.npz", images=IMAGES, labels=labels))
    assert data.classes == classes
    assert data.labels.tolist() == numbers and data.labels.dtype == np.int64


@pytest.mark.parametrize("labels", [LABELS.astype(float), LABELS[:, None], np.array(3), LABELS > 2])
def test_npz_labels_of_another_kind_are_refused(tmp_path, labels):
    with pytest.raises(InvalidInput, match=r"labels in x\.npz must be one whole number or text an image"):
        read_arrays(npz(tmp_path / "x.npz", images=IMAGES, labels=labels))


@pytest.mark.parametrize("dtype", ["c8", "S1", "M8[s]"])
def test_npz_images_of_another_dtype_are_refused(tmp_path, dtype):
    with pytest.raises(InvalidInput, match=r"images in x\.npz are .*; expected whole numbers or floats"):
        read_arrays(npz(tmp_path / "x.npz", images=np.zeros((5, 4, 4), dtype)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_npz_floats_that_are_not_finite_are_refused(tmp_path, value):
    images = np.zeros((5, 4, 4))
    images[2, 1, 3] = value
    with pytest.raises(InvalidInput, match="not finite"):
        read_arrays(npz(tmp_path / "x.npz", images=images))


@pytest.mark.parametrize("shape", [(), (5,), (5, 4), (5, 4, 4, 3, 1), (0, 4, 4), (5, 0, 4), (5, 3, 4, 0)])
def test_npz_images_of_another_shape_are_refused(tmp_path, shape):
    with pytest.raises(InvalidInput, match=r"expected \(n, c, h, w\) or \(n, h, w, c\)|latents"):
        read_arrays(npz(tmp_path / "x.npz", images=np.zeros(shape, np.uint8)))


class Evil:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("name", ["images", "labels"])
def test_object_arrays_are_refused_and_not_unpickled(tmp_path, name):
    arrays = {"images": IMAGES, "labels": LABELS, name: np.array([Evil()] * 5, object)}
    with pytest.raises(InvalidInput, match=r'x\.npz holds no array "images" of|labels in x\.npz are no numbers'):
        read_arrays(npz(tmp_path / "x.npz", **arrays))


def test_npz_without_images_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match='holds no array "images"'):
        read_arrays(npz(tmp_path / "x.npz", pictures=IMAGES))


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"hello"])
def test_what_is_no_npz_is_refused(tmp_path, data):
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"is not an \.npz or \.npy file of numbers"):
        read_arrays(tmp_path / "x.npz")


def test_a_damaged_npz_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=COLOUR)
    whole = (tmp_path / "x.npz").read_bytes()
    for at in (100, 150, 200):
        (tmp_path / "x.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(InvalidInput):
            read_arrays(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(whole[:-30])
    with pytest.raises(InvalidInput):
        read_arrays(tmp_path / "x.npz")


def test_an_npz_that_unpacks_to_too_much_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((100, 28, 28), np.uint8))
    assert (tmp_path / "x.npz").stat().st_size < 1000
    with pytest.raises(LimitExceeded, match="unpacks to 0 MiB, over 0 MiB"):
        read_arrays(tmp_path / "x.npz", Limits(bytes=10_000 // TIMES))


@pytest.mark.parametrize("name", ["images", "labels"])
def test_a_member_that_is_no_array_is_refused(tmp_path, name):
    members = {"images": npy(IMAGES), "labels": npy(LABELS), name: b"hello"}
    with pytest.raises(InvalidInput):
        read_arrays(archive(tmp_path / "x.npz", **members))


def test_labels_that_are_no_utf8_are_refused(tmp_path):
    with pytest.raises(InvalidInput):
        read_arrays(npz(tmp_path / "x.npz", images=IMAGES, labels=np.array([b"a\xff"] * 5)))


@pytest.mark.parametrize(("field", "value"), [((6, 8), 1), ((8, 10), 99)], ids=["encrypted", "unknown method"])
def test_an_npz_packed_in_a_way_that_is_not_known_is_refused(tmp_path, field, value):
    data = bytearray(npz(tmp_path / "x.npz", images=IMAGES).read_bytes())
    data[field[0]] |= value
    data[data.find(b"PK\1\2") + field[1]] |= value
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidInput):
        read_arrays(tmp_path / "x.npz")
