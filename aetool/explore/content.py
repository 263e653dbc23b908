"""The content of a page: what its data say, and the arrays beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine
from aetool.bundle.bundle import Bundle
from aetool.bundle.manifest import Manifest
from aetool.choices import SAMPLERS as NAMES
from aetool.errors import BundleError
from aetool.explore.rows import SEED, Rows
from aetool.generation.paths import spacing
from aetool.generation.sampling import SAMPLERS
from aetool.latents.bank import Bank
from aetool.latents.files import LatentBatch
from aetool.latents.placing import Positions, placed_beside
from aetool.metrics import symmetric_root
from aetool.model.scores import scoring_of

VERSION = 1
STEPS, COARSE = (1 << 24) - 1, 4
"""Steps of the range of a number of latents, of which every fourth is used: in far fewer, near neighbours would change
their order."""
RASTER = 1 << 14
"""Steps of the sides of a map: a screen shows fewer."""

Blobs = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Content(OneLine):
    """The data of a page, as JSON values, and its arrays by name."""

    data: dict[str, Any]
    arrays: Blobs


def content(bundle: Bundle, argument: str, rows: Rows, files: LatentBatch | None, weights: str) -> Content:
    """Return the content of the page of a model, which is typed as `argument`, with rows and pictures of the reader.

    `weights` is how its graphs are stored.
    """
    bank, manifest = rows.bank, bundle.manifest
    own = bank.latents if files is None else np.concatenate([bank.latents, files.latents])
    latents, scale = _steps(own)
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
    known = {} if drawn else {"sources": _texts(bank.sources)} | _graph(bank)
    return Content(data, {"latents": latents} | _classes(bank) | _places(bank, files) | known)


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
    """Return names as the bytes of a list in JSON."""
    return np.frombuffer(json.dumps(list(names), separators=(",", ":")).encode(), np.uint8)


def _sampler(name: str) -> dict[str, Any]:
    return {"name": name, "about": NAMES[name].help, "options": asdict(SAMPLERS[name])}


def _steps(latents: Latents) -> tuple[npt.NDArray[np.uint8], dict[str, list[float]]]:
    """Return latents (n, k) in whole steps q of 24 bits, and offset and scale (k,) for latents = offset + scale q.

    The steps are bytes (3, n, k), the lowest first.
    """
    wide = latents.astype(np.float64)
    low, high = wide.min(0, initial=np.inf), wide.max(0, initial=-np.inf)
    offset, scale = np.where(len(wide), low, 0.0), np.where(high > low, (high - low) / STEPS, 1.0)
    steps = (np.rint((wide - offset) / scale / COARSE) * COARSE).clip(0, STEPS).astype("<u4")
    planes = np.stack([steps >> shift & 0xFF for shift in (0, 8, 16)]).astype(np.uint8)
    return planes, {"offset": offset.tolist(), "scale": scale.tolist()}


def _graph(bank: Bank) -> Blobs:
    """Return the edges of the neighbour graph to later rows: how many each row has, and where they lead."""
    assert bank.edges is not None
    n, ends = len(bank.latents), bank.edges.ends
    rows = np.repeat(np.arange(n), np.diff(bank.edges.starts))
    later = rows < ends
    return {
        "edge_counts": np.bincount(rows[later], minlength=n).astype("<u4"),
        "edge_ends": ends[later].astype("<u2"),
    }


def _classes(bank: Bank) -> Blobs:
    """Return the means of classes, last of all, and the root of the covariance of all, by which noise is shaped."""
    return {"means": bank.means.astype("<f4"), "root": symmetric_root(bank.covariances[-1]).astype("<f4")}


def _places(bank: Bank, files: LatentBatch | None) -> Blobs:
    """Return places and classes of the rows, then of pictures, and the latents of pictures."""
    assert bank.positions is not None
    if files is None:
        return {"positions": _on_raster(bank.positions), "labels": bank.labels.astype("<i2")}
    known = len(bank.latents) or bank.latents.shape[1] <= 2
    beside = placed_beside(files.latents, bank.latents, bank.positions) if known else np.zeros((len(files.latents), 2))
    return {
        "positions": _on_raster(np.concatenate([bank.positions, beside])),
        "labels": np.concatenate([bank.labels, _numbers(files.classes, bank.classes)]).astype("<i2"),
    }


def _on_raster(places: Positions) -> Positions:
    """Return places (n, 2) as multiples of a step, which pack smaller."""
    width = float(np.ptp(places, axis=0).max()) if len(places) else 0.0
    step = float(np.exp2(np.ceil(np.log2(width or 1.0)))) / RASTER
    found: Positions = (np.rint(places / step) * step).astype("<f4")
    return found


def _numbers(names: Sequence[str | None], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of each class, -1 for one that the model does not know."""
    known = {name: number for number, name in enumerate(classes)}
    return np.array([-1 if name is None else known.get(name, -1) for name in names], np.int64)


def _statistics(bank: Bank, manifest: Manifest) -> dict[str, Any]:
    variances = bank.local_variances
    return {
        "spread": float(np.sqrt(np.diag(bank.covariances[-1]).mean(dtype=np.float64))),
        "nearest": spacing(bank),
        "local_variances": None if variances is None else variances.tolist(),
        "counts": bank.counts.tolist(),
        "scoring": _scoring(manifest),
    }


def _scoring(manifest: Manifest) -> dict[str, Any] | None:
    """Return what a score is measured by, None without held-out images."""
    try:
        found = scoring_of(manifest)
    except BundleError:
        return None
    fields = ("images", "mse", "distance", "power")
    return {name: getattr(found, name) for name in fields} | {"quantiles": list(found.quantiles)}
