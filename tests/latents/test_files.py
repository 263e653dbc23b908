"""Latents in files and pipes: exact round trips, and streams that cannot seek."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

from aetool.errors import InvalidInput
from aetool.latents.files import BATCH, read_latents, to_jsonl
from tests.latents.records import batch, npy, npz, read, same, to_arrays

FLOAT32 = np.finfo(np.float32)
EXTREME = [
    0.0, 1.0, -1.0, 0.1, 1 / 3, 16777217.0, FLOAT32.max, -FLOAT32.max, FLOAT32.tiny, FLOAT32.smallest_subnormal,
    -FLOAT32.smallest_subnormal, FLOAT32.eps, 1 + FLOAT32.eps, 1 - FLOAT32.epsneg, 1e-38, 123456.789,
]  # fmt: skip


WRITERS = {
    "jsonl": lambda given: to_jsonl(given),
    "npz": lambda given: to_arrays([given], ".npz", given.latents.shape[1]),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_extreme_numbers_come_back_to_the_bit(suffix):
    given = batch([EXTREME, EXTREME[::-1]])
    assert same(read(WRITERS[suffix](given), len(EXTREME)), given)


@pytest.mark.parametrize("suffix", WRITERS)
def test_random_bit_patterns_come_back_to_the_bit(suffix):
    bits = np.random.default_rng(0).integers(0, 1 << 32, 40_000, np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers) & (numbers != 0)][:39_000]
    given = batch(numbers.reshape(-1, 60))
    assert same(read(WRITERS[suffix](given)), given)


@pytest.mark.parametrize("suffix", WRITERS)
def test_minus_zero_keeps_its_sign(suffix):
    given = batch([[-0.0, 1]])
    assert same(read(WRITERS[suffix](given)), given)


@pytest.mark.parametrize("suffix", WRITERS)
def test_sources_and_classes_come_back_whatever_is_in_them(suffix):
    names = ["a/b c.png", "größe.png", 'quote".png', "two\nlines", "bad\udcff.png", "文字", "\\", "{}", " "]
    classes = ["8", "größe", None, "two\nlines", "\udcff", "x", '"', " ", None]
    given = batch(np.zeros((9, 2)), names, classes)
    assert same(read(WRITERS[suffix](given)), given)


@pytest.mark.parametrize("suffix", WRITERS)
def test_latents_that_name_no_model_stay_so(suffix):
    given = batch([[1, 2]], model=None)
    assert same(read(WRITERS[suffix](given)), given)


def test_npy_keeps_the_numbers_and_names_the_rest_after_the_file():
    given = batch([EXTREME, EXTREME])
    (found,) = read(to_arrays([given], ".npy", len(EXTREME)))
    assert np.array_equal(found.latents, given.latents)
    assert found.sources == ("file#0", "file#1") and found.classes == (None, None) and found.model is None


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_several_batches_go_into_one_array(suffix):
    batches = [batch([[1, 2]], ["a"], ["x"]), batch([[3, 4], [5, 6]], ["b", "c"])]
    (found,) = read(to_arrays(iter(batches), suffix, 2))
    assert found.latents.tolist() == [[1, 2], [3, 4], [5, 6]]
    if suffix == ".npz":
        assert found.sources == ("a", "b", "c") and found.classes == ("x", None, None)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_no_records_still_have_a_size(suffix):
    (found,) = read(to_arrays([], suffix, 5), 5)
    assert found.latents.shape == (0, 5) and found.sources == ()


def test_a_record_is_a_line_with_these_fields():
    lines = to_jsonl(batch([[0.5, -1], [3, 1e-7]], ["a.png", "b.png"], ["8", None], "abc")).decode().splitlines()
    assert lines == [
        '{"source": "a.png", "class": "8", "model": "abc", "latent": [0.5, -1]}',
        '{"source": "b.png", "model": "abc", "latent": [3, 1.00000001e-07]}',
    ]
    assert to_jsonl(batch(np.empty((0, 3)))) == b""


@pytest.mark.parametrize("form", ["jsonl", "npz", "npy"])
def test_a_pipe_that_cannot_seek_is_read(form):
    given = batch(np.random.default_rng(0).normal(size=(3000, 16)))
    data = to_jsonl(given) if form == "jsonl" else to_arrays([given], f".{form}", 16)
    end, start = os.pipe()

    def feed() -> None:
        with open(start, "wb", buffering=0) as stream:  # noqa: PTH123
            for at in range(0, len(data), 5000):
                stream.write(data[at : at + 5000])

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(end, "rb") as stream:  # noqa: PTH123
        found = list(read_latents(stream, "stdin", 16))
    feeder.join()
    assert np.array_equal(np.concatenate([part.latents for part in found]), given.latents)


def test_records_of_a_pipe_come_before_it_ends():
    end, start = os.pipe()
    with open(end, "rb") as reader, open(start, "wb", buffering=0) as writer:  # noqa: PTH123
        writer.write(b"[1, 2]\n" * BATCH)
        records = read_latents(reader, "stdin", 2)
        assert len(next(records).latents) == BATCH


@pytest.mark.parametrize(("descr", "shape"), [("<U0", (300_000_000,)), ("|S0", (10**12,)), ("|V0", (10**9, 16))])
@pytest.mark.parametrize("member", ["latents", "sources", "model"])
def test_a_header_that_declares_elements_of_no_bytes_is_refused(member, descr, shape):
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    arrays = {"latents": npy(np.ones((2, 3))), member: stream.getvalue()}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        for name, data in arrays.items():
            members.writestr(f"{name}.npy", data)
    for data in (archive.getvalue(), stream.getvalue()):
        with pytest.raises(InvalidInput, match="not a NumPy array of numbers"):
            read(data)


def test_texts_are_made_only_where_there_is_one_a_latent():
    data = npz(latents=np.ones((2, 3)), sources=np.zeros(1_000_000, "U1"))
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="another number of sources"):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data)  # a million texts are 60 MB
