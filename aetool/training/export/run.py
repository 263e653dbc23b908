"""A training run to a bundle: graphs, proof of parity, bank, manifest and card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aetool.bundle.about import About
from aetool.bundle.bundle import Graphs
from aetool.bundle.golden import Golden, golden_pictures
from aetool.bundle.manifest import Manifest
from aetool.bundle.scoring import Scoring
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.runtime.devices import onnx_runtime
from aetool.system.limits import LIMITS, Limits
from aetool.system.paths import safe_name
from aetool.system.progress import Report
from aetool.training import course
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.checkpoint import Progress
from aetool.training.config import FIXED, TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.data.settings import of_pictures
from aetool.training.defaults import filled
from aetool.training.export import parity, weights
from aetool.training.export.assemble import (
    Exported,
    bank_of,
    distortion_of,
    exported,
    finished,
    golden_values,
    mean_of,
)
from aetool.training.export.graphs import folded, layer_table, to_onnx
from aetool.training.export.scoring import held_out
from aetool.training.pca import pca_mse
from aetool.training.record import Record, read_record
from aetool.training.recovery import Recovered, recover
from aetool.training.trained import trained_network


def make_bundle(
    run: Path,
    rows: bool,
    place: str | None = None,
    report: Report = lambda *_: None,
    limits: Limits = LIMITS,
    kind: str = "float32",
    about: About | None = None,
    placed: bool = False,
) -> Exported:
    """Return the bundle of the last checkpoint of `run`; without `rows` the bank holds statistics only.

    The images are found as `recover` does. Without `rows` none is necessary. `kind` of `weights.KINDS` is how weights
    are stored, `about` what the author says; `placed` asks for a map of more than `QUICK` rows too.
    Raises `BundleError` where torch and ONNX Runtime differ beyond the bounds of `parity`, or float16 beyond its own,
    and `InvalidInput` for other data than the training data.
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
    bank = bank_of(codec, dataset, config.seed, rows, report, placed)
    measured = _distortion(codec, dataset, config, progress)
    golden = golden_values(codec, bank.mean(None), bank.covariance(None), config.seed)
    scoring = held_out(codec, bank, dataset.test.pixels)
    manifest = _manifest(record, recovered, network, progress, measured, proof, golden, stored, scoring)
    bundle = finished(run.name, graphs, bank, replace(manifest, about=about))
    said = (*recovered.notes, *notes, *_reservations(bundle.manifest, dataset))
    name = run.name if record.named else safe_name(bundle.manifest.dataset["name"])
    return exported(bundle, name, said)


def _reservations(manifest: Manifest, dataset: Dataset) -> Iterator[str]:
    """Yield what a bundle lacks because of unfinished training or missing images."""
    if manifest.stopped:
        yield f"this run is unfinished: {manifest.stopped}"
    if not len(dataset.test.pixels):
        images = "training" if len(dataset.train.pixels) else "made"
        yield f"no held-out image is there: parity is proven on {images} images, and score will not work"
    if not len(dataset.train.pixels):
        yield "no training image is there: the bank is empty, and no images can be sampled"


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


def _distortion(codec: Codec, dataset: Dataset, config: TrainConfig, progress: Progress) -> dict[str, Any]:
    """Measure the exported graphs, beside the PCA and the validation images of the training."""
    train, test = dataset.train.pixels, dataset.test.pixels
    logged = [entry["pca_mse"] for entry in progress.history if entry["pca_mse"] is not None]
    measured = [pca_mse(train, test, config.k, config.seed)] if len(train) and not logged else []
    first = progress.history[0] if progress.history else {}
    best = progress.best_mse if "validation_pca_mse" in first else None
    pca = logged[0] if logged else mean_of(np.array(measured))
    return distortion_of(codec, dataset, pca, (best, first.get("validation_pca_mse")))
