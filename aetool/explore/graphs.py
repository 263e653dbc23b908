"""The graphs of a page: weights rounded where no picture shows it."""

from __future__ import annotations

import numpy as np

from aetool.arrays import Latents, to_images, to_pixels
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

    Pictures of latents (n, k) are decoded and encoded by both.
    """
    graphs = codec.graphs
    latents = latents if len(latents) else np.zeros((1, graphs.latent_size), np.float32)
    try:
        smaller = Graphs(*_rounded(graphs), graphs.spec, graphs.latent_size)
        same = _same(codec, Codec(smaller, "cpu"), latents[:: max(1, len(latents) // COMPARED)][:COMPARED])
    except AetoolError:
        same = False
    return (smaller, "rounded") if same else (graphs, "float32")


def _rounded(graphs: Graphs) -> tuple[bytes, bytes]:
    return rounded(graphs.encoder, ENCODER), rounded(graphs.decoder, DECODER)


def _same(before: Codec, after: Codec, latents: Latents) -> bool:
    levels = to_pixels(before.decode(latents))
    other = to_pixels(after.decode(latents))
    if abs(levels.astype(int) - other).max(initial=0) > LEVELS:
        return False
    images = to_images(levels)
    ours, theirs = before.encode(images), after.encode(images)
    scale = float(np.sqrt(ours.astype(np.float64).var(axis=0).mean())) if len(ours) else 1.0
    return bool(abs(ours - theirs).max(initial=0) <= LATENTS * scale)
