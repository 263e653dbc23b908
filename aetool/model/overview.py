"""The picture of a model card: reconstructions and samples of a bundle on one sheet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool import __version__
from aetool.arrays import Latents, Pixels, spread
from aetool.bundle.bundle import Bundle
from aetool.images.layout import Layout, encode_pictures
from aetool.images.provenance import Provenance
from aetool.images.sheet import to_pil
from aetool.images.spec import PICTURED
from aetool.latents.bank import Bank
from aetool.model.labels import of_rows
from aetool.model.model import Model

COLUMNS, RECONSTRUCTED = 12, 4
"""Tiles of a row, and the first of them, which are reconstructions of training images."""
ROWS, ROWS_OF_NONE = 10, 4
"""Most rows of classes, and rows of a model without classes."""
SIDE = 64
"""Pixels of the longest side of a tile: all tiles together stay below 2 MiB, however badly they are compressed."""
SEED = 0


def overview(bundle: Bundle) -> bytes | None:
    """Return the picture as PNG, the same for the same bundle; None for channels that make no picture, and no images.

    A row for each of the first classes: training images of the bank, encoded and decoded, then new images. Without
    latents in the bank all are new.
    """
    bank, spec = bundle.bank(), bundle.manifest.image
    if spec.channels not in PICTURED or not bank.counts[-1]:
        return None
    model, names = Model(bundle, "cpu", threads=1), bank.known_classes()[:ROWS]
    latents = np.concatenate(list(_rows(model, bank, names)))
    pixels = _fitted(model.decode(latents).pixels)
    labels, _ = of_rows(names, bank.classes) if names else (None, ())
    scale = max(1, SIDE // max(pixels.shape[2:]))
    layout = Layout(COLUMNS, strip=len(pixels) == COLUMNS, scale=scale, labels=labels)
    made = Provenance(f"aetool {__version__}", f"{bundle.name} {bundle.identity}", "aetool export", SEED)
    return encode_pictures(pixels, ".png", layout, made)


def _rows(model: Model, bank: Bank, names: tuple[str, ...]) -> Iterator[Latents]:
    """Yield the latents of each row."""
    method = "local" if len(bank.latents) else "gmm" if bank.mixtures.weights.size else "gaussian"
    for number, name in enumerate(names or (None,) * ROWS_OF_NONE):
        label = bank.class_index(name)
        rows = _shown(bank, label, number)
        yield bank.latents[rows]
        for batch in model.sampled({name: label}, COLUMNS - len(rows), SEED + number, method):
            yield batch.latents


def _shown(bank: Bank, label: int | None, number: int) -> npt.NDArray[np.intp]:
    """Return the rows of the bank that a row of the sheet begins with."""
    if not len(bank.latents):
        return np.empty(0, np.intp)
    rows = bank.rows(label)
    if label is not None:
        return rows[spread(len(rows), RECONSTRUCTED)]
    chosen = rows[spread(len(rows), RECONSTRUCTED * ROWS_OF_NONE)]
    return chosen[number * RECONSTRUCTED : (number + 1) * RECONSTRUCTED]


def _fitted(pixels: Pixels) -> Pixels:
    """Return pictures (n, c, h, w) with their longest side at most `SIDE`."""
    height, width = pixels.shape[2:]
    longest = max(height, width)
    if longest <= SIDE:
        return pixels
    size = max(1, round(width * SIDE / longest)), max(1, round(height * SIDE / longest))
    smaller = [np.asarray(to_pil(one).resize(size, Image.Resampling.LANCZOS)) for one in pixels]
    return np.stack([one[None] if one.ndim == 2 else one.transpose(2, 0, 1) for one in smaller])
