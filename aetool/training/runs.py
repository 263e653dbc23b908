"""The runs in ./runs, as their files describe them: settings, progress and distortion, read without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aetool.arrays import OneLine
from aetool.errors import BundleError, ReadWriteError
from aetool.system.atomic import in_use
from aetool.training import checkpoint, course
from aetool.training.checkpoint import Progress
from aetool.training.record import Record, read_record
from aetool.training.run_folder import all_runs

BEGUN, FINISHED, UNFINISHED, WORKING = "no checkpoint yet", "finished", "unfinished", "in training now"
DAMAGED, UNKNOWN = "damaged", "finished or not"


@dataclass(frozen=True, repr=False)
class Run(OneLine):
    """A run: its folder, its record, the progress of its newest readable checkpoint, and its state."""

    path: Path
    record: Record
    progress: Progress
    state: str

    @property
    def planned(self) -> int | None:
        """The steps of the whole training, None where the number of images is unknown."""
        if self.record.images is None:
            return None
        images = sum(not (image.held_out or image.validation) for image in self.record.images)
        return course.cycle(self.record.config, images, self.progress).planned

    @property
    def best(self) -> dict[str, Any]:
        """The line of the log of the best network, of the last one where none was chosen; empty before the first."""
        history, best = self.progress.history, self.progress.best_step
        chosen = [entry for entry in history if self.record.config.chooses and entry["step"] == best]
        return (chosen or [*history] or [{}])[-1]


def survey() -> Iterator[Run | BundleError]:
    """Yield the runs in ./runs, oldest first, and an error for each damaged one."""
    for path in all_runs():
        try:
            yield describe(path)
        except (BundleError, ReadWriteError) as error:
            yield BundleError(str(error))


def describe(path: Path) -> Run:
    """Return the run in the folder `path`; raises `BundleError` for a damaged config.json."""
    record, progress = read_record(path), checkpoint.newest_progress(path / "checkpoints")
    run = Run(path, record, progress or Progress(), BEGUN)
    if in_use(path):
        state = WORKING
    elif progress is None:
        state = DAMAGED if any((path / "checkpoints").glob("*.json")) else BEGUN
    elif run.planned is None:
        state = UNKNOWN
    else:
        state = FINISHED if progress.step >= run.planned else UNFINISHED
    return Run(path, record, run.progress, state)
