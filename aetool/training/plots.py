"""Plots of training, drawn by Matplotlib, and the sheet of reconstructions."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from aetool.arrays import Pixels
from aetool.images.encode import encode_picture
from aetool.images.provenance import Provenance, description
from aetool.images.sheet import sheet, tile_scale
from aetool.images.spec import PICTURED
from aetool.system.paths import cache_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 1e-9
"""The smallest drawn distortion: a logarithmic axis has no zero."""
COLOURS = {"train": "#7f9fbf", "validation": "#e0a050", "test": "#c0392b", "PCA": "#555555"}
COLUMNS = 8
"""Images in a row of the sheet of reconstructions."""


def loss_curve(history: tuple[dict[str, Any], ...], provenance: Provenance | None = None) -> bytes:
    """Return a PNG of the distortions of the log by epoch on a logarithmic axis, with that of PCA on test images.

    A distortion without images, as that of training before its first step, is left out.
    """
    lines = {name: _known(history, f"{name}_mse") for name in ("train", "validation", "test")}
    floors = [value for _, value in _known(history, "pca_mse")[-1:]]
    every = [value for points in lines.values() for _, value in points] + floors
    with figure(8, 4.8) as (plot, axes):
        axes.set_yscale("log")
        axes.set_ylim(min(every) / 1.15, max(every) * 1.15)
        for name, points in lines.items():
            if points:
                marker = "o" if len(points) < 40 else None
                axes.plot(*zip(*points, strict=True), color=COLOURS[name], marker=marker, markersize=4, linewidth=2,
                          label=f"{name} {points[-1][1]:.5f}")  # fmt: skip
        for value in floors:
            axes.axhline(value, color=COLOURS["PCA"], linewidth=1.5, linestyle="--", label=f"PCA {value:.5f}")
        axes.set(xlabel="epoch", ylabel="mean squared error")
        _ticks(axes)
        finish(axes)
        return png_of(plot, provenance)


def _known(history: tuple[dict[str, Any], ...], name: str) -> list[tuple[int, float]]:
    """Return the points (epoch, figure) of the log where the figure was measured."""
    return [(entry["epoch"], max(entry[name], LEAST)) for entry in history if entry.get(name) is not None]


def _ticks(axes: Axes) -> None:
    """Label whole epochs, and distortions as plain numbers, closer to each other where the curve spans little."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 5 else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


@contextlib.contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty figure of `width` x `height` inches and its axes; Matplotlib is imported here, and says nothing."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache and of a missing HOME
    with _settings_folder():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        plot = Figure(figsize=(width, height), dpi=100, layout="constrained")
        FigureCanvasAgg(plot)
        yield plot, plot.add_subplot()


@contextlib.contextmanager
def _settings_folder() -> Iterator[None]:
    """Give Matplotlib a folder for its font cache: in the cache of aetool, or a temporary folder."""
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    with contextlib.ExitStack() as stack:
        os.environ["MPLCONFIGDIR"] = _writable_folder() or stack.enter_context(tempfile.TemporaryDirectory())
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def _writable_folder() -> str | None:
    """Return the folder of Matplotlib in the cache of aetool, None for an unwritable folder."""
    try:
        folder = cache_folder() / "matplotlib"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a read-only disk; no home folder
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


def finish(axes: Axes) -> None:
    """Draw grid, frame and legend, the same for all plots."""
    axes.grid(axis="y", which="both", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def png_of(plot: Figure, provenance: Provenance | None = None) -> bytes:
    """Return the figure as a PNG; the same figure gives the same bytes with one version of Matplotlib."""
    stream, said = io.BytesIO(), description(provenance)
    texts = {"Software": provenance and provenance.software} | ({"aetool": said} if said else {})
    plot.savefig(stream, format="png", metadata=texts)
    return stream.getvalue()


def reconstruction_sheet(originals: Pixels, reconstructions: Pixels, provenance: Provenance | None = None) -> bytes:
    """Return a PNG of originals (n, c, h, w), each row above the row of its reconstructions.

    Of images that are no pictures the first three channels are shown, of two the first.
    """
    if originals.shape[1] not in PICTURED:
        shown = 3 if originals.shape[1] > 3 else 1
        originals, reconstructions = originals[:, :shown], reconstructions[:, :shown]
    rows = [
        part for i in range(0, len(originals), COLUMNS)
        for part in (originals[i : i + COLUMNS], reconstructions[i : i + COLUMNS])
    ]  # fmt: skip
    whole = sheet(np.concatenate(rows), COLUMNS, tile_scale(*originals.shape[2:]))
    return encode_picture(whole, provenance=provenance)
