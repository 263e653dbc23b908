"""Arrays of latents in .npy and .npz: what is taken, and what is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from aetool.errors import AetoolError, InvalidInput, LimitExceeded
from aetool.system.limits import Limits
from tests.latents.records import batch, npy, npz, read, to_arrays


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "<i2", ">i8", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_number_and_order_are_taken(dtype, order):
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype, order=order)
    for data in (npy(array), npz(latents=array), npz(np.savez_compressed, latents=array)):
        (found,) = read(data, 3)
        assert found.latents.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert found.latents.dtype == np.float32 and found.latents.flags.c_contiguous
        assert found.sources == ("file#0", "file#1")


@pytest.mark.parametrize(
    "array",
    [np.float32(1), np.zeros(3), np.zeros((1, 3, 1)), np.zeros((2, 3), bool), np.zeros((2, 3), complex),
     np.zeros((2, 3), "U1"), np.zeros((2, 3), [("a", "f4")]), np.zeros((2, 3), "V4"), np.zeros((2, 3), "m8[s]")],
    ids=["0-d", "1-d", "3-d", "bool", "complex", "text", "struct", "void", "times"],
)  # fmt: skip
def test_arrays_that_are_no_latents_are_refused(array):
    for data in (npy(array), npz(latents=array)):
        with pytest.raises(InvalidInput, match=r"latents are (numbers of shape )?\(n, k\)"):
            read(data)


class Evil:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("name", ["latents", "sources", "classes", "model", "other"])
def test_object_arrays_are_refused_and_not_unpickled(name):
    evil = np.array([[Evil()]], object)
    with pytest.raises(InvalidInput, match="not a NumPy array of numbers"):
        read(npy(evil))
    with pytest.raises(InvalidInput, match=f"{name} in file is not a NumPy array of numbers"):
        read(npz(**{"latents": np.zeros((1, 2)), name: evil}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_arrays_that_are_not_finite_are_refused(value):
    for data in (npy(np.array([[0, value]])), npz(latents=np.array([[0, value]]))):
        with pytest.raises(InvalidInput, match="finite"):
            read(data)


def test_arrays_of_another_size_are_refused():
    for data in (npy(np.zeros((2, 3))), npz(latents=np.zeros((2, 3)))):
        with pytest.raises(InvalidInput, match="latents of 4 numbers, these have 3"):
            read(data, 4)


@pytest.mark.parametrize("length", [6, 8, 10, 60, 128, 130, 151])
def test_an_array_cut_short_is_refused(length):
    data = npy(np.zeros((2, 3), np.float32))
    assert len(data) == 152
    with pytest.raises(InvalidInput, match="file is not a NumPy array of numbers"):
        read(data[:length])


@pytest.mark.parametrize("shape", ["(1000000000000, 4)", "(-1, 4)", "(2, 'a')", "2", "((2,), 4)"])
def test_an_array_header_that_lies_is_refused(shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"
    header = header.ljust(117) + "\n"
    data = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(16)
    with pytest.raises(InvalidInput, match="file is not a NumPy array of numbers"):
        read(data)


def test_npz_may_leave_out_everything_but_the_latents():
    (found,) = read(npz(latents=np.ones((2, 3)), note=np.array("hello")))
    assert found.sources == ("file#0", "file#1") and found.classes == (None, None) and found.model is None


def test_npz_without_latents_is_refused():
    with pytest.raises(InvalidInput, match="file holds images, not latents"):
        read(npz(images=np.ones((2, 3))))


@pytest.mark.parametrize("name", ["sources", "classes"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_npz_with_another_number_of_sources_or_classes_is_refused(name, count):
    with pytest.raises(InvalidInput, match="file has 2 latents and another number of sources or classes"):
        read(npz(latents=np.ones((2, 3)), **{name: np.array(["x"] * count, "U1")}))


def test_of_duplicate_members_the_last_counts_as_for_numpy():
    stream = io.BytesIO(npz(latents=np.ones((1, 2))))
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("latents.npy", npy(np.full((1, 2), 2.0)))
    (found,) = read(stream.getvalue())
    stream.seek(0)
    assert found.latents.tolist() == [[2, 2]] == np.load(stream)["latents"].tolist()


@pytest.mark.parametrize("member", [b"", b"hello", npz(latents=np.ones((1, 2))), npy(np.ones((1, 2)))[:-1]])
def test_a_member_that_is_no_array_is_refused(member):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("latents.npy", member)
    with pytest.raises(InvalidInput, match="latents in file is not a NumPy array of numbers"):
        read(stream.getvalue())


def test_no_changed_byte_of_an_npz_raises_anything_but_the_errors_of_aetool():
    data = to_arrays([batch([[1, 2, 3]], ["a"], ["b"])], ".npz", 3)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            read(changed)
        except AetoolError as error:
            assert error.exit_code in (4, 6)
    for at in range(6, len(data), 7):
        with pytest.raises(InvalidInput, match=r"damaged \.npz"):
            read(data[:at])


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_npz_whose_packed_bytes_are_damaged_is_refused(method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("latents.npy", npy(np.random.default_rng(0).normal(size=(50, 8))))
    data = stream.getvalue()
    for at in range(41, 141):  # past the header of the member
        try:
            read(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        except AetoolError as refused:
            assert refused.exit_code in (4, 6)


@pytest.mark.parametrize("name", ["sources", "classes"])
def test_sources_and_classes_without_dimensions_are_refused(name):
    with pytest.raises(InvalidInput):
        read(npz(latents=np.ones((1, 3)), **{name: np.array(5)}))


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    data = npz(np.savez_compressed, latents=np.zeros((1000, 100)))
    assert len(data) < 10_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(LimitExceeded, match="file unpacks to more than"):
        read(data, limits=Limits(bytes=100_000))


@pytest.mark.parametrize("data", [npy(np.zeros((100, 100))), npz(latents=np.zeros((100, 100)))])
def test_an_array_that_is_too_large_is_refused(data):
    with pytest.raises(LimitExceeded, match="file is larger than"):
        read(data, limits=Limits(bytes=len(data) - 1))
