"""The measuring of a network in training: a line of the log, the best network so far, and the end of patience."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aetool.training import distortion
from aetool.training.calibration import calibrate

if TYPE_CHECKING:
    from aetool.training.loop import Trainer


def measure(trainer: Trainer, epoch: int, train_mse: float | None, floors: dict[str, Any]) -> None:
    """Measure the network, keep it if it is the best so far, and add a line to the log."""
    data, done = trainer.dataset, trainer.progress
    calibrate(trainer.network, data.train.pixels, trainer.config.seed, trainer.device)
    test_mse = distortion.test_mse(trainer.network, data.test.pixels, trainer.device)
    entry = {"epoch": epoch, "step": done.step, "train_mse": train_mse, "test_mse": known(test_mse)}
    judged = test_mse
    if data.validation:
        judged = distortion.test_mse(trainer.network, data.validation.pixels, trainer.device)
        entry["validation_mse"] = judged
    entry |= floors | {"seconds": round(done.seconds, 3)}
    trainer.progress = replace(done, loss=0.0, history=(*done.history, entry))
    if trainer.config.chooses:
        _choose(trainer, judged)


def _choose(trainer: Trainer, mse: float) -> None:
    """Keep the network if its distortion is the least so far; let training end where patience runs out."""
    done, patience = trainer.progress, trainer.cycle.patience(trainer.config.patience or 0)
    if done.best_mse is None or not mse >= done.best_mse:
        trainer.best = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
        trainer.progress = replace(done, best_step=done.step, best_mse=known(mse))
    elif patience and done.ending is None and done.step - max(done.best_step, trainer.cycle.peak) >= patience:
        trainer.progress = replace(done, ending=done.step)


def known(figure: float) -> float | None:
    """Return a figure as a JSON value: None for the NaN of no held-out images."""
    return None if math.isnan(figure) else figure
