"""JSON Lines of latents: what is read, and what is refused with its line."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from aetool.errors import InvalidInput
from aetool.latents import files
from aetool.latents.files import BATCH, read_latents, to_jsonl
from tests.latents.records import batch, read, same


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
