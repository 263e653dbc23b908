"""The forms in which a pair of graphs reconstructs images best, where the user does not say them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aetool import metrics
from aetool.arrays import Images
from aetool.training.foreign.forms import Form
from aetool.training.foreign.pair import Pair

CLEARLY = 0.8
"""Two different ranges at the two ends are taken where they make the distortion this much smaller, at least."""


@dataclass(frozen=True, eq=False)
class Guess:
    """The pair with the best forms, its mean squared error, and that of each pair of forms that was tried."""

    pair: Pair
    mse: float
    tried: dict[str, float]

    def told(self, images: int) -> str:
        """Return a sentence on the guess."""
        inner, outer = self.pair.forms
        there = (
            f"images go in as {inner} and come out as {outer}" if str(inner) != str(outer) else f"images are {inner}"
        )
        others = sorted((mse, name) for name, mse in self.tried.items() if name != _named(self.pair))
        next_best = f"; the next best, {others[0][1]}, {others[0][0]:.2g}" if others else ""
        return f"{there}: a guess by {images} images, whose mse is {self.mse:.2g}{next_best}"


def guess(pair: Pair, inner: Sequence[Form], outer: Sequence[Form], images: Images) -> Guess:
    """Return the guess among forms of the encoder's images and of the decoder's.

    Raises `BundleError` where the graphs cannot be run.
    """
    found: dict[str, tuple[float, Pair]] = {}
    for one in inner:
        z = replace(pair, forms=(one, outer[0])).encode(images)
        decoded = pair.decoder.run(z.reshape(-1, *pair.given), pair.batches[1])
        for other in outer:
            tried = replace(pair, forms=(one, other))
            mse = float(metrics.mse(images, other.images(decoded)).mean())
            found[_named(tried)] = mse, tried
    alike = {name: one for name, one in found.items() if _alike(one[1])}
    best = min((alike or found).values(), key=lambda one: one[0])
    apart = min(found.values(), key=lambda one: one[0])
    mse, chosen = apart if apart[0] < CLEARLY * best[0] else best
    return Guess(chosen, mse, {name: mse for name, (mse, _) in found.items()})


def _alike(pair: Pair) -> bool:
    inner, outer = pair.forms
    return inner.scaling.name == outer.scaling.name and inner.layout == outer.layout


def _named(pair: Pair) -> str:
    inner, outer = pair.forms
    return str(inner) if str(inner) == str(outer) else f"{inner} in and {outer} out"
