"""Walks: paths from key to key, as latents and as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aetool.arrays import Latents, OneLine
from aetool.errors import lookup
from aetool.generation import paths
from aetool.generation.interpolation import METHODS
from aetool.images.layout import Layout
from aetool.latents.files import LatentBatch
from aetool.model.keys import unnamed
from aetool.model.labels import of_keys

if TYPE_CHECKING:
    from aetool.model.model import Model


@dataclass(frozen=True, eq=False, repr=False)
class Walk(OneLine):
    """A path: latents (n, k), the same without the repeated first key of a loop, and the unevenness of its steps."""

    latents: Latents
    pictures: LatentBatch
    unevenness: float


def strip(keys: LatentBatch, steps: int, walk: Walk) -> Layout:
    """Return the layout of a walk: a strip with the names of its keys."""
    labels, _ = of_keys(keys.titles, steps, len(walk.pictures.latents))
    return Layout(strip=True, labels=labels)


def walked(model: Model, latents: Latents, steps: int, method: str, even: bool, loop: bool) -> Walk:
    """Return the path through latents (m, k), with even steps if `even` is asked for; raises `UsageError`."""
    decode = model.codec.decode if even else None
    path, uneven = paths.walk(latents, model.bundle.bank(), lookup(METHODS, method, "method"), steps, decode, loop)
    return Walk(path, unnamed(path[:-1] if loop else path), uneven)
