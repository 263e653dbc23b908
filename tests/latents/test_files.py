"""Latents in files and pipes: exact round trips, streams that cannot seek, and what is refused."""

from __future__ import annotations

import io
import json
import os
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

from aetool.errors import AetoolError, InvalidInput, LimitExceeded
from aetool.latents import files
from aetool.latents.files import BATCH, LatentBatch, Spool, read_latents, to_jsonl
from aetool.system.limits import LIMITS, Limits

FLOAT32 = np.finfo(np.float32)
EXTREME = [
    0.0, 1.0, -1.0, 0.1, 1 / 3, 16777217.0, FLOAT32.max, -FLOAT32.max, FLOAT32.tiny, FLOAT32.smallest_subnormal,
    -FLOAT32.smallest_subnormal, FLOAT32.eps, 1 + FLOAT32.eps, 1 - FLOAT32.epsneg, 1e-38, 123456.789,
]  # fmt: skip


def batch(array, sources=None, classes=None, model: str | None = "0123456789abcdef") -> LatentBatch:
    array = np.asarray(array, np.float32)
    n = len(array)
    return LatentBatch(array, tuple(sources or (f"{i}.png" for i in range(n))), tuple(classes or [None] * n), model)


def read(data: bytes, size: int | None = None, limits: Limits = LIMITS) -> list[LatentBatch]:
    return list(read_latents(io.BytesIO(data), "file", size, limits))


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(saved=np.savez, **arrays) -> bytes:
    stream = io.BytesIO()
    saved(stream, **arrays)
    return stream.getvalue()


def to_arrays(batches, suffix: str, size: int) -> bytes:
    stream = io.BytesIO()
    with Spool(None, size) as spool:
        spool.add(batches)
        spool.write(stream, suffix)
    return stream.getvalue()


def same(found: list[LatentBatch], expected: LatentBatch) -> bool:
    """Return whether batches hold the same records, the numbers to the bit."""
    numbers = np.concatenate([part.latents for part in found])
    assert numbers.dtype == np.float32
    assert np.array_equal(numbers.view(np.uint32), expected.latents.view(np.uint32))
    assert sum((part.sources for part in found), ()) == expected.sources
    assert sum((part.classes for part in found), ()) == expected.classes
    assert {part.model for part in found} == {expected.model}
    return True


WRITERS = {
    "jsonl": lambda given: to_jsonl(given),
    "npz": lambda given: to_arrays([given], ".npz", given.latents.shape[1]),
}

# Round trips


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


# JSON Lines


def test_bare_lists_are_named_after_their_line():
    (found,) = read(b"[1, 2]\n\n  \n[3, 4.5]\n")
    assert found.latents.tolist() == [[1, 2], [3, 4.5]]
    assert found.sources == ("file#1", "file#4") and found.classes == (None, None) and found.model is None


@pytest.mark.parametrize(
    "data", [b"[1,2]\n[3,4]", b"[1,2]\r\n[3,4]\r\n", b"\n\n[1,2]\n\n\n\n\n\n[3,4]\n", b" [1,2] \n\t[3,4]\n"]
)
def test_line_ends_and_spaces_do_not_matter(data):
    (found,) = read(data)
    assert found.latents.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "data", [b"[1]\n[2]\n[3]\n", b"[1]\n[2]", b"[1]", b"[12]\n[3]\n", b"[123]\n[4]\n", b"[1234]\n[5]\n"]
)
def test_lines_shorter_than_what_tells_the_forms_apart_are_read(data):
    assert [part.latents.ravel().tolist() for part in read(data)] == [[json.loads(v)[0] for v in data.split()]]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n \n\n\n\n\n\n\n"])
def test_nothing_is_no_records(data):
    assert read(data) == []


def test_records_are_read_in_batches_and_the_order_is_kept():
    n = 2 * BATCH + 3
    given = batch(np.arange(2 * n).reshape(n, 2))
    found = read(to_jsonl(given), 2)
    assert [len(part.latents) for part in found] == [BATCH, BATCH, 3]
    assert same(found, given)


def test_other_fields_are_ignored():
    (found,) = read(b'{"latent": [1], "score": [2], "source": "a", "class": null, "model": null}\n')
    assert (found.sources, found.classes, found.model) == (("a",), (None,), None)


@pytest.mark.parametrize(
    "line",
    [
        b"hello", b"{", b"[1, 2", b"[1, 2]]", b"[1] [2]", b"{'latent': [1]}", b"[01]", b"[+1]", b"\xff\xfe",
        b"[" * 100_000, b"[" + b"1" * 5000 + b"]",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_line(line):
    with pytest.raises(InvalidInput, match="line 3 of file is not JSON; expected latents"):
        read(b"[1]\n\n" + line + b"\n[2]\n")


@pytest.mark.parametrize(
    "line",
    [
        b"1", b"null", b'"text"', b"[]", b"{}", b'{"latent": []}', b'{"latent": 1}', b'{"latent": {"0": 1}}', b"[true]",
        b"[null]", b'["1"]', b"[[1]]", b'{"latents": [1]}', b'{"latent": "1, 2"}',
    ],
)  # fmt: skip
def test_json_that_is_no_record_is_refused_with_its_line(line):
    with pytest.raises(InvalidInput, match='line 2 of file has no "latent", a list of numbers'):
        read(b"[1]\n" + line + b"\n")


@pytest.mark.parametrize("field", ["source", "class", "model"])
@pytest.mark.parametrize("value", ["5", "[]", "{}", "true"])
def test_text_fields_must_be_text(field, value):
    line = f'{{"{field}": {value}, "latent": [1]}}\n'.encode()
    with pytest.raises(InvalidInput, match="line 1 of file: source, class and model must be text"):
        read(line)


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e39", "3.5e38", "1" + "0" * 39, "1" + "0" * 400]
)
def test_numbers_that_float32_cannot_hold_are_refused(number):
    with pytest.raises(InvalidInput, match=r"finite|beyond float32"):
        read(f'[1, 2]\n{{"latent": [0, {number}]}}\n'.encode())


def test_latents_of_another_size_are_refused():
    with pytest.raises(InvalidInput, match="latents of 3 numbers, these have 2"):
        read(b"[1, 2]\n", 3)
    with pytest.raises(InvalidInput, match="file mixes latents of 1 and 2 numbers"):
        read(b"[1, 2]\n[3]\n")
    with pytest.raises(InvalidInput, match="latents of 2 numbers, these have 1"):
        read(b"[1, 2]\n" * BATCH + b"[3]\n", 2)


@pytest.mark.parametrize("other", [b'{"latent": [1], "model": "b"}', b"[1]"])
def test_latents_of_several_models_are_refused(other):
    with pytest.raises(InvalidInput, match="file mixes latents of several models"):
        read(b'{"latent": [1], "model": "a"}\n' + other + b"\n")


def test_a_line_that_is_too_long_is_refused_and_not_held_in_memory(monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE", 1000)
    asked = []

    class Stream(io.BytesIO):
        def readline(self, size=-1):
            asked.append(size)
            return super().readline(size)

    assert len(list(read_latents(Stream((b"[" + b"1," * 400 + b"1]\n") * 2), "file", 401))) == 1
    for start, number in ((b"", 1), (b"[1]\n", 2)):
        with pytest.raises(InvalidInput, match=f"line {number} of file is not JSON"):
            list(read_latents(Stream(start + b"[" + b"1," * 600 + b"1]\n"), "file", None))
    assert set(asked) == {1000}


# Arrays


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


# Pipes


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
