"""A training run to a bundle: graphs, proof of parity, bank, manifest and card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aetool import metrics
from aetool.arrays import Latents, OneLine, to_images
from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.folder import identity
from aetool.bundle.golden import WHOLE, Golden, Samples, golden_pictures
from aetool.bundle.manifest import Manifest
from aetool.bundle.scoring import Scoring
from aetool.generation.stored import completed
from aetool.images.spec import ImageSpec
from aetool.latents.bank import Bank, make_bank, write_bank
from aetool.runtime.codec import Codec
from aetool.runtime.devices import onnx_runtime
from aetool.runtime.golden import check_golden, check_pictures
from aetool.system.limits import LIMITS, Limits
from aetool.system.paths import safe_name
from aetool.system.progress import Report
from aetool.training import course
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.checkpoint import Progress
from aetool.training.config import FIXED, TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.data.settings import of_pictures
from aetool.training.data.stored import AnyPixels, blocks, taken
from aetool.training.defaults import filled
from aetool.training.export import parity, weights
from aetool.training.export.graphs import folded, layer_table, to_onnx
from aetool.training.export.mixtures import fit_mixtures
from aetool.training.export.scoring import held_out
from aetool.training.pca import pca_mse
from aetool.training.record import Record, read_record
from aetool.training.recovery import Recovered, recover
from aetool.training.trained import trained_network

CHUNK = 1 << 20
"""Values of images in float32 at a time."""
GOLDEN = 2
FEW_NUMBERS = 1024
"""Numbers of the largest latents of which there are `GOLDEN` in a manifest, of larger ones one: it stays small."""
TRAIN_SAMPLE = 10_000
"""Training images whose distortion is measured."""


@dataclass(frozen=True, repr=False)
class Exported(OneLine):
    """An exported bundle: its files, manifest, identity and default name, and sentences for the user."""

    files: dict[str, bytes]
    manifest: Manifest
    identity: str
    name: str
    notes: tuple[str, ...] = ()


def make_bundle(
    run: Path,
    rows: bool,
    place: str | None = None,
    report: Report = lambda *_: None,
    limits: Limits = LIMITS,
    kind: str = "float32",
) -> Exported:
    """Return the bundle of the last checkpoint of `run`; without `rows` the bank holds statistics only.

    The images are found as `recover` does. Without `rows` none is necessary. `kind` of `weights.KINDS` is how weights
    are stored. Raises `BundleError` where torch and ONNX Runtime differ beyond the bounds of `parity`, or float16
    beyond its own, and `InvalidInput` for other data than the training data.
    """
    onnx_runtime()  # or its absence would be told after minutes of work
    record = read_record(run)
    recovered = recover(run, record, place, report, limits, needed=rows)
    config, dataset = record.config, recovered.dataset
    network, progress, notes = trained_network(config, dataset.spec, run)
    torch.set_num_threads(config.threads)
    graphs = _graphs(network, dataset.spec, config.k)
    shown = dataset.test.pixels if len(dataset.test.pixels) else dataset.train.pixels
    proof = parity.prove(network, Codec(graphs, "cpu"), shown)  # whose memory for the largest batch ends with it
    graphs, stored = weights.stored(graphs, kind, dataset)
    codec = Codec(graphs, "cpu")
    bank = _bank(codec, dataset, config.seed, rows)
    measured = _distortion(codec, dataset, config, progress)
    golden = _golden(codec, bank.mean(None), bank.covariance(None), config.seed)
    scoring = held_out(codec, bank, dataset.test.pixels)
    manifest = _manifest(record, recovered, network, progress, measured, proof, golden, stored, scoring)
    files = {
        "encoder.onnx": graphs.encoder,
        "decoder.onnx": graphs.decoder,
        "bank.npz": write_bank(bank),
        "bundle.json": manifest.to_json(),
    }
    bundle = Bundle(run.name, Manifest.from_json(files["bundle.json"]), files, identity(files))
    check_golden(bundle, Codec(bundle, "cpu"))  # with new sessions, and as a reader will find it
    check_pictures(bundle.manifest)
    said = (*recovered.notes, *notes, *_reservations(bundle.manifest, dataset))
    name = run.name if record.named else safe_name(bundle.manifest.dataset["name"])
    return Exported(files, bundle.manifest, bundle.identity, name, said)


def _reservations(manifest: Manifest, dataset: Dataset) -> Iterator[str]:
    """Yield what a bundle lacks because of unfinished training or missing images."""
    if manifest.stopped:
        yield f"this run is unfinished: {manifest.stopped}"
    if not len(dataset.test.pixels):
        images = "training" if len(dataset.train.pixels) else "made"
        yield f"no held-out image is there: parity is proven on {images} images, and score will not work"
    if not len(dataset.train.pixels):
        yield "no training image is there: the bank is empty, and no images can be sampled"


def _bank(codec: Codec, dataset: Dataset, seed: int, rows: bool) -> Bank:
    """Return the bank of the training images, with its neighbour graph."""
    train, classes = dataset.train, dataset.classes
    latents = _encode(codec, train.pixels)
    mixtures = fit_mixtures(latents, train.labels, len(classes), seed) if len(latents) else None
    return completed(make_bank(latents, train.labels, train.sources, classes, seed, rows, mixtures))


def _graphs(network: Autoencoder, spec: ImageSpec, latent_size: int) -> Graphs:
    images, latents = torch.zeros(2, *spec.shape), torch.zeros(2, latent_size)
    encoder = to_onnx(network.encoder, images, "images", "latents")
    return Graphs(encoder, to_onnx(network.decoder, latents, "latents", "images"), spec, latent_size)


def _manifest(
    record: Record,
    recovered: Recovered,
    network: Autoencoder,
    progress: Progress,
    distortion: dict[str, Any],
    proof: dict[str, Any],
    golden: Golden,
    stored: dict[str, Any] | None,
    scoring: Scoring | None,
) -> Manifest:
    config, data = record.config, recovered.dataset
    layers = layer_table("encoder", folded(network.encoder), torch.zeros(1, *data.spec.shape))
    layers += layer_table("decoder", folded(network.decoder), torch.zeros(1, config.k))
    return Manifest(
        image=data.spec,
        latent_size=config.k,
        classes=data.classes,
        architecture={"name": config.architecture, "options": config.to_dict()["options"]},
        layers=layers,
        dataset=_counts(recovered),
        training=_training(record, recovered, progress),
        exported=datetime.now(UTC).isoformat(timespec="seconds"),
        distortion=distortion,
        parity=proof,
        golden=golden,
        pictures=golden_pictures(data.spec) if of_pictures(config.dataset) else None,
        weights=stored,
        scoring=scoring,
    )


def _counts(recovered: Recovered) -> dict[str, Any]:
    """Return the data set of a manifest; "found" only where images of the run are missing."""
    data, names = recovered.dataset, ["train", "test", *(["validation"] if recovered.planned[2] else [])]
    planned = dict(zip(names, recovered.planned, strict=False))
    found = dict(zip(names, (len(data.train.labels), len(data.test.labels), data.validation_count), strict=False))
    counts = {"name": data.name, "sha256": data.sha256} | planned
    return counts if found == planned else counts | {"found": found}


def _training(record: Record, recovered: Recovered, progress: Progress) -> dict[str, Any]:
    config = record.config
    done: dict[str, Any] = {
        "command": config.command(),
        "steps": progress.step,
        "planned_steps": course.cycle(config, recovered.planned[0], progress).planned,
        "epochs": progress.history[-1]["epoch"] if progress.history else 0,
    }
    if config.chooses:
        chosen = "validation" if recovered.planned[2] else "test" if recovered.planned[1] else None
        done |= {"best_step": progress.best_step, "chosen_by": chosen}
    if progress.ending is not None:
        done["patience_ended"] = progress.ending
    config = filled(config, FIXED)
    kept = {key: getattr(config, key) for key in ("batch_size", "lr", "weight_decay", "seed", "threads")}
    left_out = {"left_out": record.left_out} if record.left_out else {}
    return done | kept | {"seconds": round(progress.seconds, 1)} | left_out


def _encode(codec: Codec, pixels: AnyPixels) -> Latents:
    none = codec.encode(to_images(pixels[:0]))
    return np.concatenate([none, *(codec.encode(to_images(part)) for part in blocks(pixels, CHUNK))])


def _distortion(codec: Codec, dataset: Dataset, config: TrainConfig, progress: Progress) -> dict[str, Any]:
    """Measure the exported graphs: mse, psnr and ssim of the test images, mse of training images, quantiles.

    A figure without its images is None; without test images there are no quantiles.
    """
    train, test = dataset.train.pixels, dataset.test.pixels
    chosen = np.random.default_rng(0).permutation(len(train))[:TRAIN_SAMPLE]
    logged = [entry["pca_mse"] for entry in progress.history if entry["pca_mse"] is not None]
    size = config.k
    pca = logged[0] if logged else _mean(np.array([pca_mse(train, test, size, config.seed)] if len(train) else []))
    mse, ssim = _figures(codec, test)
    first = progress.history[0] if progress.history else {}
    found = {
        "train": _mean(_figures(codec, taken(train, chosen))[0]),
        "test": _mean(mse),
        "pca": pca,
        "validation": progress.best_mse if "validation_pca_mse" in first else None,
        "validation_pca": first.get("validation_pca_mse"),
        "psnr": _mean(-10 * np.log10(mse)),
        "ssim": _mean(ssim),
    }
    if not len(mse):
        return found
    return found | {"quantiles": [float(f"{q:.6g}") for q in np.quantile(mse, np.linspace(0, 1, 101))]}


def _mean(values: npt.NDArray[np.float64] | metrics.Figures) -> float | None:
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


def _golden(codec: Codec, mean: Latents, covariance: npt.NDArray[np.float32], seed: int) -> Golden:
    """Return golden values for every machine: latents around the mean, without a real image."""
    count = GOLDEN if len(mean) <= FEW_NUMBERS else 1
    drawn = np.random.default_rng(seed).standard_normal((count, len(mean)))
    latents = (mean + drawn * np.sqrt(np.diag(covariance))).astype(np.float32)
    images = codec.decode(latents)
    kept = images if math.prod(codec.spec.shape) <= WHOLE else Samples.of(images)
    return Golden(latents, kept, codec.encode(images))
