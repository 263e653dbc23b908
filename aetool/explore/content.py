"""The content of a page: what its data say, and the arrays beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine, spread
from aetool.bundle.bundle import Bundle
from aetool.bundle.manifest import Manifest
from aetool.choices import SAMPLERS as NAMES
from aetool.errors import BundleError
from aetool.explore.rows import SEED, Rows
from aetool.generation.sampling import SAMPLERS
from aetool.latents.bank import Bank, Edges
from aetool.latents.files import LatentBatch
from aetool.latents.neighbours import others_nearest
from aetool.latents.placing import placed_beside
from aetool.model.scores import scoring_of

VERSION = 1
PROBES = 2000
"""Rows whose distance to the nearest other measures how dense a bank is."""
STEPS = 65534
"""Steps of the range of a number of latents, as 16 bits have them."""

Blobs = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Content(OneLine):
    """The data of a page, as JSON values, and its arrays by name."""

    data: dict[str, Any]
    arrays: Blobs


def content(bundle: Bundle, argument: str | None, rows: Rows, files: LatentBatch | None, weights: str) -> Content:
    """Return the content of the page of a model, which is typed as `argument`, with rows and pictures of the reader.

    `weights` is how its graphs are stored.
    """
    bank, manifest = rows.bank, bundle.manifest
    latents, scale = _steps(bank.latents)
    drawn = rows.kind == "samples"
    data = {
        "version": VERSION,
        "title": bundle.name,
        "model": {"name": bundle.name, "argument": argument, "identity": bundle.identity, "weights": weights}
        | _model(manifest),
        "bank": None if drawn else {"rows": len(bank.latents), "labelled": bool(bank.classes)},
        "map": {"kind": rows.kind, "seed": SEED, "rows": len(bank.latents)},
        "layers": [] if files is None else [{"name": "Your pictures", "files": shown_names(files)}],
        "statistics": _statistics(bank, manifest),
        "sampler": _sampler("gmm" if drawn else "local"),
        "quantisation": scale,
    }
    names = {} if drawn else {"sources": _texts(bank.sources)}
    return Content(data, {"latents": latents} | _arrays(bank) | _places(bank, files) | names)


def shown_names(files: LatentBatch) -> list[str]:
    """Return the names of pictures as they were typed, of absolute paths the part below the named folder."""
    return [_shown(source, name) for source, name in zip(files.sources, files.titles, strict=True)]


def _shown(source: str, name: str) -> str:
    if not os.path.isabs(source):  # noqa: PTH117
        return source
    return os.path.basename(source) if name == source.lstrip(os.sep) else name  # noqa: PTH119


def _model(manifest: Manifest) -> dict[str, Any]:
    image, distortion = manifest.image, manifest.distortion
    return {
        "latent_size": manifest.latent_size,
        "channels": image.channels,
        "height": image.height,
        "width": image.width,
        "background": image.background,
        "preparation_version": image.preparation,
        "classes": list(manifest.classes),
        "mse": distortion["test"],
        "pca_mse": distortion["pca"],
    }


def _texts(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return names as the bytes of one text, with a NUL between them."""
    return np.frombuffer("\0".join(names).encode("utf-8", "replace"), np.uint8)


def _sampler(name: str) -> dict[str, Any]:
    return {"name": name, "about": NAMES[name].help, "options": asdict(SAMPLERS[name])}


def _steps(latents: Latents) -> tuple[npt.NDArray[np.int16], dict[str, list[float]]]:
    """Return latents (n, k) in whole steps q, and offset and scale (k,) for latents = offset + scale q."""
    wide = latents.astype(np.float64) if len(latents) else np.zeros((1, latents.shape[1]))
    low, high = wide.min(0), wide.max(0)
    offset, scale = (low + high) / 2, np.where(high > low, (high - low) / STEPS, 1.0)
    steps = np.rint((latents - offset) / scale).astype("<i2")
    return steps, {"offset": offset.tolist(), "scale": scale.tolist()}


def _arrays(bank: Bank) -> Blobs:
    counts, steps = (np.empty(0, np.int64),) * 2 if bank.edges is None else _later(bank.edges)
    return {
        "edge_counts": counts.astype("<u2"),
        "edge_steps": steps.astype("<u2"),
        "means": bank.means.astype("<f4"),
        "covariance": bank.covariances[-1].astype("<f4"),
    }


def _later(edges: Edges) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each row with how many later rows it is joined, and the steps to these, from the row on.

    Each edge is there once and as a small number, which packs to a third.
    """
    n = len(edges.starts) - 1
    rows, ends = np.repeat(np.arange(n), np.diff(edges.starts)), edges.ends.astype(np.int64)
    pairs = np.unique(np.minimum(rows, ends) * n + np.maximum(rows, ends))
    rows, ends = np.divmod(pairs, max(1, n))
    first = np.diff(rows, prepend=-1) > 0
    steps = ends - np.where(first, rows, np.concatenate([[0], ends[:-1]])[: len(ends)])
    return np.bincount(rows, minlength=n), steps


def _places(bank: Bank, files: LatentBatch | None) -> Blobs:
    """Return places and classes of the rows, then of pictures, and the latents of pictures."""
    assert bank.positions is not None
    if files is None:
        return {"positions": bank.positions.astype("<f4"), "labels": bank.labels.astype("<i2")}
    known = len(bank.latents) or bank.latents.shape[1] <= 2
    beside = placed_beside(files.latents, bank.latents, bank.positions) if known else np.zeros((len(files.latents), 2))
    return {
        "positions": np.concatenate([bank.positions, beside]).astype("<f4"),
        "labels": np.concatenate([bank.labels, _numbers(files.classes, bank.classes)]).astype("<i2"),
        "files": files.latents.astype("<f4"),
    }


def _numbers(names: Sequence[str | None], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of each class, -1 for one that the model does not know."""
    known = {name: number for number, name in enumerate(classes)}
    return np.array([-1 if name is None else known.get(name, -1) for name in names], np.int64)


def _statistics(bank: Bank, manifest: Manifest) -> dict[str, Any]:
    variances = bank.local_variances
    return {
        "spread": float(np.sqrt(np.trace(bank.covariances[-1]) / len(bank.covariances[-1]))),
        "nearest": _nearest(bank.latents),
        "local_variances": None if variances is None else variances.tolist(),
        "counts": bank.counts.tolist(),
        "scoring": _scoring(manifest),
    }


def _nearest(latents: Latents) -> float | None:
    """Return the median distance of a row to the nearest other, None for fewer than two."""
    if len(latents) < 2:
        return None
    probes = spread(len(latents), PROBES)
    others = others_nearest(latents, probes, 1)[:, 0]
    return float(np.median(np.linalg.norm(latents[probes].astype(np.float64) - latents[others], axis=1)))


def _scoring(manifest: Manifest) -> dict[str, Any] | None:
    """Return what a score is measured by, None without held-out images."""
    try:
        found = scoring_of(manifest)
    except BundleError:
        return None
    fields = ("images", "mse", "distance", "power")
    return {name: getattr(found, name) for name in fields} | {"quantiles": list(found.quantiles)}
