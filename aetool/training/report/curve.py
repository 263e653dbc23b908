"""The curve of report.html: distortion by epoch beside PCA, as SVG that stretches with the page, labelled in HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aetool.bundle.card import figure

WIDTH, HEIGHT = 1000, 400
"""Units of the drawing, which is stretched to the room that there is; lines keep their width."""
ROOM = 1.25
"""Room over the largest and under the smallest figure, as a factor: the axis is logarithmic."""
LEAST = 1e-9
"""The smallest drawn distortion: a logarithmic axis has no zero."""
LINES = ("train", "validation", "test")
CLOSE = 8
"""Largest over smallest distortion of an axis below which its ticks are at equal distances."""
MOST_TICKS = 9
ROOM_FOR_NAME = 0.8
"""Share of the axis of epochs that has numbers; its name is behind them."""


@dataclass(frozen=True)
class Axes:
    """The ranges of epoch, from 0, and distortion."""

    epochs: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Return the place of an epoch, from 0 to 1."""
        return epoch / self.epochs

    def y(self, value: float) -> float:
        """Return the place of a distortion, from 0 at the top to 1."""
        return math.log(self.high / max(value, LEAST)) / math.log(self.high / self.low)


def curve(history: tuple[dict[str, Any], ...], epochs: int, best_step: int | None) -> str:
    """Return the curve of a log as HTML, with room for `epochs`; the network of `best_step` is marked."""
    lines = {name: list(_points(history, name)) for name in LINES}
    floor = history[-1].get("pca_mse") or history[-1].get("validation_pca_mse")
    values = [value for points in lines.values() for _, value in points] + ([floor] if floor else [])
    if not values:
        return '<p class="said">Nothing is measured yet.</p>\n'
    axes = Axes(max(1, epochs), max(LEAST, min(values)) / ROOM, max(LEAST, *values) * ROOM)
    best = next((entry for entry in history if entry["step"] == best_step), None)
    drawn = [*_grid(axes), *([_floor(axes, floor)] if floor else [])]
    drawn += [part for name, points in lines.items() if points for part in _line(axes, name, points)]
    drawn += _marks(axes, lines, best)
    said = ", ".join(f"{name} {figure(points[-1][1])}" for name, points in lines.items() if points)
    alt = f"Mean squared error by epoch: {said}, PCA {figure(floor)}"
    return (
        f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{alt}">{"".join(drawn)}</svg>{"".join(_labels(axes))}</div>\n'
        f'<p class="legend">{_legend(lines, floor, best)}</p>\n'
    )


def _points(history: Iterable[dict[str, Any]], name: str) -> Iterator[tuple[int, float]]:
    return ((e["epoch"], e[f"{name}_mse"]) for e in history if e.get(f"{name}_mse") is not None)


def _at(axes: Axes, epoch: float, value: float) -> str:
    return f"{axes.x(epoch) * WIDTH:.1f} {axes.y(value) * HEIGHT:.1f}"


def _grid(axes: Axes) -> Iterator[str]:
    for value in _ticks(axes):
        y = axes.y(value) * HEIGHT
        yield f'<path class="grid" d="M0 {y:.1f}H{WIDTH}"/>'


def _floor(axes: Axes, value: float) -> str:
    y = axes.y(value) * HEIGHT
    return f'<path class="line pca" d="M0 {y:.1f}H{WIDTH}"><title>PCA {figure(value)}</title></path>'


def _line(axes: Axes, name: str, points: list[tuple[int, float]]) -> Iterator[str]:
    """Yield a line, and over it a dot for each point, which tells its figures to a pointer."""
    places = [_at(axes, epoch, value) for epoch, value in points]
    yield f'<path class="line {name}" d="M{"L".join(places)}"/>'
    for (epoch, value), place in zip(points, places, strict=True):
        seen = " seen" if len(points) <= 40 else ""
        title = f"<title>epoch {epoch}: {name} {figure(value)}</title>"
        yield f'<path class="dot {name}{seen}" d="M{place}h0">{title}</path>'


def _marks(axes: Axes, lines: dict[str, list[tuple[int, float]]], best: dict[str, Any] | None) -> Iterator[str]:
    """Yield a ring around the points of the best network."""
    for name in LINES[1:]:
        for epoch, value in lines[name]:
            if best and epoch == best["epoch"]:
                yield f'<path class="ring {name}" d="M{_at(axes, epoch, value)}h0"/>'
                yield f'<path class="hole" d="M{_at(axes, epoch, value)}h0"/>'


def _ticks(axes: Axes) -> list[float]:
    """Return round distortions within the axis: of each decade 1, 2 and 5, closer where the axis spans little."""
    if axes.high / axes.low < CLOSE:
        step = next(s * 10.0**d for d in range(-12, 9) for s in (1, 2, 5) if (axes.high - axes.low) < 6 * s * 10.0**d)
        return [round(i * step, 12) for i in range(math.ceil(axes.low / step), math.floor(axes.high / step) + 1)]
    decades = range(math.floor(math.log10(axes.low)), math.ceil(math.log10(axes.high)) + 1)
    found = [round(step * 10.0**d, 12) for d in decades for step in ((1, 2, 5) if len(decades) <= 4 else (1,))]
    within = [value for value in found if axes.low <= value <= axes.high]
    return within[:: -(-len(within) // MOST_TICKS)]


def _epochs(axes: Axes) -> list[int]:
    """Return round epochs from 0 to the last."""
    step = next(s * 10**d for d in range(9) for s in (1, 2, 5) if axes.epochs / (s * 10**d) <= 6)
    return [epoch for epoch in range(0, axes.epochs + 1, step) if axes.x(epoch) < ROOM_FOR_NAME]


def _labels(axes: Axes) -> Iterator[str]:
    for value in _ticks(axes):
        yield f'<span class="y" style="top:{100 * axes.y(value):.2f}%">{value:g}</span>'
    yield '<span class="x end">epoch</span>'
    for epoch in _epochs(axes):
        yield f'<span class="x" style="left:{100 * axes.x(epoch):.2f}%">{epoch}</span>'


def _legend(lines: dict[str, list[tuple[int, float]]], floor: float | None, best: dict[str, Any] | None) -> str:
    """Return the names of the lines, and the figures of the best network, or the last ones where none is chosen."""
    last = {name: "" if best else f" {figure(points[-1][1])}" for name, points in lines.items() if points}
    parts = [f'<span class="{name}">{name}{text}</span>' for name, text in last.items()]
    parts += [f'<span class="pca">PCA {figure(floor)}</span>'] if floor else []
    if best:
        found = [f"{name} {figure(best[f'{name}_mse'])}" for name in LINES[1:] if best.get(f"{name}_mse") is not None]
        parts.append(f'<span class="chosen">best network: epoch {best["epoch"]}, {", ".join(found)}</span>')
    return "".join(parts)
