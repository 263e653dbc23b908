"""What a run looks like: the loss curve and the reconstruction sheet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aetool.arrays import Pixels
from aetool.images.encode import encode_picture
from aetool.images.sheet import sheet, tile_scale

WIDTH, HEIGHT = 800, 480
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 40, 50
LEAST = 1e-12
"""Smaller distortions are drawn as this one: a logarithm wants something."""
COLOURS = {"train": "#7f9fbf", "test": "#c0392b", "PCA": "#555555"}


def loss_curve(history: tuple[dict[str, Any], ...], floor: float) -> Image.Image:
    """Plot training and test distortion by epoch on a logarithmic axis, with the PCA floor as a line."""
    epochs = [entry["epoch"] for entry in history]
    series = {key: [max(e[f"{key}_mse"], LEAST) for e in history] for key in ("train", "test")}
    floor = max(floor, LEAST)
    values = [*series["train"], *series["test"], floor]
    low, high = min(values) / 1.15, max(values) * 1.15
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)

    def place(epoch: float, value: float) -> tuple[float, float]:
        x = LEFT + (epoch - 1) / max(1, epochs[-1] - 1) * (WIDTH - LEFT - RIGHT)
        y = TOP + math.log(high / value) / math.log(high / low) * (HEIGHT - TOP - BOTTOM)
        return x, y

    _axes(draw, place, epochs[-1], low, high)
    draw.line([place(1, floor), place(max(2, epochs[-1]), floor)], COLOURS["PCA"], 2)
    for name, points in series.items():
        dots = [place(epoch, value) for epoch, value in zip(epochs, points, strict=True)]
        draw.line(dots, COLOURS[name], 3)
        for x, y in dots if len(dots) < 40 else dots[-1:]:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), COLOURS[name])
    _legend(draw, {"train": series["train"][-1], "test": series["test"][-1], "PCA": floor})
    return picture


def _axes(draw: ImageDraw.ImageDraw, place: Any, epochs: int, low: float, high: float) -> None:
    font = ImageFont.load_default(14)
    for value in _ticks(low, high):
        _, y = place(1, value)
        draw.line([(LEFT, y), (WIDTH - RIGHT, y)], "#dddddd")
        draw.text((LEFT - 8, y), f"{value:g}", "black", font, anchor="rm")
    for epoch in sorted({1 + round(i * (epochs - 1) / 5) for i in range(6)}):
        x, _ = place(epoch, low)
        draw.text((x, HEIGHT - BOTTOM + 8), str(epoch), "black", font, anchor="mt")
    draw.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 20), "epoch", "black", font, anchor="mt")
    draw.rectangle((LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM), outline="black")


def _ticks(low: float, high: float) -> list[float]:
    """Return the 1-2-5 values between `low` and `high`, finer where there would be fewer than three."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _legend(draw: ImageDraw.ImageDraw, last: dict[str, float]) -> None:
    font = ImageFont.load_default(15)
    x = LEFT
    for name, value in last.items():
        draw.rectangle((x, 14, x + 18, 24), COLOURS[name])
        draw.text((x + 26, 19), f"{name} {value:.5f}", "black", font, anchor="lm")
        x += 160
    draw.text((x, 19), "mean squared error", "black", font, anchor="lm")


def reconstruction_sheet(originals: Pixels, reconstructions: Pixels) -> bytes:
    """Return a PNG of originals (n, c, h, w), each row above the row of its reconstructions."""
    columns = 8
    rows = [
        part for i in range(0, len(originals), columns)
        for part in (originals[i : i + columns], reconstructions[i : i + columns])
    ]  # fmt: skip
    return encode_picture(sheet(np.concatenate(rows), columns, tile_scale(*originals.shape[2:])))
