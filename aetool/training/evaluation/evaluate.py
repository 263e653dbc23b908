"""Evaluation: the distortion of a model beside PCA, and the images its samplers make, judged."""

from __future__ import annotations

from typing import Any

from aetool.bundle.bundle import Bundle
from aetool.errors import InvalidInput, UsageError
from aetool.generation.sampling import Sampler, rng_for
from aetool.runtime.codec import Codec
from aetool.system.names import composed
from aetool.system.progress import Report
from aetool.training.data.dataset import Dataset, load
from aetool.training.data.folder import FolderOptions
from aetool.training.data.named import DATASETS
from aetool.training.evaluation import judge, quality
from aetool.training.pca import pca_mse


def cannot_draw(sampler: Sampler, bundle: Bundle) -> UsageError | None:
    """Return the error of a sampler without the necessary values in the bank, None for a usable sampler."""
    try:
        sampler.draw(bundle.bank(), None, 1, rng_for(0))
    except UsageError as error:
        return error
    return None


def find_dataset(
    bundle: Bundle, name: str | None, data_dir: str | None, threads: int, report: Report
) -> tuple[Dataset, bool]:
    """Return the data set of a model, split as in training, and whether the data are the training data.

    `name` None stands for the name in the manifest. Raises `UsageError` where the manifest names a file or folder,
    `InvalidInput` for images or classes of another kind.
    """
    manifest, spec = bundle.manifest, bundle.manifest.image
    chosen = name or manifest.dataset["name"]
    if name is None and chosen not in DATASETS:
        raise UsageError(f'{bundle.name} was trained on "{chosen}"', fix="data")
    options = FolderOptions(spec.channels, (spec.height, spec.width), spec.background, preparation=spec.preparation)
    dataset = load(chosen, manifest.training["seed"], data_dir, report, options, threads)
    if dataset.spec.shape != spec.shape or dataset.classes != tuple(map(composed, manifest.classes)):
        raise InvalidInput(f"{dataset.name} has other images or classes than {bundle.name} was trained on")
    if not len(dataset.test.pixels):
        raise InvalidInput(f"{dataset.name} has no test images: every class has a single image")
    if len(dataset.classes) > 1 and (dataset.test.labels < 0).all():
        raise InvalidInput(f"{dataset.name} has no test image with a class to judge by")
    return dataset, dataset.sha256 == manifest.dataset["sha256"]


def evaluate(
    bundle: Bundle,
    codec: Codec,
    dataset: Dataset,
    samplers: dict[str, Sampler],
    seed: int,
    threads: int,
    report: Report,
) -> dict[str, Any]:
    """Return the report of `aetool evaluate --json`: distortion, and with classes the judge and a row a sampler."""
    train, test = dataset.train.pixels, dataset.test.pixels
    size = bundle.manifest.latent_size
    found: dict[str, Any] = {
        "model": {"name": bundle.name, "identity": bundle.identity},
        "data": {"name": dataset.name, "sha256": dataset.sha256, "train": len(train), "test": len(test)},
        "distortion": {"test": quality.distortion(codec, dataset), "latent_size": size},
        "seed": seed,
    }
    found["distortion"]["pca"] = pca_mse(train, test, size, 0)
    if len(dataset.classes) > 1:
        chosen = judge.find_judge(dataset, threads, report)
        found["judge"] = {"accuracy": judge.accuracy(chosen, dataset), "features": judge.FEATURES}
        rows = quality.evaluate(bundle, codec, dataset, chosen, samplers, seed, report)
        found["rows"] = [row.to_dict() for row in rows]
    return found
