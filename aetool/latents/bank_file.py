"""bank.npz: a bank written and read, and checked against its manifest."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.errors import BundleError
from aetool.latents.bank import NEIGHBOURS, Bank, Edges, Mixtures, Names
from aetool.system.npz import read_npz

MIXTURE = ("weights", "means", "roots")
"""Names of the mixture members of bank.npz, after "mixture_"."""


def write_bank(bank: Bank) -> bytes:
    """Return bank.npz: uncompressed, the same bytes for the same bank."""
    arrays = {
        "latents": bank.latents,
        "labels": bank.labels,
        "neighbours": bank.neighbours,
        "sources": np.frombuffer("\0".join(bank.sources).encode("utf-8", "surrogateescape"), np.uint8),
        "counts": bank.counts,
        "means": bank.means,
        "covariances": bank.covariances,
        "mixture_weights": bank.mixtures.weights,
        "mixture_means": bank.mixtures.means,
        "mixture_roots": bank.mixtures.roots,
    }
    if bank.edges is not None:
        arrays |= {"edge_starts": bank.edges.starts, "edge_ends": bank.edges.ends}
    if bank.local_variances is not None:
        arrays["local_variances"] = bank.local_variances
    if bank.positions is not None:
        arrays["positions"] = bank.positions
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def read_bank(data: bytes, classes: tuple[str, ...], k: int) -> Bank:
    """Return the bank in `data` for a model with these classes and latents of k numbers; raises `BundleError`.

    The arrays are views of `data`; the names of sources are split on first access.
    """
    try:
        parts = read_npz(data)
    except ValueError as error:
        raise BundleError("bank.npz is damaged or incomplete") from error
    if not parts.keys() & {f"mixture_{name}" for name in MIXTURE} and "latents" in parts:
        raise BundleError("bank.npz was written by an older aetool", fix="old-bundle")
    try:
        mixtures = Mixtures(*(parts.pop(f"mixture_{name}") for name in MIXTURE))
        sources = Names(parts.pop("sources").tobytes())
        edges = Edges(parts.pop("edge_starts"), parts.pop("edge_ends")) if "edge_starts" in parts else None
        bank = Bank(mixtures=mixtures, classes=classes, sources=sources, edges=edges, **parts)
    except (KeyError, TypeError) as error:
        raise BundleError("bank.npz is damaged or incomplete") from error
    _check(bank, k)
    return bank


def _check(bank: Bank, k: int) -> None:
    n, c = len(bank.sources), len(bank.classes) + 1
    g, m = max(1, c - 1), bank.mixtures.weights.shape[-1] if bank.mixtures.weights.ndim else 0
    expected: list[tuple[npt.NDArray[Any], type, tuple[int, ...]]] = [
        (bank.latents, np.float32, (n, k)),
        (bank.labels, np.int64, (n,)),
        (bank.neighbours, np.int32, (n, NEIGHBOURS)),
        (bank.counts, np.int64, (c,)),
        (bank.means, np.float32, (c, k)),
        (bank.covariances, np.float32, (c, k, k)),
        (bank.mixtures.weights, np.float32, (g, m)),
        (bank.mixtures.means, np.float32, (g, m, k)),
        (bank.mixtures.roots, np.float32, (g, m, k, k)),
    ]
    if bank.local_variances is not None:
        expected.append((bank.local_variances, np.float32, (c,)))
    if bank.positions is not None:
        expected.append((bank.positions, np.float32, (n, 2)))
    if not all(array.dtype == dtype and array.shape == shape for array, dtype, shape in expected):
        raise BundleError("bank.npz does not fit its manifest")
    if not all(np.isfinite(array).all() for array, _, _ in expected if array.dtype.kind == "f"):
        raise BundleError("bank.npz holds numbers that are not finite")
    if n and not (bank.labels.min() >= -1 and bank.labels.max() < c - 1 and _are_rows(bank.neighbours, n)):
        raise BundleError("bank.npz names classes or rows that there are not")
    weights = bank.mixtures.weights
    if weights.min(initial=0) < 0 or (m and not ((weights.sum(1) == 0) | (abs(weights.sum(1) - 1) < 1e-4)).all()):
        raise BundleError("bank.npz holds mixtures whose weights do not sum to 1")
    if bank.edges is not None and not _fits(bank.edges, n):
        raise BundleError("bank.npz holds a neighbour graph of other rows")


def _are_rows(rows: npt.NDArray[np.int32], n: int) -> bool:
    """Return whether all are numbers of rows, or -1."""
    return bool(rows.min() >= -1 and rows.max() < n)


def _fits(edges: Edges, n: int) -> bool:
    """Return whether the edges are a graph of n rows."""
    starts, ends = edges.starts, edges.ends
    if starts.dtype != np.int32 or ends.dtype != np.uint16 or starts.shape != (n + 1,) or ends.ndim != 1:
        return False
    rising = starts[0] == 0 and starts[-1] == len(ends) and bool((starts[1:] >= starts[:-1]).all())
    return rising and int(ends.max(initial=0)) < max(1, n)
