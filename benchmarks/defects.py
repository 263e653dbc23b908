"""Defects made in images, and where: patches, scratches, blots and missing parts, each of about a fifth of a side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from aetool.arrays import Pixels

SEEN = 64
"""Levels, of 255, by which a channel of a pixel has changed where it counts as defective: a quarter of the range."""
SIDE = 0.2
"""Side of a patch and of a missing part, over the shorter side of the image."""
TRIES = 200
FINE = 4
"""Pixels of a drawing of a scratch or blot for one of the image."""

Mask = npt.NDArray[np.bool_]
Maker = Callable[[Pixels, Pixels, np.random.Generator], Pixels]
"""A function of an image (c, h, w), of images to take patches from, and of random numbers: the image with a defect."""


@dataclass(frozen=True)
class Defects:
    """Images (n, c, h, w) with a defect, the masks (n, h, w) of their changed pixels, and the numbers of the images."""

    pixels: Pixels
    masks: Mask
    rows: npt.NDArray[np.int64]


def with_defects(kind: str, pixels: Pixels, seed: int) -> Defects:
    """Return images with a defect of a kind each; an image on which none is seen is left out."""
    rng, found, rows = np.random.default_rng(seed), [], []
    for row, image in enumerate(pixels):
        for _ in range(TRIES):
            made = KINDS[kind](image, pixels, rng)
            if changed(image, made).sum() >= LEAST[kind] * min(image.shape[1:]) ** 2:
                found.append(made)
                rows.append(row)
                break
    made = np.stack(found)
    return Defects(
        made, np.stack([changed(pixels[row], one) for row, one in zip(rows, made, strict=True)]), np.array(rows)
    )


def changed(before: Pixels, after: Pixels) -> Mask:
    """Return where an image (c, h, w) is seen to differ."""
    seen: Mask = np.abs(before.astype(int) - after).max(0) >= SEEN
    return seen


def patch(image: Pixels, others: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image with a square of another place of another image."""
    other = others[rng.integers(len(others))]
    made = image.copy()
    made[_square(image, rng)] = other[_square(image, rng)]
    return made


def missing(image: Pixels, others: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image with a black square."""
    made = image.copy()
    made[_square(image, rng)] = 0
    return made


def _square(image: Pixels, rng: np.random.Generator) -> tuple[slice, slice, slice]:
    _, h, w = image.shape
    side = round(SIDE * min(h, w))
    y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
    return slice(None), slice(y, y + side), slice(x, x + side)


def scratch(image: Pixels, others: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image with a straight line of 1/40 of the side in width and at least a pixel, black or white."""
    _, h, w = image.shape
    side = min(h, w)
    angle, length = rng.uniform(0, np.pi), rng.uniform(0.4, 0.7) * side
    centre = rng.uniform(0.25, 0.75, 2) * (w, h)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2

    def draw(drawing: ImageDraw.ImageDraw) -> None:
        ends = [*((centre - reach) * FINE), *((centre + reach) * FINE)]
        drawing.line(ends, fill=255, width=round(max(1.0, side / 40) * FINE))

    return _painted(image, draw, 0, None)


def blot(image: Pixels, others: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image with a round spot of soft edges: in grey black or white, in colour of any colour."""
    c, h, w = image.shape
    side = min(h, w)
    radius = rng.uniform(0.08, 0.14) * side
    radii, centre = np.array([radius, radius * rng.uniform(0.7, 1.3)]), rng.uniform(0.2, 0.8, 2) * (w, h)

    def draw(drawing: ImageDraw.ImageDraw) -> None:
        drawing.ellipse([*((centre - radii) * FINE), *((centre + radii) * FINE)], fill=255)

    return _painted(image, draw, side / 60, rng.integers(0, 256, 3) if c == 3 else None)


def _painted(
    image: Pixels, draw: Callable[[ImageDraw.ImageDraw], None], soft: float, colour: npt.NDArray[np.int64] | None
) -> Pixels:
    """Return an image under a drawing with edges softened by `soft` pixels, black or white where no colour is given."""
    _, h, w = image.shape
    drawn = Image.new("L", (w * FINE, h * FINE))
    draw(ImageDraw.Draw(drawn))
    small = drawn.filter(ImageFilter.GaussianBlur(FINE * soft)).resize((w, h), Image.Resampling.BOX)
    opaque = np.asarray(small) / 255
    if colour is None:
        below = (image.mean(0) * opaque).sum() / max(opaque.sum(), 1e-9)
        colour = np.full(len(image), 255 if below < 128 else 0)
    painted: Pixels = np.rint(image * (1 - opaque) + colour[:, None, None] * opaque).astype(np.uint8)
    return painted


KINDS: dict[str, Maker] = {"patch": patch, "scratch": scratch, "blot": blot, "missing part": missing}
LEAST = {"patch": SIDE**2 / 2, "missing part": SIDE**2 / 2, "scratch": 0.005, "blot": 0.01}
"""Least share of changed pixels that makes a defect: half of a square, and enough of a thin line or a soft spot."""
