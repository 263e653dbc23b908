"""The bank of a bundle: its statistics against NumPy, its cap, its bytes, and banks that are damaged."""

from __future__ import annotations

import contextlib
import io
import zipfile

import numpy as np
import pytest

from aetool.errors import BundleError
from aetool.latents.bank import MAX_ROWS, NEIGHBOURS, make_bank
from aetool.latents.bank_file import read_bank, write_bank
from tests.toy import CLASSES, toy_bank, toy_latents

ARRAYS = ("latents", "labels", "neighbours", "counts", "means", "covariances",
          "mixture_weights", "mixture_means", "mixture_roots")  # fmt: skip


def parts(bank) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(write_bank(bank)), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def changed(**arrays) -> bytes:
    """Return the toy bank with other arrays, or without those that are None."""
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in (parts(toy_bank()) | arrays).items() if array is not None})
    return stream.getvalue()


def read(data: bytes):
    return read_bank(data, CLASSES, 4)


# Making


def test_statistics_are_those_of_numpy_for_each_class_and_for_all():
    rng = np.random.default_rng(0)
    latents = (rng.normal(size=(90, 5)) * 20).astype(np.float32)
    labels = rng.integers(0, 3, 90)
    bank = make_bank(latents, labels, [str(i) for i in range(90)], ("a", "b", "c"), seed=0)
    groups = [latents[labels == label].astype(np.float64) for label in range(3)] + [latents.astype(np.float64)]
    assert bank.counts.tolist() == [len(group) for group in groups]
    for group, mean, covariance in zip(groups, bank.means, bank.covariances, strict=True):
        assert np.allclose(mean, group.mean(0), rtol=1e-6)
        centred = group - group.mean(0)
        assert np.allclose(covariance, centred.T @ centred / (len(group) - 1), rtol=1e-5)
    assert bank.means.dtype == bank.covariances.dtype == np.float32


def test_means_far_from_zero_lose_nothing():
    latents = np.full((3000, 1), 1000.1, np.float32)  # whose sum float32 cannot hold
    bank = make_bank(latents, np.arange(3000), [""] * 3000, (), seed=0)
    assert bank.means[0, 0] == latents[0, 0] and bank.covariances[0, 0, 0] == 0


def test_all_counts_images_without_a_class_too():
    bank = make_bank(toy_latents(), np.array([0] * 4 + [-1] * 8), [""] * 12, CLASSES, seed=0)
    assert bank.counts.tolist() == [4, 0, 12]
    assert np.allclose(bank.means[2], toy_latents().mean(0))
    assert not bank.means[1].any() and not bank.covariances[1].any()


def test_a_class_of_one_image_has_no_spread():
    bank = make_bank(toy_latents(), np.array([1] + [0] * 11), [""] * 12, CLASSES, seed=0)
    assert np.array_equal(bank.means[1], toy_latents()[0]) and not bank.covariances[1].any()


def test_latents_of_one_number_have_a_variance():
    bank = make_bank(toy_latents()[:, :1], np.repeat([0, 1], 6), [""] * 12, CLASSES, seed=0)
    assert bank.covariances.shape == (3, 1, 1)
    assert bank.covariances[2, 0, 0] == pytest.approx(toy_latents()[:, 0].var(ddof=1))


def test_few_rows_are_all_kept_in_their_order():
    bank = toy_bank()
    assert np.array_equal(bank.latents, toy_latents())
    assert bank.labels.tolist() == [0] * 6 + [1] * 6
    assert list(bank.sources) == [f"{i}.png" for i in range(12)]
    assert bank.neighbours.shape == (12, NEIGHBOURS) and bank.neighbours[0].tolist() == [1, 2, 3, 4, 5] + [-1] * 5
    assert sorted(bank.neighbours[9][:5].tolist()) == [6, 7, 8, 10, 11]


def test_at_most_20000_rows_are_kept_by_the_seed_and_the_statistics_are_of_all():
    n = MAX_ROWS + 500
    assert MAX_ROWS == 20_000
    latents = np.stack([np.arange(n), np.arange(n) % 7], 1).astype(np.float32)
    labels, names = np.arange(n) % 400, tuple(map(str, range(400)))
    sources = [f"train/{i}" for i in range(n)]
    bank, again, other = (make_bank(latents, labels, sources, names, seed) for seed in (3, 3, 4))
    assert bank.latents.shape == (20_000, 2) and len(bank.sources) == len(bank.labels) == 20_000
    rows = bank.latents[:, 0].astype(int)
    assert (np.diff(rows) > 0).all()
    assert bank.sources == [f"train/{i}" for i in rows] and np.array_equal(bank.labels, rows % 400)
    assert bank.counts[-1] == n and bank.means[-1, 0] == pytest.approx((n - 1) / 2)
    assert write_bank(bank) == write_bank(again)
    assert set(rows) != set(other.latents[:, 0].astype(int))
    near = bank.neighbours[:, 0]
    assert np.array_equal(bank.labels[near], bank.labels) and (near != np.arange(20_000)).all()


def test_without_rows_only_the_statistics_stay():
    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), ["x"] * 12, CLASSES, seed=0, rows=False)
    assert bank.latents.shape == (0, 4) and bank.neighbours.shape == (0, NEIGHBOURS)
    assert len(bank.labels) == len(bank.sources) == 0
    for name in ("counts", "means", "covariances"):
        assert np.array_equal(getattr(bank, name), getattr(toy_bank(), name))


# Writing and reading


@pytest.mark.parametrize("rows", [True, False])
def test_a_bank_comes_back_to_the_bit_and_is_written_as_the_same_bytes(rows):
    sources = ["größe.png", "bad\udcff.png", "a b", "two\nlines", *(f"{i}.png" for i in range(8))]
    bank = make_bank(toy_latents(), np.repeat([0, -1], 6), sources, CLASSES, seed=0, rows=rows)
    data = write_bank(bank)
    back = read(data)
    before, after = parts(bank), parts(back)
    for name in ARRAYS:
        assert np.array_equal(after[name], before[name]) and after[name].dtype == before[name].dtype
    assert list(back.sources) == list(bank.sources) and back.classes == CLASSES
    assert write_bank(back) == data == write_bank(bank)


def test_the_bytes_hold_plain_arrays_uncompressed():
    with zipfile.ZipFile(io.BytesIO(write_bank(toy_bank()))) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.filename for info in archive.infolist()} == {f"{name}.npy" for name in (*ARRAYS, "sources")}
        assert len({info.date_time for info in archive.infolist()}) == 1
    assert all(array.dtype.kind in "fiu" for array in parts(toy_bank()).values())


# Damage


@pytest.mark.parametrize("name", [*ARRAYS, "sources"])
def test_a_missing_array_is_refused(name):
    with pytest.raises(BundleError, match=r"bank\.npz is damaged or incomplete"):
        read(changed(**{name: None}))


@pytest.mark.parametrize("name", ["extra", "classes"])
def test_an_extra_array_is_refused(name):
    with pytest.raises(BundleError, match=r"bank\.npz is damaged or incomplete"):
        read(changed(**{name: np.zeros(3)}))


@pytest.mark.parametrize("name", [*ARRAYS, "sources"])
def test_an_object_array_is_refused(name):
    with pytest.raises(BundleError):
        read(changed(**{name: np.array([None], object)}))


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("change", ["dtype", "longer", "shorter", "wider"])
def test_an_array_of_another_kind_or_shape_is_refused(name, change):
    array = parts(toy_bank())[name]
    other = {
        "dtype": lambda: array.astype(np.float64 if array.dtype.kind == "f" else np.int16),
        "longer": lambda: np.concatenate([array, array[:1]]),
        "shorter": lambda: array[:-1],
        "wider": lambda: array[..., None],
    }[change]()
    with pytest.raises(BundleError, match="does not fit its manifest"):
        read(changed(**{name: other}))


@pytest.mark.parametrize(("classes", "k"), [(("dark",), 4), (("a", "b", "c"), 4), ((), 4), (CLASSES, 3), (CLASSES, 5)])
def test_a_bank_of_another_model_is_refused(classes, k):
    with pytest.raises(BundleError, match="does not fit its manifest"):
        read_bank(write_bank(toy_bank()), classes, k)


@pytest.mark.parametrize("sources", [b"", b"a", b"\0" * 10, b"\0" * 12])
def test_another_number_of_sources_is_refused(sources):
    with pytest.raises(BundleError, match="does not fit its manifest"):
        read(changed(sources=np.frombuffer(sources, np.uint8)))


@pytest.mark.parametrize("name", ["latents", "means", "covariances"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(name, value):
    array = parts(toy_bank())[name].copy()
    array.flat[-1] = value
    with pytest.raises(BundleError, match="not finite"):
        read(changed(**{name: array}))


@pytest.mark.parametrize(("name", "value"), [("labels", -2), ("labels", 2), ("neighbours", -2), ("neighbours", 12)])
def test_labels_and_neighbours_that_there_are_not_are_refused(name, value):
    array = parts(toy_bank())[name].copy()
    array.flat[5] = value
    with pytest.raises(BundleError, match="names classes or rows that there are not"):
        read(changed(**{name: array}))


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4", b"hello", write_bank(toy_bank())[:-100], write_bank(toy_bank())[:500]]
)
def test_bytes_that_are_no_bank_are_refused(data):
    with pytest.raises(BundleError, match=r"bank\.npz is damaged or incomplete"):
        read(data)


def test_latents_without_dimensions_are_refused():
    with pytest.raises(BundleError):
        read(changed(latents=np.float32(1)))


@pytest.mark.parametrize("name", [*ARRAYS, "sources"])
def test_a_member_that_is_no_array_is_refused(name):
    stream = io.BytesIO(changed(**{name: None}))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(f"{name}.npy", b"hello" * 12)
    with pytest.raises(BundleError):
        read(stream.getvalue())


def test_no_changed_byte_raises_anything_but_the_errors_of_aetool():
    stream = io.BytesIO()
    np.savez_compressed(stream, **parts(toy_bank()))
    for data in (write_bank(toy_bank()), stream.getvalue()):
        for at in range(len(data)):
            with contextlib.suppress(BundleError):
                read(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])


# The map


def test_positions_come_back_to_the_bit_and_are_not_needed():
    places = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    assert read(changed(positions=places)).positions.tobytes() == places.tobytes()
    assert read(changed()).positions is None


@pytest.mark.parametrize(
    ("positions", "fault"),
    [
        (np.zeros((11, 2), np.float32), "does not fit"),
        (np.zeros((12, 3), np.float32), "does not fit"),
        (np.zeros((12, 2)), "does not fit"),
        (np.full((12, 2), np.nan, np.float32), "not finite"),
    ],
)
def test_positions_that_are_no_places_of_the_rows_are_refused(positions, fault):
    with pytest.raises(BundleError, match=fault):
        read(changed(positions=positions))
