"""Fields of a graph as the gate reads them: metadata with a fixed truth, and bytes that have one meaning alone."""

from __future__ import annotations

import onnx
import pytest

from aetool.bundle.gate import properties
from aetool.bundle.gate_protobuf import MAX_FIELDS
from aetool.errors import BundleError
from tests.bundle.graphs import (
    check,
    decoder,
    varint,
)

RANGE, ORDER = ("Image.NominalPixelRange", "Normalized_0_1"), ("Image.BitmapPixelFormat", "Gray8")


def described(*pairs: tuple[str, str]) -> onnx.ModelProto:
    model = decoder()
    for key, value in pairs:
        model.metadata_props.add(key=key, value=value)
    return model


@pytest.mark.parametrize("pairs", [(), (RANGE,), (ORDER,), (RANGE, ORDER), (ORDER, RANGE)])
def test_range_and_channel_order_may_be_inside(pairs):
    model = described(*pairs)
    check(model)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    "pairs",
    [
        (RANGE, RANGE),
        (RANGE, ORDER, RANGE),
        (RANGE, ("author", "somebody")),
        (("Image.NominalPixelRange", "NominalRange_0_255"),),
        (("Image.NominalPixelRange", ""),),
        (("image.nominalpixelrange", "Normalized_0_1"),),
        (("Image.BitmapPixelFormat", "Rgb8"),),  # of a grey model
        (("Image.BitmapPixelFormat", "Bgr8"),),
        (("Image.ColorSpaceGamma", "SRGB"),),
        (("", ""),),
        (("x" * 4000, "y" * 4000),),
    ],
)
def test_other_metadata_are_refused(pairs):
    with pytest.raises(BundleError, match=r"its metadata .* is twice there, none of ours, or not true"):
        check(described(*pairs))


def test_metadata_of_nodes_and_fields_behind_a_pair_are_refused():
    model = described()
    model.graph.node[0].metadata_props.add(key=RANGE[0], value=RANGE[1])
    with pytest.raises(BundleError, match="metadata of a node"):
        check(model)
    body = onnx.StringStringEntryProto(key=RANGE[0], value=RANGE[1]).SerializeToString()
    for more, said in ((b"\x1a\x00", "field 3"), (b"\x12\x00", "twice"), (b"\x0a\x00", "twice")):
        with pytest.raises(BundleError, match=said):
            check(decoder().SerializeToString() + b"\x72" + varint(len(body + more)) + body + more)


def test_channels_that_no_picture_has_have_no_order():
    assert properties((5, 8, 8)) == dict([RANGE]) and properties((1, 8, 8)) == dict([RANGE, ORDER])
    assert properties((3, 8, 8))["Image.BitmapPixelFormat"] == "Rgb8"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b"\x08\x0a", "twice"),  # a second ir_version: some parsers take the last
        (b"\x3a\x00", "twice"),  # a second graph: parsers merge it into the first
        (b"\x28\x80\x00", "longer than it need be"),
        (b"\x28" + b"\xff" * 10 + b"\x01", "longer than it need be"),
        (b"\x28" + b"\xff" * 9 + b"\x7f", "longer than it need be"),
        (b"\x2b", "another type"),  # the start of a group
        (b"\x2d\x00\x00\x00\x00", "another type"),
        (b"\x32\x7f", "cut short"),
        (b"\x32\x02\xff\xfe", "UTF-8"),
        (b"\x32" + varint(5000) + b"a" * 5000, "longer than"),
        (varint(99 << 3), "field 99"),
        (b"\x00\x00", "field 0"),
        (b"\x80", "cut short"),
    ],
)
def test_bytes_that_parsers_may_read_differently_are_refused(more, said):
    with pytest.raises(BundleError, match=said):
        check(decoder().SerializeToString() + more)


def test_reading_ends_after_a_number_of_fields():
    with pytest.raises(BundleError, match=f"{MAX_FIELDS:,} fields"):
        check(decoder().SerializeToString() + b"\x42\x00" * (MAX_FIELDS + 1))
    dims = b"\x0a" + varint(MAX_FIELDS + 1) + b"\x01" * (MAX_FIELDS + 1)
    packed = b"\x2a" + varint(len(dims)) + dims
    with pytest.raises(BundleError, match=f"{MAX_FIELDS:,} fields"):
        check(b"\x3a" + varint(len(packed)) + packed)


def test_packed_numbers_are_read_as_others():
    model = decoder()
    plain = model.graph.initializer[0].SerializeToString()
    start = b"".join(b"\x08" + varint(d) for d in model.graph.initializer[0].dims)
    dims = b"".join(varint(d) for d in model.graph.initializer[0].dims)
    assert plain.startswith(start)
    packed = b"\x0a" + varint(len(dims)) + dims + plain[len(start) :]
    tensor = onnx.TensorProto.FromString(packed)
    assert list(tensor.dims) == [4, 64]
    del model.graph.initializer[0]
    body = model.graph.SerializeToString() + b"\x2a" + varint(len(packed)) + packed
    model.ClearField("graph")
    check(model.SerializeToString() + b"\x3a" + varint(len(body)) + body)
