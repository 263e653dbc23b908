"""The bounded reader of .npz: views, checksums, and the limits before anything is unpacked."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from aetool.system.npz import NpzError, NpzTooLarge, read_npz

ARRAYS = {"numbers": np.arange(12, dtype=np.float32).reshape(3, 4), "texts": np.array(["a", "äö", ""])}


def npz(save=np.savez, **arrays):
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("most", [None, 1 << 20])
def test_stored_arrays_are_views_of_the_archive(most):
    data = npz(**ARRAYS)
    found = read_npz(data, most)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].tolist()) == (array.dtype, array.tolist())
        assert np.shares_memory(found[name], np.frombuffer(data, np.uint8))


def test_compressed_arrays_are_unpacked_within_a_limit_only():
    data = npz(np.savez_compressed, **ARRAYS)
    assert read_npz(data, 1 << 20)["numbers"].tolist() == ARRAYS["numbers"].tolist()
    with pytest.raises(NpzError):
        read_npz(data)


def test_nothing_is_unpacked_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(NpzTooLarge, match="3 MiB"):
        read_npz(npz(np.savez_compressed, numbers=np.zeros(400_000)), 1 << 20)
    with pytest.raises(NpzTooLarge, match="76 MiB"):
        read_npz(npz(np.savez_compressed, numbers=np.zeros(10_000_000)), 1 << 40)


def test_a_changed_value_is_found_by_the_checksum_of_its_member():
    data = npz(**ARRAYS)
    at = data.index(ARRAYS["numbers"].tobytes()) + 5
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    with pytest.raises(NpzError):
        read_npz(changed, 1 << 20)


def test_only_the_named_arrays_are_read_and_the_last_of_one_name():
    data = npz(**ARRAYS, objects=np.array([{}], object))
    assert list(read_npz(data, 1 << 20, {"numbers", "missing"})) == ["numbers"]
    with pytest.raises(NpzError) as caught:
        read_npz(data, 1 << 20)
    assert caught.value.member == "objects"
    stream = io.BytesIO(data)
    member = io.BytesIO()
    np.save(member, np.ones(2))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("numbers.npy", member.getvalue())
    assert read_npz(stream.getvalue(), 1 << 20, {"numbers"})["numbers"].tolist() == [1, 1]
