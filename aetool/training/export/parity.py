"""Parity: the proof of equal results of graphs and torch, on real and on made images, at several batch sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

from aetool import metrics
from aetool.arrays import Images, Latents, to_images
from aetool.errors import BundleError
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.data.stored import AnyPixels

BATCHES = (1, 2, 7, 256)
"""Images of the compared runs; fewer of large images (see `batches_for`)."""
VALUES = 1 << 22
"""Most image values of a run: 256 images of 64x64 in colour have fewer."""
BOUNDS = {"latents": 1e-4, "images": 1e-5, "reconstructions": 1e-4, "distortion": 1e-6}
"""Largest difference of latents in units of their scale, of decoded and reconstructed values, and of the mean mse."""

Reference: TypeAlias = Callable[[list[Images]], tuple[list[Latents], list[Images]]]
"""Batches of images -> their latents and the decoded images of these latents, batch by batch."""


def prove(network: Autoencoder, codec: Codec, pixels: AnyPixels) -> dict[str, Any]:
    """Return the differences between torch and ONNX Runtime, and the bounds; raises `BundleError` beyond a bound.

    Compared are `pixels` (n, c, h, w), repeated where few, and as many made images: with real images that are all
    alike, a difference in an idle part of the network would stay hidden.
    """
    sets = _sets(codec.spec, pixels, sum(batches_for(codec.spec)))
    proof = compared(partial(_torch, network), codec, sets, BOUNDS, "torch and ONNX Runtime")
    return proof | {"images": "held-out" if len(pixels) else "made"}


def compared(
    reference: Reference, codec: Codec, sets: Iterable[Images], bounds: dict[str, float], both: str
) -> dict[str, Any]:
    """Return the differences between a reference and the codec on sets of images, and the bounds.

    A set has as many images as `batches_for` has in sum. Raises `BundleError` beyond a bound.
    """
    batches = batches_for(codec.spec)
    codec.run_size = max(batches)  # so that each batch is one run, as far as the gate lets it
    every = [_differences(reference, codec, images, batches) for images in sets]
    found = {name: max(each[name] for each in every) for name in bounds}
    for name, bound in bounds.items():
        if not found[name] <= bound:
            raise BundleError(f"{both} differ by {found[name]:.2g} in {name}, over {bound:g}")
    return {"batches": list(batches), "found": found, "bounds": bounds}


def _sets(spec: ImageSpec, pixels: AnyPixels, count: int) -> Iterator[Images]:
    if len(pixels):
        yield to_images(pixels[np.arange(count) % len(pixels)])
    yield made_images(spec, count)


def batches_for(spec: ImageSpec) -> tuple[int, ...]:
    """Return the batches for images of a spec: `BATCHES`, cut where they would hold more than `VALUES`."""
    most = max(3, VALUES // math.prod(spec.shape))
    return tuple(sorted({min(size, most) for size in BATCHES}))


def made_images(spec: ImageSpec, count: int) -> Images:
    """Return `count` images of random grey levels, the same ones in every call."""
    return to_images(np.random.default_rng(0).integers(0, 256, (count, *spec.shape), np.uint8))


def _differences(reference: Reference, codec: Codec, images: Images, batches: Sequence[int]) -> dict[str, float]:
    starts = np.cumsum((0, *batches[:-1]))
    parts = [images[start : start + n] for start, n in zip(starts, batches, strict=True)]
    latents, decoded = reference(parts)
    ours = [codec.encode(part) for part in parts]
    codec.close()  # a session keeps the memory of its largest run: one at a time
    again = [codec.decode(z) for z in ours]
    return {
        "latents": _largest(latents, ours) / scale(np.concatenate(latents)),
        "images": _largest(decoded, [codec.decode(z) for z in latents]),
        "reconstructions": _largest(decoded, again),
        "distortion": abs(_mean_mse(parts, decoded) - _mean_mse(parts, again)),
    }


def scale(latents: Latents) -> float:
    """Return the scale of rounding errors in latents (n, k): the larger of their spread and of their own size.

    Both are root mean squares. The size keeps the scale from vanishing where all images are alike; it is never 0.
    """
    spread, size = np.sqrt(latents.var(axis=0).mean()), np.sqrt(np.square(latents, dtype=np.float64).mean())
    return max(float(spread), float(size), float(np.finfo(np.float32).tiny))


def _largest(a: list[Any], b: list[Any]) -> float:
    return max(float(abs(one - other).max()) for one, other in zip(a, b, strict=True))


def _torch(network: Autoencoder, parts: list[Images]) -> tuple[list[Latents], list[Images]]:
    network.eval()
    with torch.inference_mode():
        latents = [network.encoder(torch.from_numpy(part)) for part in parts]
        return [z.numpy() for z in latents], [network.decoder(z).numpy() for z in latents]


def _mean_mse(images: list[Images], again: list[Images]) -> float:
    return float(np.concatenate([metrics.mse(*pair) for pair in zip(images, again, strict=True)]).mean())
