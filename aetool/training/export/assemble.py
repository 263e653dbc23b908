"""What every bundle has, wherever its graphs come from: bank, figures, golden values, and the last check."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool import metrics
from aetool.arrays import Latents, OneLine, to_images
from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.folder import identity
from aetool.bundle.golden import WHOLE, Golden, Samples
from aetool.bundle.manifest import Manifest
from aetool.generation.stored import completed
from aetool.latents.bank import Bank, make_bank
from aetool.latents.bank_file import write_bank
from aetool.model.overview import overview
from aetool.runtime.codec import Codec
from aetool.runtime.golden import check_golden, check_pictures
from aetool.system.progress import Report
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import AnyPixels, blocks, taken
from aetool.training.export.mixtures import fit_mixtures
from aetool.training.mapping import QUICK, kept_map

CHUNK = 1 << 20
"""Values of images in float32 at a time."""
GOLDEN = 2
FEW_NUMBERS = 1024
"""Numbers of the largest latents of which there are `GOLDEN` in a manifest, of larger ones one: it stays small."""
TRAIN_SAMPLE = 10_000
"""Training images whose distortion is measured."""


@dataclass(frozen=True, repr=False)
class Exported(OneLine):
    """An exported bundle: files, manifest, identity and default name, sentences for the user, and for the card.

    `counts` are the training images of each class, `samples` the picture of the card if there is one.
    """

    files: dict[str, bytes]
    manifest: Manifest
    identity: str
    name: str
    notes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    samples: bytes | None = None


def finished(name: str, graphs: Graphs, bank: Bank, manifest: Manifest) -> Bundle:
    """Return a bundle that was read and checked with new sessions, as a reader will find it."""
    files = {
        "encoder.onnx": graphs.encoder,
        "decoder.onnx": graphs.decoder,
        "bank.npz": write_bank(bank),
        "bundle.json": manifest.to_json(),
    }
    bundle = Bundle(name, Manifest.from_json(files["bundle.json"]), files, identity(files))
    check_golden(bundle, Codec(bundle, "cpu"))
    check_pictures(bundle.manifest)
    return bundle


def exported(bundle: Bundle, name: str, notes: tuple[str, ...]) -> Exported:
    """Return a finished bundle with all that its folder needs."""
    counts = tuple(int(count) for count in bundle.bank().counts[:-1])
    return Exported(dict(bundle.files), bundle.manifest, bundle.identity, name, notes, counts, overview(bundle))


def bank_of(
    codec: Codec, dataset: Dataset, seed: int, rows: bool, report: Report = lambda *_: None, placed: bool = False
) -> Bank:
    """Return the bank of the training images, with its neighbour graph; without `rows` it holds statistics only.

    A bank of at most `QUICK` rows has a map, and a larger one if `placed`.
    """
    train, classes = dataset.train, dataset.classes
    latents = _encode(codec, train.pixels)
    mixtures = fit_mixtures(latents, train.labels, len(classes), seed) if len(latents) else None
    bank = completed(make_bank(latents, train.labels, train.sources, classes, seed, rows, mixtures))
    few = len(bank.latents) <= QUICK
    return replace(bank, positions=kept_map(bank.latents, report)) if len(bank.latents) and (few or placed) else bank


def _encode(codec: Codec, pixels: AnyPixels) -> Latents:
    none = codec.encode(to_images(pixels[:0]))
    return np.concatenate([none, *(codec.encode(to_images(part)) for part in blocks(pixels, CHUNK))])


def distortion_of(
    codec: Codec, dataset: Dataset, pca: float | None, validation: tuple[float | None, float | None] = (None, None)
) -> dict[str, Any]:
    """Measure the exported graphs: mse, psnr and ssim of the test images, mse of training images, quantiles.

    `pca` is the mse of PCA on the test images, `validation` that of the network and of PCA on validation images. A
    figure without its images is None; without test images there are no quantiles.
    """
    train, test = dataset.train.pixels, dataset.test.pixels
    chosen = np.random.default_rng(0).permutation(len(train))[:TRAIN_SAMPLE]
    mse, ssim = _figures(codec, test)
    found = {
        "train": mean_of(_figures(codec, taken(train, chosen))[0]),
        "test": mean_of(mse),
        "pca": pca,
        "validation": validation[0],
        "validation_pca": validation[1],
        "psnr": mean_of(-10 * np.log10(mse)),
        "ssim": mean_of(ssim),
    }
    if not len(mse):
        return found
    return found | {"quantiles": [float(f"{q:.6g}") for q in np.quantile(mse, np.linspace(0, 1, 101))]}


def mean_of(values: npt.NDArray[np.float64] | metrics.Figures) -> float | None:
    """Return the mean of values, None for no values and for NaN."""
    mean = float(values.mean()) if len(values) else math.nan
    return None if math.isnan(mean) else mean


def _figures(codec: Codec, pixels: AnyPixels) -> tuple[metrics.Figures, metrics.Figures]:
    """Return the mse and ssim (n,) of the reconstructions of images (n, c, h, w)."""
    mse, ssim = [np.empty(0)], [np.empty(0)]
    for images in map(to_images, blocks(pixels, CHUNK)):
        again = codec.reconstruct(images)
        mse.append(metrics.mse(images, again))
        ssim.append(metrics.ssim(images, again))
    return np.concatenate(mse), np.concatenate(ssim)


def golden_values(codec: Codec, mean: Latents, covariance: npt.NDArray[np.float32], seed: int) -> Golden:
    """Return golden values for every machine: latents around the mean, without a real image."""
    count = GOLDEN if len(mean) <= FEW_NUMBERS else 1
    drawn = np.random.default_rng(seed).standard_normal((count, len(mean)))
    latents = (mean + drawn * np.sqrt(np.diag(covariance))).astype(np.float32)
    images = codec.decode(latents)
    kept = images if math.prod(codec.spec.shape) <= WHOLE else Samples.of(images)
    return Golden(latents, kept, codec.encode(images))
