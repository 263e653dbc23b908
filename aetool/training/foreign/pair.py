"""The two graphs of another tool as a pair: what goes in and comes out, rewritten, and run as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aetool.arrays import Images, Latents, OneLine
from aetool.bundle.bundle import Graphs
from aetool.bundle.gate import check_graph
from aetool.bundle.gate_operators import Refused, Sizes
from aetool.errors import BundleError, printable
from aetool.images.spec import ImageSpec
from aetool.training.foreign import operators
from aetool.training.foreign.draft import Draft
from aetool.training.foreign.forms import Form
from aetool.training.foreign.movement import Value, plain
from aetool.training.foreign.rewriting import rewrite
from aetool.training.foreign.source import Dims, Source

MOST_LATENT = 1 << 16
"""Numbers of the largest latent of a manifest."""


@dataclass(frozen=True, eq=False, repr=False)
class Rewritten(OneLine):
    """A graph with the operators of the gate, its layers, the sizes at its far end, and the batch frozen inside."""

    graph: bytes
    layers: list[dict[str, Any]]
    sizes: Sizes
    batch: int | None


def rewritten_encoder(source: Source, form: Form) -> Rewritten:
    """Return the encoder from images (n, c, h, w) in [0, 1] to latents (n, k); raises `BundleError`."""
    draft = Draft(sizes={"images": form.shape})
    name = draft.affine("images", form.scaling.scale, form.scaling.shift)
    latents, frozen = rewrite(source, draft, Value(name, form.places()))
    size = latent_size(latents.shape, source)
    last = _plain(draft, latents.moved(latents.places.reshape(-1)), source)
    graph = draft.finished(("images", form.shape), last, "latents")
    check_graph(graph, ("images", form.shape), ("latents", (size,)), 1)
    return Rewritten(graph, draft.layers("encoder"), latents.shape, source.input.dims[0] or frozen)


def rewritten_decoder(source: Source, given: Sizes, form: Form | None) -> Rewritten:
    """Return the decoder from latents (n, k) to images (n, c, h, w) in [0, 1]; raises `BundleError`.

    `given` are the sizes of its own input. Without a form the images stay as they are.
    """
    count = math.prod(given)
    draft = Draft(sizes={"latents": (count,)})
    found, frozen = rewrite(source, draft, Value("latents", np.arange(count).reshape(given)))
    if form is not None:
        found_images = _image(draft, found, form)
        last = _clipped(draft, found_images, source)
    else:
        last = _plain(draft, found, source)
    graph = draft.finished(("latents", (count,)), last, "images")
    check_graph(graph, ("latents", (count,)), ("images", draft.sizes[last]), 1)
    return Rewritten(graph, draft.layers("decoder"), found.shape, source.input.dims[0] or frozen)


def _image(draft: Draft, value: Value, form: Form) -> Value:
    """Return the images (c, h, w) of a value that has them in a form, with the scaling undone."""
    order = np.empty(math.prod(form.shape), np.int64)
    order[form.places().ravel()] = value.places.ravel()
    scale, shift = form.scaling.scale.astype(np.float64), form.scaling.shift.astype(np.float64)
    return operators.affine(draft, value.moved(order.reshape(form.shape)), 1 / scale, -shift / scale)


def _clipped(draft: Draft, value: Value, source: Source) -> str:
    """Return the name of the images clipped to [0, 1], 1 - relu(1 - relu(y)), which every engine has."""
    bounded = next((n.operator for n in draft.nodes if n.output == value.base), "") == "Sigmoid"
    if not bounded:
        for _ in range(2):
            positive = draft.emit("Relu", value.base)
            value = Value(draft.affine(positive, -1, 1), value.places)
    return _plain(draft, value, source)


def _plain(draft: Draft, value: Value, source: Source) -> str:
    try:
        return plain(draft, value)
    except Refused as error:
        raise BundleError(f"the output of the {source.part} is refused: {printable(str(error))}") from error


def latent_size(sizes: Sizes, source: Source) -> int:
    """Return the numbers of a latent; raises `BundleError` for spatial latents."""
    if sum(size > 1 for size in sizes) > 1:
        shown = " x ".join(map(str, sizes))
        raise BundleError(f"the latents of the {source.part} are spatial, {shown} numbers an image", fix="spatial")
    if not 1 <= math.prod(sizes) <= MOST_LATENT:
        raise BundleError(f"a latent has 1 to {MOST_LATENT:,} numbers, not {math.prod(sizes):,}")
    return math.prod(sizes)


def latent_sizes(source: Source, of_encoder: Sizes) -> Sizes:
    """Return the sizes of an item at the input of the decoder, which fit the latents; raises `BundleError`."""
    declared: Dims = source.input.dims[1:]
    count = math.prod(of_encoder)
    known = tuple(1 if size is None else size for size in declared)
    if None in declared and len(declared) == len(of_encoder):
        known = of_encoder
    elif None in declared:
        known = tuple(count if size is None else size for size in declared)
    if math.prod(known) != count or not known:
        found = " x ".join("?" if size is None else str(size) for size in declared) or "no declared size"
        raise BundleError(f"the encoder gives latents of {count:,} numbers, and the decoder takes {found}")
    latent_size(known, source)
    return known


@dataclass(frozen=True, eq=False)
class Pair:
    """Encoder and decoder as they are, each with the form of its images and the batch frozen inside."""

    encoder: Source
    decoder: Source
    forms: tuple[Form, Form]
    batches: tuple[int | None, int | None]
    given: Sizes

    def encode(self, images: Images) -> Latents:
        """Return latents (n, k) of images (n, c, h, w) in [0, 1]."""
        return self.encoder.run(self.forms[0].tensor(images), self.batches[0]).reshape(len(images), -1)

    def decode(self, latents: Latents) -> Images:
        """Return images (n, c, h, w) in [0, 1], clipped, of latents (n, k)."""
        return self.forms[1].images(self.decoder.run(latents.reshape(-1, *self.given), self.batches[1]))

    def reference(self, parts: list[Images]) -> tuple[list[Latents], list[Images]]:
        """Return latents and decoded images of batches, for `parity.compared`."""
        latents = [self.encode(part) for part in parts]
        return latents, [self.decode(z) for z in latents]

    def rewritten(self, spec: ImageSpec) -> tuple[Graphs, list[dict[str, Any]]]:
        """Return the graphs of a bundle and their layers; raises `BundleError`."""
        encoder = rewritten_encoder(self.encoder, self.forms[0])
        decoder = rewritten_decoder(self.decoder, self.given, self.forms[1])
        graphs = Graphs(encoder.graph, decoder.graph, spec, math.prod(self.given))
        return graphs, encoder.layers + decoder.layers
