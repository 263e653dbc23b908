"""Rounding: weights of fewer digits, which pack smaller, in the graphs of a page."""

from __future__ import annotations

import numpy as np

from aetool.bundle.gate import FLOAT, MODEL
from aetool.bundle.gate_protobuf import read_message


def rounded(graph: bytes, digits: int) -> bytes:
    """Return a graph, which passes the gate, with its weights in float32 rounded.

    `digits` are the binary digits behind the first that are kept; float32 has 23, float16 has 10.

    Weights are the constants of two and more dimensions, as in `half`; the graph keeps its size.
    """
    copy, dropped = bytearray(graph), 23 - digits
    for constant in read_message(copy, MODEL)["graph"].get("constants", []):
        if constant.get("type") == FLOAT and len(constant.get("dims", [])) > 1:
            bits = np.frombuffer(constant["data"], "<u4")
            bits += np.uint32(1 << dropped - 1)
            bits &= np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return bytes(copy)
