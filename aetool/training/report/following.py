"""Following: the reports of a training, with report.html of its run folder written anew meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from aetool.errors import AetoolError
from aetool.system.atomic import write_file
from aetool.training.report.contents import shown
from aetool.training.report.page import FINISHED, STOPPED, TRAINING, page

if TYPE_CHECKING:
    from aetool.training.loop import Report, Trainer

NAME = "report.html"
APART = 5.0
"""Seconds from a page to the next, at least."""
SHARE = 0.01
"""Share of the time of a training that its pages take at most: a slow page is made less often."""


def followed(trainer: Trainer, warn: Callable[[str], None]) -> Iterator[Report]:
    """Train to the end and yield the reports, as `Trainer.reports` does, with a page of the run kept beside.

    The page is written at the beginning, behind evaluations, and at the end, whatever ends the training. Why it cannot
    be written is told to `warn`, once; training goes on. Of several processes the first one writes the page.
    """
    if not trainer.ranks.leads:
        yield from trainer.reports()
        return
    pages = _Pages(trainer, warn)
    pages.write(TRAINING)
    try:
        for report in trainer.reports():
            if report.entry and pages.due() and not trainer.finished:
                pages.write(TRAINING)
            yield report
    finally:
        pages.write(FINISHED if trainer.finished else STOPPED)


class _Pages:
    """The pages of a training: `cost` is the time of the last one, `made_at` the end of it, both in seconds."""

    def __init__(self, trainer: Trainer, warn: Callable[[str], None]) -> None:
        self.trainer, self.warn, self.warned = trainer, warn, False
        self.cost, self.made_at = 0.0, 0.0

    def due(self) -> bool:
        """Return whether a new page takes no more than its share of the time."""
        return time.monotonic() - self.made_at >= max(APART, self.cost / SHARE)

    def write(self, state: str) -> None:
        """Write the page; a failure, whatever it is, is told once."""
        begun = time.monotonic()
        try:
            now = datetime.now().astimezone()
            write_file(self.trainer.run / NAME, page(self.trainer, shown(self.trainer), state, now).encode())
        except Exception as error:
            if not self.warned:
                own = f"{self.trainer.run / NAME} could not be made: {type(error).__name__}: {error}"
                self.warn(f"{error if isinstance(error, AetoolError) else own}; training goes on without it")
            self.warned = True
        self.made_at = time.monotonic()
        self.cost = self.made_at - begun
