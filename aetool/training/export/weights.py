"""How a bundle stores its weights: in float32, or in float16 where that hardly changes the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aetool.arrays import Images, to_images
from aetool.bundle.bundle import Graphs
from aetool.bundle.half import half
from aetool.runtime.codec import Codec
from aetool.runtime.half import compare
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import blocks
from aetool.training.export.parity import batches_for, made_images

KINDS = ("float32", "float16")
CHUNK = 1 << 20
"""Values of images at a time."""


def stored(graphs: Graphs, kind: str, dataset: Dataset) -> tuple[Graphs, dict[str, Any] | None]:
    """Return graphs with weights of a kind of `KINDS`, and "weights" of the manifest.

    Float16 is compared on the test images, without them on training images, and without these on made ones. Raises
    `BundleError` for weights that float16 cannot hold, and beyond the bounds of `runtime.half`.
    """
    if kind == KINDS[0]:
        return graphs, None
    rounded = replace(graphs, encoder=half(graphs.encoder), decoder=half(graphs.decoder))
    name, images = _images(graphs, dataset)
    return rounded, {"type": kind, "images": name, **compare(Codec(graphs, "cpu"), Codec(rounded, "cpu"), images)}


def _images(graphs: Graphs, dataset: Dataset) -> tuple[str, Iterator[Images]]:
    """Return images to compare with, in blocks, and what they are."""
    for name, pixels in (("test", dataset.test.pixels), ("training", dataset.train.pixels)):
        if len(pixels):
            return name, map(to_images, blocks(pixels, CHUNK))
    return "made", iter([made_images(graphs.spec, max(batches_for(graphs.spec)))])
