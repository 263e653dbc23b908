"""A training run to a bundle: graphs, proof of parity, bank, manifest and card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aetool import metrics
from aetool.arrays import Latents, OneLine, Pixels, to_images
from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.folder import identity
from aetool.bundle.manifest import Golden, Manifest
from aetool.errors import InvalidInput
from aetool.generation.stored import completed
from aetool.images.spec import ImageSpec
from aetool.latents.bank import Bank, make_bank, write_bank
from aetool.runtime.codec import Codec
from aetool.runtime.golden import check_golden
from aetool.system.progress import Report
from aetool.training import run_folder
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.checkpoint import Progress
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.export import parity
from aetool.training.export.graphs import folded, layer_table, to_onnx
from aetool.training.export.mixtures import fit_mixtures
from aetool.training.loop import trained_network

CHUNK = 2000
"""Images in float32 at a time."""
GOLDEN = 2
TRAIN_SAMPLE = 10_000
"""Training images whose distortion is measured."""


@dataclass(frozen=True, repr=False)
class Exported(OneLine):
    """An exported bundle: its files, manifest and identity."""

    files: dict[str, bytes]
    manifest: Manifest
    identity: str


def make_bundle(run: Path, rows: bool, report: Report = lambda *_: None) -> Exported:
    """Return the bundle of the last checkpoint of `run`; without `rows` the bank holds statistics only.

    Raises `BundleError` where torch and ONNX Runtime differ beyond the bounds of `parity`, and `InvalidInput` for a
    data set other than the training data.
    """
    config, sha256 = run_folder.read_config(run)
    dataset = run_folder.load_dataset(config, report)
    if dataset.sha256 != sha256:
        raise InvalidInput(f"the data set {config.dataset} is no longer what {run} was trained on; train again")
    network, progress = trained_network(config, dataset, run)
    assert isinstance(network, Autoencoder)
    torch.set_num_threads(config.threads)
    graphs = _graphs(network, dataset.spec, config.latent_size)
    codec = Codec(graphs, "cpu")
    proof = parity.prove(network, codec, dataset.test.pixels)
    bank = _bank(codec, dataset, config.seed, rows)
    measured = _distortion(codec, dataset, progress)
    golden = _golden(codec, bank.mean(None), bank.covariance(None), config.seed)
    manifest = _manifest(config, dataset, network, progress, measured, proof, golden)
    files = {
        "encoder.onnx": graphs.encoder,
        "decoder.onnx": graphs.decoder,
        "bank.npz": write_bank(bank),
        "bundle.json": manifest.to_json(),
    }
    made = Bundle(run.name, Manifest.from_json(files["bundle.json"]), files, identity(files))
    check_golden(made, Codec(made, "cpu"))  # with new sessions, and as a reader will find it
    return Exported(files, made.manifest, made.identity)


def _bank(codec: Codec, dataset: Dataset, seed: int, rows: bool) -> Bank:
    """Return the bank of the training images, with its neighbour graph."""
    train, classes = dataset.train, dataset.classes
    latents = _encode(codec, train.pixels)
    mixtures = fit_mixtures(latents, train.labels, len(classes), seed)
    return completed(make_bank(latents, train.labels, train.sources, classes, seed, rows, mixtures))


def _graphs(network: Autoencoder, spec: ImageSpec, latent_size: int) -> Graphs:
    images, latents = torch.zeros(2, *spec.shape), torch.zeros(2, latent_size)
    encoder = to_onnx(network.encoder, images, "images", "latents")
    return Graphs(encoder, to_onnx(network.decoder, latents, "latents", "images"), spec, latent_size)


def _manifest(
    config: TrainConfig,
    dataset: Dataset,
    network: Autoencoder,
    progress: Progress,
    distortion: dict[str, Any],
    proof: dict[str, Any],
    golden: Golden,
) -> Manifest:
    one = torch.zeros(1, *dataset.spec.shape)
    layers = layer_table("encoder", folded(network.encoder), one)
    layers += layer_table("decoder", folded(network.decoder), torch.zeros(1, config.latent_size))
    settings = config.to_dict()
    counts = {"train": len(dataset.train.pixels), "test": len(dataset.test.pixels)}
    done: dict[str, Any] = {
        "command": config.command(),
        "steps": progress.step,
        "epochs": len(progress.history),
    }
    kept = {key: settings[key] for key in ("batch_size", "lr", "weight_decay", "seed", "threads")}
    return Manifest(
        image=dataset.spec,
        latent_size=config.latent_size,
        classes=dataset.classes,
        architecture={"name": config.architecture, "options": settings["options"]},
        layers=layers,
        dataset={"name": dataset.name, "sha256": dataset.sha256, **counts},
        training=done | kept | {"seconds": round(progress.seconds, 1)},
        exported=datetime.now(UTC).isoformat(timespec="seconds"),
        distortion=distortion,
        parity=proof,
        golden=golden,
    )


def _encode(codec: Codec, pixels: Pixels) -> Latents:
    return np.concatenate([codec.encode(to_images(pixels[i : i + CHUNK])) for i in range(0, len(pixels), CHUNK)])


def _distortion(codec: Codec, dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """Measure the exported graphs: mse, psnr and ssim of the test images, mse of training images, quantiles."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(dataset.train.pixels))[:TRAIN_SAMPLE]
    train = np.concatenate([mse for mse, _ in _figures(codec, dataset.train.pixels[chosen])])
    parts = list(_figures(codec, dataset.test.pixels))
    test = np.concatenate([mse for mse, _ in parts])
    quantiles = np.quantile(test, np.linspace(0, 1, 101))
    return {
        "train": float(train.mean()),
        "test": float(test.mean()),
        "pca": next((entry["pca_mse"] for entry in progress.history), math.nan),
        "psnr": float(-10 * np.log10(test).mean()),
        "ssim": float(np.concatenate([ssim for _, ssim in parts]).mean()),
        "quantiles": [float(f"{q:.6g}") for q in quantiles],
    }


def _figures(codec: Codec, pixels: Pixels) -> list[tuple[metrics.Figures, metrics.Figures]]:
    figures = []
    for start in range(0, len(pixels), CHUNK):
        images = to_images(pixels[start : start + CHUNK])
        again = codec.reconstruct(images)
        figures.append((metrics.mse(images, again), metrics.ssim(images, again)))
    return figures


def _golden(codec: Codec, mean: Latents, covariance: npt.NDArray[np.float32], seed: int) -> Golden:
    """Return golden values for every machine: latents around the mean, without a real image."""
    drawn = np.random.default_rng(seed).standard_normal((GOLDEN, len(mean)))
    latents = (mean + drawn * np.sqrt(np.diag(covariance))).astype(np.float32)
    images = codec.decode(latents)
    return Golden(latents, images, codec.encode(images))
