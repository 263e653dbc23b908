"""Walks: paths from key to key, as latents and as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aetool.arrays import Latents, OneLine
from aetool.errors import lookup
from aetool.generation import paths
from aetool.generation.interpolation import METHODS
from aetool.latents.files import LatentBatch
from aetool.model.keys import unnamed

if TYPE_CHECKING:
    from aetool.model.model import Model


@dataclass(frozen=True, eq=False, repr=False)
class Walk(OneLine):
    """A path: latents (n, k), the same without the repeated first key of a loop, and the unevenness of its steps."""

    latents: Latents
    pictures: LatentBatch
    unevenness: float


def walked(model: Model, latents: Latents, steps: int, method: str, even: bool, loop: bool) -> Walk:
    """Return the path through latents (m, k), with even steps if `even` is asked for; raises `UsageError`."""
    decode = model.codec.decode if even else None
    path, uneven = paths.walk(latents, model.bundle.bank(), lookup(METHODS, method, "method"), steps, decode, loop)
    return Walk(path, unnamed(path[:-1] if loop else path), uneven)
