"""The course of a run: its first cycle, and one more for each continuation of the finished run by more epochs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aetool.training import schedule
from aetool.training.checkpoint import Progress
from aetool.training.config import TrainConfig


@dataclass(frozen=True)
class Cycle:
    """A cycle of the learning rate.

    begun    its first step
    steps    its steps, fewer where patience runs out
    earlier  epochs of the log before the cycle
    epochs   its epochs
    ending   the step at which patience ran out, None before
    later    steps of the cycles that follow
    """

    begun: int
    steps: int
    earlier: int
    epochs: int
    ending: int | None
    later: int

    @property
    def last(self) -> int:
        """The step after which the cycle ends."""
        ending = None if self.ending is None else self.ending - self.begun
        return self.begun + schedule.last_step(self.steps, ending)

    @property
    def planned(self) -> int:
        """The step after which the run ends."""
        return self.last + self.later

    @property
    def peak(self) -> int:
        """The step of the highest learning rate, before which patience does not count."""
        return self.begun + round(self.steps * schedule.WARM_UP)

    def patience(self, configured: int) -> int:
        """Return the steps of patience: those configured, and in a further cycle at least a quarter of its steps."""
        return max(configured, self.steps // 4) if configured and self.begun else configured

    def rate(self, step: int, peak: float) -> float:
        """Return the learning rate of a step."""
        ending = None if self.ending is None else self.ending - self.begun
        return schedule.rate(step - self.begun, self.steps, peak, ending)


def cycle(config: TrainConfig, images: int, progress: Progress) -> Cycle:
    """Return the cycle at which a run on `images` training images stands."""
    epochs = config.more[progress.cycle - 1] if progress.cycle else config.epochs_of(images)
    per_epoch = config.steps_per_epoch(images)
    later = sum(config.more[progress.cycle :]) * per_epoch
    return Cycle(progress.begun, epochs * per_epoch, progress.earlier, epochs, progress.ending, later)


def next_cycle(progress: Progress) -> Progress:
    """Return the progress at the begin of the cycle after a finished one."""
    earlier = progress.history[-1]["epoch"] if progress.history else 0
    return replace(progress, cycle=progress.cycle + 1, begun=progress.step, earlier=earlier, ending=None, loss=0.0)
