"""The map of a bank: places of latents by t-SNE, which keeps neighbours together (van der Maaten and Hinton, JMLR 9).

A map by PCA keeps a third of the neighbours of MNIST's latents in their class, t-SNE nearly all.
"""

from __future__ import annotations

import contextlib
import hashlib
import io

import numpy as np

from aetool.arrays import Latents
from aetool.errors import AetoolError
from aetool.latents.placing import FLAT, Positions, own_places, placed_beside
from aetool.system.atomic import write_file
from aetool.system.paths import cache_folder
from aetool.system.progress import Report

SEED = 0
MOST = 4000
"""Latents that t-SNE places; further ones are placed beside them."""
ROUNDS = 500
"""Steps of t-SNE: twice as many move the points apart, and keep as many neighbours together."""
PERPLEXITY = 30
"""Neighbours of a latent that t-SNE keeps near it, about; fewer of few latents."""
FEW = 5
"""Latents of which there is no neighbourhood to keep: they are placed by PCA."""
QUICK = 2000
"""Latents of a bank whose map is made at export without being asked for."""
KEPT = 32
"""Maps in the cache; the oldest are removed first."""


def mapped(latents: Latents) -> Positions:
    """Return the places (n, 2) of latents (n, k): the same on each run, in one thread."""
    n, k = latents.shape
    if k <= FLAT or not n:
        return own_places(latents[:, :FLAT])
    if n <= MOST:
        return _placed(latents.astype(np.float64))
    chosen = np.sort(np.random.default_rng(SEED).permutation(n)[:MOST])
    found = _placed(latents[chosen].astype(np.float64))
    places = placed_beside(latents, latents[chosen], found)
    places[chosen] = found
    return places


def _placed(latents: np.ndarray) -> Positions:
    """Return the places (n, 2) of latents (n, k) by t-SNE, of few or of equal latents by PCA."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = latents.std()
    if len(latents) < FEW or not spread > 0:
        return _principal(latents)
    with threadpool_limits(1):  # threads would add in another order
        tsne = TSNE(perplexity=min(PERPLEXITY, (len(latents) - 1) / 3), max_iter=ROUNDS, init="pca", random_state=SEED)
        found: Positions = tsne.fit_transform((latents - latents.mean(0)) / spread).astype(np.float32)
    return found if np.isfinite(found).all() else _principal(latents)


def _principal(latents: np.ndarray) -> Positions:
    """Return latents (n, k) along their two principal axes."""
    centred = latents - latents.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return own_places((centred @ axes.T).astype(np.float32))


def kept_map(latents: Latents, report: Report) -> Positions:
    """Return the places (n, 2) of latents as `mapped` does, made once and kept in the cache."""
    digest = hashlib.sha256(f"{SEED} {MOST} {ROUNDS} {PERPLEXITY} {latents.shape}".encode())
    digest.update(np.ascontiguousarray(latents).data)
    path = cache_folder() / "maps" / f"{digest.hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        places = np.load(path, allow_pickle=False)
        if places.dtype == np.float32 and places.shape == (len(latents), 2) and np.isfinite(places).all():
            return places  # type: ignore[no-any-return]
    if latents.shape[1] > FLAT and len(latents) > QUICK:
        report(f"placing {min(MOST, len(latents)):,} latents on a map, about 20 s", 0, None, "")
    places = mapped(latents)
    stream = io.BytesIO()
    np.save(stream, places)
    with contextlib.suppress(AetoolError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, stream.getvalue())
        for old in sorted(path.parent.glob("*.npy"), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return places
