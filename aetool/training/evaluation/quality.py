"""How good generated images are: each sampler measured by the judge, beside three yardsticks with the same counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, OneLine, Pixels, to_images, to_pixels
from aetool.bundle.bundle import Bundle
from aetool.generation.sampling import Sampler, rng_for
from aetool.latents.bank import Bank
from aetool.metrics import Features, Figures, Support, frechet, mse, radii, support
from aetool.runtime.codec import Codec
from aetool.system.progress import Report
from aetool.training.data.dataset import Dataset, Split
from aetool.training.data.stored import AnyPixels
from aetool.training.evaluation.judge import Judge, judgements
from aetool.training.evaluation.nearest import Nearest

K = 5
"""Neighbours per ball of precision, recall, density and coverage."""


@dataclass(frozen=True)
class Quality:
    """A row of the evaluation.

    accuracy   share of images with the requested class by the judge; by_class the same for each class
    frechet    Fréchet distance to the test images in the judge's features; ratio: divided by the distance of
               reconstructed training images, the score of a perfect copier
    support    precision, recall, density and coverage against the test images
    novelty    median mse to the nearest training image, divided by the same for reconstructed test images
    """

    name: str
    accuracy: float
    by_class: dict[str, float]
    frechet: float
    ratio: float
    support: Support
    novelty: float

    @property
    def worst(self) -> float:
        """The accuracy of the worst class."""
        return min(self.by_class.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        fields = asdict(self)
        return {"name": fields.pop("name"), **fields.pop("support"), "worst_class": self.worst, **fields}


@dataclass(frozen=True, eq=False, repr=False)
class Reference(OneLine):
    """The reference of all rows: the judge, its features of the test images and the radii of their balls, the search
    for the nearest training image, and the denominators of ratio and novelty."""

    judge: Judge
    classes: tuple[str, ...]
    features: Features
    radii: Features
    nearest: Nearest
    copier: float
    distance: float

    def measure(self, name: str, pixels: AnyPixels, labels: Labels) -> Quality:
        """Return the row of uint8 images (n, c, h, w) with the requested classes `labels` (n,)."""
        features, judged = judgements(self.judge, pixels)
        right = judged == labels
        by_class = {self.classes[c]: float(right[labels == c].mean()) for c in np.unique(labels)}
        distance = frechet(self.features, features)
        return Quality(
            name=name,
            accuracy=float(right.mean()),
            by_class=by_class,
            frechet=distance,
            ratio=distance / self.copier,
            support=support(self.features, features, K, self.radii),
            novelty=_median(self.nearest.mse(pixels)) / self.distance,
        )


def evaluate(
    bundle: Bundle,
    codec: Codec,
    dataset: Dataset,
    judge: Judge,
    samplers: dict[str, Sampler],
    seed: int,
    report: Report,
) -> Iterator[Quality]:
    """Yield the rows of the yardsticks, then the rows of the samplers.

    Every row has the class counts of the test set, as far as possible. Latents of row i are drawn with the seed
    [`seed`, i], the training images of the yardsticks with `seed`. Raises the errors of samplers.
    """
    test = _chosen(dataset.test, np.flatnonzero(dataset.test.labels >= 0))
    chosen = _like(dataset.train, test.labels, seed)
    total = 3 + len(samplers)
    report("measuring", 0, total, "reconstructions")
    copies, again = _reconstructed(codec, chosen.pixels), _reconstructed(codec, test.pixels)
    features, _ = judgements(judge, test.pixels)
    nearest = Nearest(dataset.train.pixels)
    copier, distance = frechet(features, judgements(judge, copies)[0]), _median(nearest.mse(again))
    reference = Reference(judge, dataset.classes, features, radii(features, K), nearest, copier, distance)
    yardsticks = {"real training images": (chosen.pixels, chosen.labels), "test reconstructions": (again, test.labels),
                  "training reconstructions": (copies, chosen.labels)}  # fmt: skip
    for i, (name, (pixels, labels)) in enumerate(yardsticks.items()):
        report("measuring", i, total, name)
        yield reference.measure(name, pixels, labels)
    for i, (name, sampler) in enumerate(samplers.items()):
        report("measuring", len(yardsticks) + i, total, name)
        yield reference.measure(name, *_drawn(codec, bundle.bank(), sampler, test.labels, rng_for(seed, i)))


def _chosen(split: Split, rows: npt.NDArray[np.intp]) -> Split:
    """Return some of the images of a split, without their names."""
    return Split(split.pixels[rows], split.labels[rows], ())


def _like(split: Split, labels: Labels, seed: int) -> Split:
    """Return random images of `split` with the class counts of `labels`, or all images of a smaller class."""
    rng = np.random.default_rng(seed)
    groups = [rng.permutation(np.flatnonzero(split.labels == c))[: (labels == c).sum()] for c in np.unique(labels)]
    return _chosen(split, np.sort(np.concatenate(groups)))


def _drawn(
    codec: Codec, bank: Bank, sampler: Sampler, labels: Labels, rng: np.random.Generator
) -> tuple[Pixels, Labels]:
    """Return new images with the class counts of `labels`, rounded to 8 bits as in files."""
    classes, counts = np.unique(labels, return_counts=True)
    latents = [sampler.draw(bank, int(c), int(n), rng) for c, n in zip(classes, counts, strict=True)]
    drawn = np.concatenate(latents)
    parts = [to_pixels(codec.decode(drawn[i : i + codec.batch])) for i in range(0, len(drawn), codec.batch)]
    return np.concatenate(parts), np.repeat(classes, counts)


def _reconstructed(codec: Codec, pixels: AnyPixels) -> Pixels:
    parts = [pixels[i : i + codec.batch] for i in range(0, len(pixels), codec.batch)]
    return np.concatenate([to_pixels(codec.reconstruct(to_images(part))) for part in parts])


def _median(figures: Figures) -> float:
    return float(np.median(figures))


def distortion(codec: Codec, dataset: Dataset) -> float:
    """Return the mean mse of the test images, from unrounded reconstructions."""
    parts = [dataset.test.pixels[i : i + codec.batch] for i in range(0, len(dataset.test.pixels), codec.batch)]
    figures = [mse(images, codec.reconstruct(images)) for images in map(to_images, parts)]
    return float(np.concatenate(figures).mean())
