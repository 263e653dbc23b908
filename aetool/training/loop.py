"""The training loop: quadratic distortion, AdamW, one cycle; yields reports and prints nothing.

All random numbers follow from seed and step (the order of an epoch from seed and epoch), so a checkpoint needs no
generator state, and a resumed run computes the same bits as an uninterrupted run.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from aetool import __version__
from aetool.arrays import to_pixels
from aetool.errors import BundleError, DeviceUnavailable, UsageError, printable
from aetool.images.provenance import Provenance
from aetool.images.spec import ImageSpec
from aetool.system.atomic import write_file
from aetool.training import augment, checkpoint, distortion, run_folder
from aetool.training.architectures.autoencoder import Autoencoder, build
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.pca import pca_mse
from aetool.training.plots import loss_curve, reconstruction_sheet

SAVE_EVERY = 30.0
"""Seconds between checkpoints."""
REPORT_EVERY = 0.1
"""Seconds between reports within an epoch."""
WARM_UP = 0.25
"""Share of the steps in which the learning rate rises."""
SETTLE = 0.2
"""Share of the last steps with images without elastic bending."""


@dataclass(frozen=True)
class Report:
    """A report of training.

    `train_mse` is the mean since the epoch began; `test_mse` is None except at an epoch's end, where it is NaN if no
    images are held out.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    train_mse: float
    test_mse: float | None = None


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step: cosine from peak / 25 up to the peak, then down to peak / 10,000.

    Smith and Topin, "Super-convergence", 2018, with cosine instead of linear flanks.
    """
    done = step / steps
    low, share = (0.04, 1 - done / WARM_UP) if done < WARM_UP else (1e-4, (done - WARM_UP) / (1 - WARM_UP))
    return peak * (low + (1 - low) * (1 + math.cos(math.pi * share)) / 2)


def torch_device(name: str) -> torch.device:
    """Return the device called auto, cpu, cuda or mps; raises `DeviceUnavailable`. Only a named mps is used."""
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("torch finds no CUDA device here", fix="no-device")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceUnavailable("torch finds no MPS device here, which Apple's own processors have", fix="no-device")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


class Trainer:
    """A training run at work: `reports()` trains, `save()` keeps a checkpoint at any time between two reports."""

    def __init__(self, config: TrainConfig, dataset: Dataset, run: Path) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        self.device = torch_device(config.device)
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        network = build(config.architecture, config.options, dataset.spec.shape, config.latent_size)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.names = [name for name, _ in network.named_parameters()]
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.batch_size = min(config.batch_size, len(dataset.train.pixels))
        self.per_epoch = config.steps_per_epoch(len(dataset.train.pixels))
        self.epochs = config.epochs_for(self.per_epoch)
        self.steps = self.epochs * self.per_epoch
        self.progress = checkpoint.Progress()
        self.settings = run_folder.settings(config)
        self.floor = math.nan
        self._saved_at = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.progress.step >= self.steps

    def resume(self) -> list[str]:
        """Continue from the newest good checkpoint, if any, and return warnings for the user.

        The warnings name damaged newer checkpoints, and settings with an effect on the weights.
        """
        loaded = checkpoint.load_newest(self.run / "checkpoints")
        if loaded is None:
            return []
        self.progress = loaded.progress
        with _fitting(self.run):
            self.network.load_state_dict(_weights(loaded))
            checkpoint.restore_optimiser(self.optimiser, self.names, loaded.tensors)
        return _damage(loaded) + run_folder.differences(loaded.settings, self.settings)

    def save(self) -> None:
        """Write a checkpoint and the log."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= checkpoint.optimiser_tensors(self.optimiser, self.names)
        checkpoint.save(self.run / "checkpoints", tensors, self.progress, self.settings)
        run_folder.write_log(self.run, self.progress.history)
        self._saved_at = time.monotonic()

    def reports(self) -> Iterator[Report]:
        """Train to the end, saving every `SAVE_EVERY` seconds and at last; yields about every tenth of a second."""
        pixels = torch.from_numpy(self.dataset.train.pixels).to(self.device)
        self.floor = self._pca_floor()
        while not self.finished:
            yield from self._epoch(pixels)
        self.save()
        self._draw()

    def _pca_floor(self) -> float:
        train, test = self.dataset.train.pixels, self.dataset.test.pixels
        return pca_mse(train, test, self.config.latent_size, self.config.seed)

    def _epoch(self, pixels: Tensor) -> Iterator[Report]:
        """Train from where the run stands to the end of the epoch."""
        epoch, first = divmod(self.progress.step, self.per_epoch)
        order = self._order(epoch).to(self.device)
        last = started = time.monotonic()
        self.network.train()
        for i in range(first, self.per_epoch):
            batch = pixels[order[i * self.batch_size : (i + 1) * self.batch_size]]
            loss = float(self.step(batch))
            if not math.isfinite(loss):
                raise UsageError(f"training diverged at step {self.progress.step}", fix="diverged")
            now = time.monotonic()
            self._advance(loss, now - started)
            started = now
            if now - last >= REPORT_EVERY and i + 1 < self.per_epoch:
                last = now
                yield Report(self.progress.step, self.steps, epoch + 1, self.epochs, self.progress.loss / (i + 1))
                self._save_if_due()
        yield self._end_epoch(epoch)
        self._save_if_due()

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        return torch.randperm(len(self.dataset.train.pixels), generator=generator)

    def _augmented(self, batch: Tensor) -> Tensor:
        """Return the batch as float images in [0, 1], changed at random as the configuration asks."""
        config, step = self.config, self.progress.step
        generator = torch.Generator().manual_seed((2**62 + config.seed * 1_000_003 + step) % 2**63)  # not as `_order`
        if config.shift:
            batch = augment.shifted(batch, config.shift, generator)
        images = batch.float().div_(255)
        if config.elastic and step < self.steps * (1 - SETTLE):
            images = augment.elastic(images, config.elastic, generator)
        return images.contiguous(memory_format=torch.channels_last)

    def step(self, pixels: Tensor) -> Tensor:
        """Train on a batch, uint8 (n, c, h, w), and return its mean squared error."""
        images = self._augmented(pixels)
        for group in self.optimiser.param_groups:
            group["lr"] = one_cycle(self.progress.step, self.steps, self.config.lr)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            reconstructions = self.network(images)
        loss = mse_loss(reconstructions.float(), images)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()

    def _advance(self, loss: float, seconds: float) -> None:
        done = self.progress
        self.progress = replace(done, step=done.step + 1, seconds=done.seconds + seconds, loss=done.loss + loss)

    def _end_epoch(self, epoch: int) -> Report:
        done = self.progress
        train_mse = done.loss / self.per_epoch
        test_mse = distortion.test_mse(self.network, self.dataset.test.pixels, self.device)
        entry = {"epoch": epoch + 1, "step": done.step, "train_mse": train_mse, "test_mse": _known(test_mse),
                 "pca_mse": _known(self.floor), "seconds": round(done.seconds, 3)}  # fmt: skip
        self.progress = replace(done, loss=0.0, history=(*done.history, entry))
        return Report(done.step, self.steps, epoch + 1, self.epochs, train_mse, test_mse)

    def _draw(self) -> None:
        made = self._provenance()
        write_file(self.run / "loss.png", loss_curve(self.progress.history, self.floor, made))
        held_out = self.dataset.test.pixels
        shown = (held_out if len(held_out) else self.dataset.train.pixels)[:32]
        again = to_pixels(distortion.reconstruct(self.network, shown, self.device).numpy())
        write_file(self.run / "reconstructions.png", reconstruction_sheet(shown, again, made))

    def _provenance(self) -> Provenance:
        """Return the provenance of the pictures of the run: its command and how far it came."""
        reached = f"run {self.run.name} at step {self.progress.step} of {self.steps}"
        return Provenance(f"aetool {__version__}", reached, printable(self.config.command()), self.config.seed)


def _known(figure: float) -> float | None:
    """Return a figure as a JSON value: None for the NaN of no held-out images."""
    return None if math.isnan(figure) else figure


@contextlib.contextmanager
def _fitting(run: Path) -> Iterator[None]:
    """Turn the errors of tensors with other names or shapes into a `BundleError`."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise BundleError(f"the checkpoint in {run} does not fit its configuration") from error


def _weights(loaded: checkpoint.Loaded) -> dict[str, Tensor]:
    prefix = "network."
    return {name.removeprefix(prefix): value for name, value in loaded.tensors.items() if name.startswith(prefix)}


def _damage(loaded: checkpoint.Loaded) -> list[str]:
    return [f"{damage}; the one before is used" for damage in loaded.damage]


def trained_network(
    config: TrainConfig, spec: ImageSpec, run: Path
) -> tuple[Autoencoder, checkpoint.Progress, list[str]]:
    """Return the network of the newest good checkpoint of a run, its progress, and the damage of newer checkpoints.

    Raises `BundleError` without a checkpoint.
    """
    loaded = checkpoint.load_newest(run / "checkpoints")
    if loaded is None or not loaded.progress.step:
        raise BundleError(f"{run} has no checkpoint yet", fix="unfinished")
    network = build(config.architecture, config.options, spec.shape, config.latent_size)
    with _fitting(run):
        network.load_state_dict(_weights(loaded))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), loaded.progress, _damage(loaded)
