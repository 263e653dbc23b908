"""Parsers that face strangers, under hypothesis: an error of ours in one line, or a result that holds what it promises.

What it once found stands below as named cases.
"""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import FILES, SUMS, canonical_sums
from aetool.bundle.gate import MODEL, check_graph
from aetool.bundle.gate_protobuf import WireError, read_message
from aetool.bundle.manifest import Manifest
from aetool.errors import AetoolError, BundleError, InvalidInput, LimitExceeded
from aetool.latents.bank_file import read_bank, write_bank
from aetool.latents.files import read_latents, to_jsonl
from aetool.training.data.files import parse_idx, read_arrays
from tests.toy import CLASSES, toy_bank, toy_graphs, toy_manifest

FUZZED = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """Return `data` with up to four stretches replaced, removed or repeated, or cut short."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        new = draw(st.one_of(st.binary(max_size=20), st.just(data[at:end] * 2), st.just(b"")))
        data = data[:at] + new + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data


def one_line(error: AetoolError) -> None:
    assert str(error).isprintable() and 0 < len(str(error)) < 1000


IDX = struct.pack(">HBB3I", 0, 8, 3, 5, 4, 3) + bytes(60)


@FUZZED
@given(st.one_of(st.binary(max_size=100), changed(IDX)))
def test_idx(data):
    try:
        array = parse_idx(data, "x")
    except InvalidInput as error:
        one_line(error)
    else:
        assert array.dtype == np.uint8 and array.size + 4 + 4 * array.ndim == len(data)


def archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


SET = archive(images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4))
RECORDS = archive(latents=np.ones((3, 4), np.float32), sources=np.array(["a", "b", "c"]), model=np.array("0" * 16))
LINES = b'{"source": "a", "class": "b", "model": "c", "latent": [1, -0.5, 1e3, 4]}\n[1, 2, 3, 4]\n'


@FUZZED
@given(changed(SET))
def test_npz_of_a_data_set(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    path.write_bytes(data)
    try:
        labelled = read_arrays(path)
    except AetoolError as error:
        one_line(error)
    else:
        assert labelled.pixels.dtype == np.uint8 and labelled.pixels.ndim == 4


@FUZZED
@given(st.one_of(changed(RECORDS), changed(LINES), st.binary(max_size=60)), st.sampled_from((None, 4)))
def test_latents(data, size):
    try:
        batches = list(read_latents(io.BytesIO(data), "x", size))
    except (InvalidInput, LimitExceeded) as error:
        one_line(error)
    else:
        for batch in batches:
            assert batch.latents.dtype == np.float32 and np.isfinite(batch.latents).all()
            assert len(batch.latents) == len(batch.sources) == len(batch.classes)
            again = list(read_latents(io.BytesIO(to_jsonl(batch)), "y", None))
            assert (
                not len(batch.latents)
                or not batch.latents.shape[1]
                or np.array_equal(np.concatenate([b.latents for b in again]), batch.latents)
            )


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def manifests(draw: st.DrawFn) -> bytes:
    """Return a manifest with some of its values, at any depth, replaced by others."""
    fields = toy_manifest().to_dict()
    for _ in range(draw(st.integers(1, 3))):
        place = fields
        key = draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict) and place[key] and draw(st.booleans()):
            place = place[key]
            key = draw(st.sampled_from(sorted(place)))
        place[key] = draw(PLAIN)
    return json.dumps(fields).encode()


@FUZZED
@given(st.one_of(manifests(), changed(toy_manifest().to_json())))
def test_manifest(data):
    try:
        manifest = Manifest.from_json(data)
    except BundleError as error:
        one_line(error)
    else:
        assert Manifest.from_json(manifest.to_json()).to_dict() == manifest.to_dict()


@FUZZED
@given(changed(write_bank(toy_bank())))
def test_bank(data):
    try:
        bank = read_bank(data, CLASSES, 4)
    except BundleError as error:
        one_line(error)
    else:
        assert len(bank.latents) == len(bank.labels) == len(bank.sources) and np.isfinite(bank.latents).all()


@FUZZED
@given(st.data())
def test_sums(toy, tmp_path_factory, data):
    files = {name: (toy / name).read_bytes() for name in FILES}
    sums = canonical_sums(files)
    new = data.draw(changed(sums))
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    for name, content in {**files, SUMS: new}.items():
        (folder / name).write_bytes(content)
    if new == sums:
        Bundle.read(folder)
    else:
        with pytest.raises(BundleError) as caught:
            Bundle.read(folder)
        one_line(caught.value)


@FUZZED
@given(st.one_of(changed(toy_graphs()["decoder.onnx"]), st.binary(max_size=200)))
def test_gate(data):
    try:
        check_graph(data, ("latents", (4,)), ("images", (1, 8, 8)), 256)
    except BundleError as error:
        one_line(error)


@FUZZED
@given(changed(toy_graphs()["decoder.onnx"]))
def test_what_the_reader_takes_is_what_others_read(data):
    """A message that is read strictly says the same to the reader of the onnx package."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        ours = read_message(data, MODEL)
    except WireError:
        return
    try:
        theirs = onnx.load_from_string(data)
    except DecodeError:  # theirs is stricter in one thing: a text with a lone surrogate
        return
    nodes = ours.get("graph", {}).get("nodes", [])
    assert [node.get("operator", "") for node in nodes] == [node.op_type for node in theirs.graph.node]
    assert [node.get("inputs", []) for node in nodes] == [list(node.input) for node in theirs.graph.node]
    constants = ours.get("graph", {}).get("constants", [])
    assert [c.get("dims", []) for c in constants] == [list(c.dims) for c in theirs.graph.initializer]
    assert [bytes(c.get("data", b"")) for c in constants] == [c.raw_data for c in theirs.graph.initializer]


# What was found


def test_a_field_with_control_characters_in_a_manifest_is_named_printably():
    fields = toy_manifest().to_dict() | {"image": {"\x1f[31m": None}}
    with pytest.raises(BundleError, match="is damaged or incomplete") as caught:
        Manifest.from_json(json.dumps(fields).encode())
    one_line(caught.value)
