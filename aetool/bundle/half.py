"""Half precision: the weights of a graph stored in float16, and widened to float32 by a Cast each when it is opened.

Half the bytes, the same time of a run: ONNX Runtime folds the Casts as it opens the graph. Weights are the constants of
two and more dimensions; biases and other small constants stay in float32. The graph is rewritten without the package
onnx, so that the running world can do it: fields of a protocol buffer are copied as they are, but for these constants.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aetool.bundle.gate import FLOAT, FLOAT16, TENSOR
from aetool.bundle.gate_protobuf import DELIMITED, VARINT, read_message
from aetool.errors import BundleError, printable

GRAPH, NODE, CONSTANT = 7, 1, 5
"""Fields of a model, and of a graph (onnx.proto)."""
SUFFIX = ".float16"
"""End of the names of stored weights."""
LARGEST = float(np.finfo(np.float16).max)
LOSS = 2.0**-11
"""Largest relative error of rounding to float16, but for numbers so small that float16 has fewer digits for them."""
INT = 2
"""AttributeProto.AttributeType of a whole number."""


def half(graph: bytes) -> bytes:
    """Return a graph, which passes the gate, with its weights in float16.

    Raises `BundleError` for weights that are too large for float16, or so small that float16 loses more of them than
    rounding does.
    """
    parts = [_field(GRAPH, _halved(body)) if number == GRAPH else whole for number, body, whole in _fields(graph)]
    return b"".join(parts)


def _halved(graph: bytes) -> bytes:
    casts, others = [], []
    for number, body, whole in _fields(graph):
        tensor = read_message(body, TENSOR) if number == CONSTANT else {}
        if tensor.get("type") == FLOAT and len(tensor.get("dims", [])) > 1:
            name = tensor["name"]
            whole = _field(CONSTANT, _tensor(name + SUFFIX, tensor["dims"], _rounded(name, tensor["data"])))
            casts.append(_field(NODE, _cast(name + SUFFIX, name)))
        others.append(whole)
    return b"".join(casts + others)


def _rounded(name: str, data: memoryview) -> bytes:
    """Return weights in float16; raises `BundleError` where these are other weights."""
    weights = np.frombuffer(data, "<f4")
    largest = float(abs(weights).max())
    if not largest <= LARGEST:
        fault = f"weights as large as {largest:.3g}, and float16 ends at {LARGEST:,.0f}"
        raise BundleError(f"{printable(name[:80])} has {fault}", fix="float32")
    rounded = weights.astype("<f2")
    change = float(np.linalg.norm(rounded.astype(np.float64) - weights))
    lost = change / (float(np.linalg.norm(weights.astype(np.float64))) or 1)
    if lost > LOSS:
        fault = f"weights so small that float16 loses {100 * lost:.2g} % of them, where rounding takes 0.05 %"
        raise BundleError(f"{printable(name[:80])} has {fault}", fix="float32")
    return rounded.tobytes()


def _tensor(name: str, dims: list[int], data: bytes) -> bytes:
    """Return a TensorProto in float16."""
    sides = b"".join(_number(1, side) for side in dims)
    return sides + _number(2, FLOAT16) + _field(8, name.encode()) + _field(9, data)


def _cast(source: str, target: str) -> bytes:
    """Return a NodeProto that widens a constant to float32."""
    to = _field(1, b"to") + _number(3, FLOAT) + _number(20, INT)
    words = ((1, source.encode()), (2, target.encode()), (4, b"Cast"), (5, to))
    return b"".join(_field(number, body) for number, body in words)


def _fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, content and all bytes of each field of a message; whole numbers have no content here."""
    at = 0
    while at < len(data):
        tag, body = _varint(data, at)
        size, start = _varint(data, body)
        stop = start + size if tag & 7 == DELIMITED else start
        yield tag >> 3, data[start:stop], data[at:stop]
        at = stop


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at data[at] and its end."""
    stop = next(i for i in range(at, at + 10) if data[i] < 0x80) + 1
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data[at:stop])), stop


def _number(field: int, value: int) -> bytes:
    return _coded(field << 3 | VARINT) + _coded(value)


def _field(field: int, body: bytes) -> bytes:
    return _coded(field << 3 | DELIMITED) + _coded(len(body)) + body


def _coded(value: int) -> bytes:
    """Return a number of no sign in the bytes of a varint."""
    digits = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])
