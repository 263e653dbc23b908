"""The pictures of a run: the curve of its distortion, and reconstructions of its best network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aetool import __version__
from aetool.arrays import to_pixels
from aetool.errors import printable
from aetool.images.provenance import Provenance
from aetool.system.atomic import write_file
from aetool.training import distortion
from aetool.training.plots import loss_curve, reconstruction_sheet

if TYPE_CHECKING:
    from aetool.training.loop import Trainer


def draw(trainer: Trainer) -> None:
    """Write loss.png and reconstructions.png of a finished run, whose network becomes the best one."""
    made = _provenance(trainer)
    write_file(trainer.run / "loss.png", loss_curve(trainer.progress.history, made))
    held_out = trainer.dataset.test.pixels
    shown = (held_out if len(held_out) else trainer.dataset.train.pixels)[:32]
    if trainer.best:
        trainer.network.load_state_dict(trainer.best)
    again = to_pixels(distortion.reconstruct(trainer.network, shown, trainer.device).numpy())
    write_file(trainer.run / "reconstructions.png", reconstruction_sheet(shown, again, made))


def _provenance(trainer: Trainer) -> Provenance:
    """Return the provenance of the pictures of a run: its command and how far it came."""
    reached = f"run {trainer.run.name} at step {trainer.progress.step} of {trainer.steps}"
    return Provenance(f"aetool {__version__}", reached, printable(trainer.config.command()), trainer.config.seed)
