"""The training loop: quadratic distortion, AdamW, one cycle; yields reports and prints nothing.

All random numbers follow from seed and step (the order of an epoch from seed and epoch), so a checkpoint needs no
generator state, and a resumed run computes the same bits as an uninterrupted run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aetool.errors import ProcessEnded, UsageError
from aetool.training import checkpoint, pca, run_folder
from aetool.training.architectures.autoencoder import build
from aetool.training.config import LEARNING_RATE, TrainConfig
from aetool.training.course import Cycle, cycle, next_cycle
from aetool.training.data.dataset import Dataset
from aetool.training.defaults import COMPONENTS
from aetool.training.drawing import draw
from aetool.training.measuring import known, measure
from aetool.training.ranks import ALONE, Ranks
from aetool.training.steps import Steps

SAVE_EVERY = 30.0
"""Seconds between checkpoints."""
REPORT_EVERY = 0.1
"""Seconds between reports within an epoch."""
EVALUATIONS = 100
"""Most evaluations of a run, at the ends of epochs; also the most lines of its log, besides that of step 0."""
TRIAL = 2.0
"""Seconds in which the steps are timed."""
OVERHEAD = 1.25
"""Time of training in units of that of its forward and backward passes: weights are changed, networks evaluated."""
SETTLE = 0.2
"""Share of the last steps with images that are not bent, turned or scaled."""


@dataclass(frozen=True)
class Report:
    """A report of training.

    `train_mse` is the mean since the last evaluation. `entry` is the line of the log where one was written.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    train_mse: float
    entry: dict[str, Any] | None = None


class Trainer:
    """A training run at work: `reports()` trains, `save()` keeps a checkpoint at any time between two reports.

    Of several ranks the one that leads starts the network, measures and writes; progress and weights are its own.
    """

    def __init__(
        self, config: TrainConfig, dataset: Dataset, run: Path, found: pca.Pca | None = None, ranks: Ranks = ALONE
    ) -> None:
        self.config, self.dataset, self.run, self.pca, self.ranks = config, dataset, run, found, ranks
        self.device = ranks.device(config.device)
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        network = build(config.architecture, config.options, dataset.spec.shape, config.k)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = len(dataset.train.labels)
        self.batch_size, self.per_epoch = config.batch(images), config.steps_per_epoch(images)
        share = ranks.share(self.batch_size)
        self._steps = Steps(self.network, config, self.device, dataset.train.pixels, ranks, share)
        self.progress = checkpoint.Progress()
        self.best: dict[str, Tensor] = {}
        self.expected = 0.0
        self.settings = run_folder.settings(config)
        self._saved_at = time.monotonic()

    @property
    def cycle(self) -> Cycle:
        """The present cycle."""
        return cycle(self.config, len(self.dataset.train.labels), self.progress)

    @property
    def steps(self) -> int:
        """The steps of the whole training, where patience does not run out."""
        return self.cycle.begun + self.cycle.steps + self.cycle.later

    @property
    def epochs(self) -> int:
        """The last epoch of the present cycle."""
        return self.cycle.earlier + self.cycle.epochs

    @property
    def last_step(self) -> int:
        """The step after which training ends: fewer than `steps` once patience ran out."""
        return self.cycle.planned

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.progress.step >= self.last_step

    def _turn(self) -> None:
        """Begin the next cycle where one has ended: from the best network, with a new optimiser."""
        if self.progress.step < self.cycle.last:
            return
        if self.best:
            self.network.load_state_dict(self.best)
        self._steps.renew()
        self.progress = next_cycle(self.progress)
        self._spread()

    def _spread(self) -> None:
        """Give all ranks the weights of the one that leads, as after every change that is no step."""
        self.ranks.spread(self.network.state_dict().values())

    @property
    def floors(self) -> dict[str, float | None]:
        """The distortion of PCA on test and on validation images, as in the log; None without images."""
        first = self.progress.history[0] if self.progress.history else {}
        return {name: first.get(name) for name in ("pca_mse", "validation_pca_mse")}

    @property
    def chosen_by(self) -> str | None:
        """The images that choose the best network: "validation", "test" for few images, None without held-out ones."""
        return "validation" if self.dataset.validation else "test" if len(self.dataset.test.labels) else None

    def resume(self) -> list[str]:
        """Continue from the newest good checkpoint, if any, and return warnings for the user.

        The warnings name damaged newer checkpoints, and settings with an effect on the weights.
        """
        loaded = checkpoint.load_newest(self.run / "checkpoints")
        if loaded is None:
            return []
        self.progress = loaded.progress
        with checkpoint.fitting(self.run):
            self.network.load_state_dict(loaded.part("network."))
            self._steps.optimisers.restore(loaded.tensors)
        self.best = {name: tensor.to(self.device) for name, tensor in loaded.part("best.").items()}
        return loaded.warnings + run_folder.differences(loaded.settings, self.settings)

    def save(self) -> None:
        """Write a checkpoint and the log, if this rank leads."""
        if not self.ranks.leads:
            return
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= self._steps.optimisers.tensors()
        checkpoint.save(self.run / "checkpoints", tensors, self.progress, self.settings)
        run_folder.write_log(self.run, self.progress.history)
        self._saved_at = time.monotonic()

    def reports(self) -> Iterator[Report]:
        """Train to the end, saving every `SAVE_EVERY` seconds and at last; yields about every tenth of a second.

        Raises `ProcessEnded`, after saving, where another rank ended.
        """
        self.begin()
        try:
            while not self.finished:
                self._turn()
                yield from self._epoch()
        except ProcessEnded:
            self.save()
            raise
        self.save()
        if self.ranks.leads:
            draw(self)

    def begin(self) -> None:
        """Fit PCA, start from it where the architecture does, and evaluate the network of step 0, all this once."""
        if self.progress.history or self.progress.step:
            return
        floors = self._start() if self.ranks.leads else {}
        self.pca = None
        self._spread()
        self._time()
        self._evaluate(0, None, floors | {"chosen_by": self.chosen_by})

    def _start(self) -> dict[str, Any]:
        """Fit PCA, start the network from it or from another run's, and return the distortions of PCA for the log."""
        data, k = self.dataset, self.config.k
        found = self.pca or pca.fit(data.train.pixels, max(k, COMPONENTS), self.config.seed)
        found = found.first(k)
        if self.config.start:
            self.network.load_state_dict(run_folder.first_weights(self.run))
        elif self.network.starts_from_pca:
            self.network.start(data.train.pixels, found, self.config.seed)
        floors: dict[str, Any] = {"pca_mse": known(pca.distortion(found, data.test.pixels))}
        if data.validation:
            floors["validation_pca_mse"] = known(pca.distortion(found, data.validation.pixels))
        return floors

    def _time(self) -> None:
        """Time forward and backward passes, for at most about `TRIAL` seconds; no weight changes."""
        batch = self._steps.images(np.arange(self.batch_size))
        self.network.train()
        started, times = time.monotonic(), [math.inf]
        while self.ranks.told(len(times) < 5 and time.monotonic() - started < TRIAL):
            before = time.monotonic()
            self._steps.gradients(self._changed(batch))
            times.append(time.monotonic() - before)
        self._steps.optimisers.forget()
        self.expected = min(times) * OVERHEAD * self.steps

    def _epoch(self) -> Iterator[Report]:
        """Train from where the run stands to the end of the epoch, or of training."""
        now = self.cycle
        epoch, first = divmod(self.progress.step - now.begun, self.per_epoch)
        epoch += now.earlier
        order = self._order(epoch)
        last = started = time.monotonic()
        self.network.train()
        for i in range(first, self.per_epoch):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            loss = float(self.step(self._steps.images(rows)))
            if not math.isfinite(loss):
                raise UsageError(f"training diverged at step {self.progress.step}", fix="diverged")
            at = time.monotonic()
            self._advance(loss, at - started)
            started = at
            if self.progress.step >= self.cycle.last:
                break
            if at - last >= REPORT_EVERY and i + 1 < self.per_epoch:
                last = at
                yield self._report(epoch + 1)
                self._save_if_due()
        every = -(-now.epochs // EVALUATIONS)
        if (epoch + 1 - now.earlier) % every == 0 or self.progress.step >= self.cycle.last:
            yield self._evaluate(epoch + 1, self._mean_loss(), self.floors)
        self._save_if_due()

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = torch.Generator().manual_seed((self.config.seed * 1_000_003 + epoch) % 2**63)
        order: npt.NDArray[np.int64] = torch.randperm(len(self.dataset.train.labels), generator=generator).numpy()
        return order

    def _changed(self, batch: Tensor) -> Tensor:
        """Return a batch as float images, changed at random for the present step."""
        now, step = self.cycle, self.progress.step
        return self._steps.changed(batch, step, settling=step - now.begun >= now.steps * (1 - SETTLE))

    def step(self, pixels: Tensor) -> Tensor:
        """Train on a batch, uint8 (n, c, h, w), and return its mean squared error."""
        rate = self.cycle.rate(self.progress.step, self.config.lr or LEARNING_RATE)
        return self._steps.step(self._changed(pixels), rate)

    def _advance(self, loss: float, seconds: float) -> None:
        done = self.progress
        self.progress = replace(done, step=done.step + 1, seconds=done.seconds + seconds, loss=done.loss + loss)

    def _mean_loss(self) -> float:
        """Return the mean loss of the steps since the last evaluation."""
        since = self.progress.history[-1]["step"] if self.progress.history else 0
        return self.progress.loss / max(1, self.progress.step - since)

    def _report(self, epoch: int) -> Report:
        return Report(self.progress.step, self.last_step, epoch, self.epochs, self._mean_loss())

    def _evaluate(self, epoch: int, train_mse: float | None, floors: dict[str, Any]) -> Report:
        """Measure the network, keep it if it is the best so far, and add a line to the log."""
        report = self._report(epoch)
        if self.ranks.leads:
            measure(self, epoch, train_mse, floors)
        if not self.ranks.alone:
            self.progress = checkpoint.progress_of(self.ranks.told(asdict(self.progress)))
            self._spread()  # processors of different kinds round differently
        return replace(report, entry=self.progress.history[-1])
