"""Scoring: how unusual an image is, and where, measured by what held-out images gave at export."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, OneLine
from aetool.metrics import Figures, blurred, percentiles, squared_errors

ENOUGH = 20
"""Fewest held-out images for a scale of each pixel; of fewer there is one scale for all."""
FLOOR = 0.01
"""Share of the mean squared error that is added to that of every pixel: some pixels, as of a border, never differ."""
BLUR = 24
"""Pixels of the shorter side over the standard deviation of the blur of a map."""
LINES = (0.5, 0.99), (0.95, 0.995)
"""Quantiles of the mse, and of the distance, that are equally unusual: in the middle, and at the line of an alarm.

Every image has some distance to the bank, and only a large one says something: it counts from 0.95 on, and has half of
the alarms.
"""
STEEPEST = 20.0
"""Largest power of a distance: of few images its quantiles may be equal."""
MOST = 1e30
"""Most unusual: of a few images some may be far beyond the units of the others."""
FOLDS = 10
"""Parts of the held-out images, each measured in the units of the others: in their own units few images look usual."""
FULL = 60.0
"""Value of a map, over its mean, with the full colour, where held-out images tell none."""

Maps = npt.NDArray[np.float32]
"""Heat maps (n, h, w), 0 where an image is reconstructed exactly."""


@dataclass(frozen=True, eq=False, repr=False)
class Scoring(OneLine):
    """What held-out images gave: the units in which images are unusual, and the usual error of each pixel.

    images      the number of held-out images
    mse         unit of the mse
    distance    unit of the distance to the bank, None where only the mse counts
    power       of a distance in its unit, so that it grows as the mse does
    quantiles   101 of the unusualness of held-out images, as `percentiles` takes them
    scale       float32 (h, w), or (1, 1) for all pixels: sqrt(mean squared error + floor)
    full        value of a map that has the full colour
    """

    images: int
    mse: float
    distance: float | None
    power: float
    quantiles: tuple[float, ...]
    scale: Maps
    full: float

    def percentiles(self, mse: Figures, distances: Figures) -> Figures:
        """Return the percentile (n,) of images among held-out images, by mse (n,) and distance to the bank (n,)."""
        return percentiles(self.unusualness(mse, distances), self.quantiles)

    def unusualness(self, mse: Figures, distances: Figures) -> Figures:
        """Return the larger of mse and distance, each in its unit; NaN distances do not count."""
        if self.distance is None:
            return mse / self.mse
        with np.errstate(over="ignore"):
            larger: Figures = np.fmax(mse / self.mse, (distances / self.distance) ** self.power)
        return larger

    def maps(self, images: Images, again: Images) -> Maps:
        """Return the heat maps (n, h, w) of images (n, c, h, w) and their reconstructions.

        The squared error of each pixel, over the root of its usual squared error, a little blurred.
        """
        return heat(squared_errors(images, again), self.scale)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; the scale as one number, or of each pixel as base64 of little-endian float16."""
        numbers = {name: getattr(self, name) for name in ("images", "mse", "distance", "power", "full")}
        one = self.scale.size == 1
        scale = float(self.scale[0, 0]) if one else base64.b64encode(self.scale.astype("<f2").tobytes()).decode()
        return numbers | {"quantiles": list(self.quantiles), "scale": scale}

    @classmethod
    def from_dict(cls, fields: Any, shape: tuple[int, int]) -> Scoring | None:
        """Return the scoring of a manifest for images of `shape` (h, w), None where it has none.

        Raises `ValueError`, `KeyError`, `TypeError`.
        """
        if fields is None:
            return None
        mse, power, full = (_positive(fields[name]) for name in ("mse", "power", "full"))
        distance = None if fields["distance"] is None else _positive(fields["distance"])
        if type(fields["images"]) is not int or fields["images"] < 1 or not are_quantiles(fields["quantiles"]):
            raise ValueError("the scoring holds no quantiles of held-out images")
        scale = _scale(fields["scale"], shape)
        return cls(fields["images"], mse, distance, power, tuple(fields["quantiles"]), scale, full)


def heat(errors: Figures, scale: Maps) -> Maps:
    """Return squared errors (n, h, w) over the scale, a little blurred."""
    sides = errors.shape[1:]
    return blurred((errors / scale).astype(np.float32), min(sides) / BLUR)


def scoring(mse: Figures, distances: Figures, scale: Maps, peaks: Figures) -> Scoring:
    """Return the scoring by n held-out images: their mse, distance to the bank (NaN for none), and peaks of their maps.

    Quantile p of n values is that which a further value passes with probability 1 - p: number p (n + 1) of them.
    """
    full = _short(max(1e-12, float(np.quantile(peaks, LINES[0][1], method="weibull"))))
    found = replace(_units(mse, distances), images=len(mse), scale=scale, full=full)
    unusual, parts = np.empty(len(mse)), np.arange(len(mse)) % FOLDS
    for part in np.unique(parts):
        here = parts == part
        others = _units(mse[~here], distances[~here]) if len(mse) > 1 else found
        unusual[here] = others.unusualness(mse[here], distances[here])
    quantiles = np.quantile(unusual.clip(0, MOST), np.linspace(0, 1, 101), method="weibull")
    return replace(found, quantiles=tuple(map(_short, quantiles)))


def _units(mse: Figures, distances: Figures) -> Scoring:
    """Return a scoring with the units of images by their mse and distances (n,), and nothing else."""
    known = bool(np.isfinite(distances).all())
    units = _lines(mse, LINES[0]), _lines(distances, LINES[1]) if known else (1.0, 1.0)
    slopes = [math.log(high / low) for low, high in units]
    power = min(STEEPEST, max(1.0, slopes[0] / slopes[1])) if slopes[1] > 0 else STEEPEST
    distance = _short(units[1][1]) if known else None
    return Scoring(len(mse), _short(units[0][1]), distance, _short(power), (), np.ones((1, 1), np.float32), 1.0)


def scale_of(errors: npt.NDArray[np.float64], images: int) -> Maps:
    """Return the scale of maps by the mean squared errors (h, w) of held-out images: of few, one for all pixels."""
    mean = float(errors.mean())
    usual = errors if images >= ENOUGH else np.full((1, 1), mean)
    return np.sqrt(usual + max(FLOOR * mean, 1e-12)).astype(np.float16).astype(np.float32)  # as it is stored


def by_mse(quantiles: list[float], mean: float) -> Scoring:
    """Return the scoring of a bundle of an older version: by the mse alone, and one scale for all pixels."""
    scale = scale_of(np.full((1, 1), mean), 0)
    return Scoring(1, 1.0, None, 1.0, tuple(quantiles), scale, FULL * float(scale[0, 0]))


def are_quantiles(numbers: Any) -> bool:
    """Return whether a value of JSON is a list of 101 finite numbers in rising order."""
    if not isinstance(numbers, list) or len(numbers) != 101 or not all(type(one) in (int, float) for one in numbers):
        return False
    return all(map(math.isfinite, numbers)) and all(a <= b for a, b in pairwise(numbers))


def _lines(values: Figures, shares: tuple[float, float]) -> tuple[float, float]:
    """Return the two quantiles of values, above 0 so that they have a ratio."""
    low, high = np.quantile(values, shares, method="weibull")
    return max(1e-12, float(low)), max(1e-12, float(high))


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _positive(number: Any) -> float:
    if type(number) not in (int, float) or not 0 < number < math.inf:
        raise ValueError("a unit of the scoring is no positive number")
    return float(number)


def _scale(value: Any, shape: tuple[int, int]) -> Maps:
    """Return the scale of each pixel, (h, w), or (1, 1) where it is one number for all."""
    if not isinstance(value, str):
        return np.full((1, 1), _positive(value), np.float32)
    found = np.frombuffer(base64.b64decode(value, validate=True), "<f2").astype(np.float32)
    if len(found) != math.prod(shape) or not (np.isfinite(found).all() and found.min() > 0):
        raise ValueError("the scale of the scoring is not a positive number for each pixel")
    return found.reshape(shape)
