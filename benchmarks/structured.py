"""Folders of drawn pictures with structure, made from a seed: few grey ones, many, and some in colour.

python benchmarks/structured.py PLACE        makes PLACE/few, PLACE/many and PLACE/colour
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FINE = 4
"""Pictures are drawn this many times as large, for smooth edges."""
Draw = ImageDraw.ImageDraw
Rng = np.random.Generator


def grey(side: int, paint: Callable[[Draw, Rng, float], None], rng: Rng) -> Image.Image:
    """Return a grey picture of a class: a plain background, and `paint` upon it."""
    picture = Image.new("L", (side * FINE, side * FINE), int(rng.uniform(10, 70)))
    paint(ImageDraw.Draw(picture), rng, side * FINE)
    return picture.resize((side, side), Image.Resampling.BOX)


def around(middle: tuple[float, float], points: list[tuple[float, float]], angle: float) -> list[tuple[float, float]]:
    """Return points turned by `angle` and moved to `middle`."""
    c, s = math.cos(angle), math.sin(angle)
    return [(middle[0] + c * x - s * y, middle[1] + s * x + c * y) for x, y in points]


def place(rng: Rng, side: float) -> tuple[float, float]:
    return side * rng.uniform(0.38, 0.62), side * rng.uniform(0.38, 0.62)


def disc(draw: Draw, rng: Rng, side: float) -> None:
    (x, y), r = place(rng, side), side * rng.uniform(0.15, 0.3)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(150, 250)))


def ring(draw: Draw, rng: Rng, side: float) -> None:
    (x, y), r = place(rng, side), side * rng.uniform(0.18, 0.32)
    draw.ellipse((x - r, y - r, x + r, y + r), outline=int(rng.uniform(150, 250)), width=int(side * 0.07))


def bar(draw: Draw, rng: Rng, side: float) -> None:
    long, thin, angle = side * rng.uniform(0.2, 0.36), side * 0.06, rng.uniform(0, math.pi)
    corners = around(place(rng, side), [(-long, -thin), (long, -thin), (long, thin), (-long, thin)], angle)
    draw.polygon(corners, fill=int(rng.uniform(150, 250)))


def triangle(draw: Draw, rng: Rng, side: float) -> None:
    r, angle = side * rng.uniform(0.2, 0.34), rng.uniform(0, 2 * math.pi / 3)
    corners = [(r * math.cos(t), r * math.sin(t)) for t in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
    draw.polygon(around(place(rng, side), corners, angle), fill=int(rng.uniform(150, 250)))


def dial(draw: Draw, rng: Rng, side: float) -> None:
    x, y, r, white = side / 2, side / 2, side * rng.uniform(0.3, 0.42), int(rng.uniform(170, 250))
    draw.ellipse((x - r, y - r, x + r, y + r), outline=white, width=int(side * 0.05))
    for length, width in ((0.85, 0.03), (0.5, 0.06)):
        angle = rng.uniform(0, 2 * math.pi)
        end = x + length * r * math.cos(angle), y + length * r * math.sin(angle)
        draw.line((x, y, *end), fill=white, width=int(side * width))


def face(draw: Draw, rng: Rng, side: float) -> None:
    tilt, smile, white = rng.uniform(-0.4, 0.4), rng.uniform(-0.12, 0.12), int(rng.uniform(150, 230))
    middle, r, dot = (side / 2, side / 2), side * rng.uniform(0.32, 0.42), side * rng.uniform(0.03, 0.06)
    draw.ellipse((middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r), fill=white)
    for x, y in around(middle, [(-r * 0.4, -r * 0.3), (r * 0.4, -r * 0.3)], tilt):
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=20)
    mouth = [(r * t, r * 0.45 - side * smile * (t * t * 4 - 0.5)) for t in np.linspace(-0.5, 0.5, 12)]
    draw.line(around(middle, mouth, tilt), fill=20, width=int(side * 0.05))


def wave(draw: Draw, rng: Rng, side: float) -> None:
    turns, phase, high = rng.uniform(0.6, 2), rng.uniform(0, 2 * math.pi), side * rng.uniform(0.1, 0.3)
    xs = np.linspace(0, side, 80)
    line = [(x, side / 2 + high * math.sin(2 * math.pi * turns * x / side + phase)) for x in xs]
    draw.line(line, fill=int(rng.uniform(170, 250)), width=int(side * 0.08), joint="curve")


def plant(draw: Draw, rng: Rng, side: float) -> None:
    lean, white = rng.uniform(-0.35, 0.35), int(rng.uniform(160, 250))
    top = side * (0.5 + 0.5 * lean), side * rng.uniform(0.15, 0.35)
    draw.line((side / 2, side * 0.95, *top), fill=white, width=int(side * 0.05))
    for share, turn in ((0.4, 1), (0.6, -1), (0.8, 1)):
        x, y = (a + share * (b - a) for a, b in zip((side / 2, side * 0.95), top, strict=True))
        leaf = side * rng.uniform(0.12, 0.2)
        draw.polygon([(x, y), (x + turn * leaf, y - leaf * 0.7), (x + turn * leaf * 0.7, y + leaf * 0.1)], fill=white)


def scene(rng: Rng) -> Image.Image:
    """Return a picture in colour of any size: a sky with a sun, hills, and a house."""
    width, height = int(rng.uniform(80, 240)), int(rng.uniform(80, 240))
    w, h, hour = width * 2, height * 2, rng.uniform(0, 1)
    top, low = np.array([40, 90, 180]) * (0.4 + 0.6 * hour), np.array([250, 200, 150]) * (0.5 + 0.5 * hour)
    share = np.linspace(0, 1, h)[:, None, None]
    picture = Image.fromarray(np.broadcast_to(top + share * (low - top), (h, w, 3)).astype(np.uint8))
    draw, (x, y, r) = ImageDraw.Draw(picture), (w * rng.uniform(0.1, 0.9), h * rng.uniform(0.1, 0.4), min(w, h) * 0.08)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, 180))
    for base, colour in ((0.55, (70, 110, 90)), (0.7, (60, 140, 60))):
        phase, tall = rng.uniform(0, 2 * math.pi), rng.uniform(0.03, 0.1)
        hills = [(t * w, h * (base + tall * math.sin(4 * t + phase))) for t in np.linspace(0, 1, 40)]
        draw.polygon([*hills, (w, h), (0, h)], fill=tuple(int(c * (0.4 + 0.6 * hour)) for c in colour))
    x, y, half = w * rng.uniform(0.2, 0.8), h * rng.uniform(0.75, 0.92), min(w, h) * rng.uniform(0.08, 0.15)
    wall, roof = tuple(map(int, rng.uniform(120, 250, 3))), (int(rng.uniform(120, 220)), 50, 40)
    draw.rectangle((x - half, y - half, x + half, y + half * 0.6), fill=wall)
    draw.polygon([(x - half * 1.3, y - half), (x, y - half * 2), (x + half * 1.3, y - half)], fill=roof)
    return picture.resize((width, height), Image.Resampling.BOX)


def write(folder: Path, side: int, count: int, kinds: tuple[Callable[[Draw, Rng, float], None], ...]) -> None:
    """Write `count` grey pictures of each class to folder/CLASS/."""
    for number, paint in enumerate(kinds):
        (folder / paint.__name__).mkdir(parents=True)
        for i in range(count):
            grey(side, paint, np.random.default_rng([number, i])).save(folder / paint.__name__ / f"{i:04}.png")


def few(folder: Path) -> None:
    """Write 120 grey pictures of 64x64, thirty of each of four shapes."""
    write(folder, 64, 30, (disc, ring, bar, triangle))


def many(folder: Path) -> None:
    """Write 4,000 grey pictures of 64x64, a thousand of each of four drawings."""
    write(folder, 64, 1000, (dial, face, wave, plant))


def colour(folder: Path) -> None:
    """Write 600 pictures in colour, JPEGs of 80 to 240 pixels a side, without classes."""
    folder.mkdir(parents=True)
    for i in range(600):
        scene(np.random.default_rng([9, i])).save(folder / f"{i:04}.jpg", quality=90)


FOLDERS: dict[str, Callable[[Path], None]] = {"few": few, "many": many, "colour": colour}

if __name__ == "__main__":
    for name, make in FOLDERS.items():
        make(Path(sys.argv[1], name))
