"""Checkpoints: tensors as safetensors, all else as JSON that holds their sha256 (`kept`). No pickle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from aetool.errors import BundleError
from aetool.training import kept
from aetool.training.kept import found


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps done, seconds they took, the sum of this epoch's step losses, and one entry an epoch."""

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    history: tuple[dict[str, Any], ...] = ()


def save(folder: Path, tensors: dict[str, Tensor], progress: Progress, settings: dict[str, Any]) -> None:
    """Write a checkpoint, read it back, and delete all but the two newest good ones.

    `settings` is what the weights follow from besides the data: another run of them is told when it goes on from here.
    """
    data = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    kept.keep(folder, progress.step, data, {"progress": asdict(progress), "settings": settings})


@dataclass(frozen=True)
class Loaded:
    """A checkpoint, the settings it was made with, and what was wrong with newer ones."""

    tensors: dict[str, Tensor]
    progress: Progress
    settings: dict[str, Any]
    damage: tuple[str, ...] = ()


def load_newest(folder: Path) -> Loaded | None:
    """Return the newest good checkpoint; None where there never was one.

    Raises `BundleError` where there are some and all are damaged.
    """
    damage: list[str] = []
    for path in reversed(found(folder)):
        try:
            return replace(load(path), damage=tuple(damage))
        except BundleError as error:
            damage.append(str(error))
    if damage:
        raise BundleError(f"no checkpoint in {folder} is whole; start a new run")
    return None


def load(path: Path) -> Loaded:
    """Return the checkpoint whose JSON is `path`; raises `BundleError` for any change."""
    data, body = kept.read(path)
    try:
        progress = body["progress"]
        restored = Progress(**progress | {"history": tuple(progress["history"])})
        return Loaded(load_tensors(data), restored, body["settings"])
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BundleError(f"checkpoint {path.stem} is damaged ({error})") from error


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Return the state of an optimiser by parameter name."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{names[i]}.{key}": value for i, values in state.items() for key, value in values.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Put what `optimiser_tensors` gave back, laid out in memory as the parameters are.

    The fused kernels walk through parameter and state side by side in memory: contiguous state of a channels_last
    weight would belong to other values, without an error.
    """
    parameters = dict(zip(names, (p for group in optimiser.param_groups for p in group["params"]), strict=True))
    state: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(names))}
    numbers = {name: i for i, name in enumerate(names)}
    for path, tensor in tensors.items():
        if path.startswith("optimiser."):
            name, _, key = path.removeprefix("optimiser.").rpartition(".")
            alike = tensor.shape == parameters[name].shape
            state[numbers[name]][key] = torch.empty_like(parameters[name]).copy_(tensor) if alike else tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
