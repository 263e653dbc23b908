"""The graphs of a page: weights rounded where no picture shows it."""

from __future__ import annotations

import numpy as np

from aetool.arrays import Latents, Pixels, to_images, to_pixels
from aetool.bundle.bundle import Graphs
from aetool.bundle.rounding import rounded
from aetool.errors import AetoolError
from aetool.runtime.codec import Codec

ENCODER, DECODER = 12, 11
"""Binary digits of weights behind the first: pictures have 256 levels, latents more."""
COMPARED = 256
"""Latents whose pictures are compared."""
LEVELS, LATENTS = 1, 1e-3
"""Largest difference of a level of 8 bits, and of a number of a latent in units of the spread of all."""


def page_graphs(codec: Codec, latents: Latents) -> tuple[Graphs, str]:
    """Return the graphs of a page, and how their weights are stored: `rounded`, or `float32` where that would show.

    Pictures of latents (n, k) are decoded and encoded by both. Raises `BundleError` for graphs that the gate refuses.
    """
    graphs = codec.graphs
    latents = latents if len(latents) else np.zeros((1, graphs.latent_size), np.float32)
    latents = latents[:: max(1, len(latents) // COMPARED)][:COMPARED]
    levels = to_pixels(codec.decode(latents))
    encoded = codec.encode(to_images(levels))
    try:
        smaller = Graphs(*_rounded(graphs), graphs.spec, graphs.latent_size)
        same = _same(Codec(smaller, codec.device), latents, levels, encoded)
    except AetoolError:
        same = False
    return (smaller, "rounded") if same else (graphs, "float32")


def _rounded(graphs: Graphs) -> tuple[bytes, bytes]:
    return rounded(graphs.encoder, ENCODER), rounded(graphs.decoder, DECODER)


def _same(codec: Codec, latents: Latents, levels: Pixels, encoded: Latents) -> bool:
    """Return whether a codec decodes latents to levels, and encodes these as before, nearly."""
    if abs(to_pixels(codec.decode(latents)).astype(int) - levels).max() > LEVELS:
        return False
    scale = float(np.sqrt(encoded.astype(np.float64).var(axis=0).mean())) or 1.0
    return bool(abs(codec.encode(to_images(levels)) - encoded).max() <= LATENTS * scale)
