"""Checkpoints: tensors as safetensors, all else as JSON that holds their sha256. No pickle.

A checkpoint is `STEP.safetensors` and `STEP.json`; the JSON is written last and makes it one. The two newest are kept,
and an older one is deleted only when the newest has been read back.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from aetool.errors import BundleError
from aetool.files import write_file

KEPT = 2


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps done, seconds they took, the sum of this epoch's step losses, and one entry an epoch."""

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    history: tuple[dict[str, Any], ...] = ()


def save(folder: Path, tensors: dict[str, Tensor], progress: Progress) -> None:
    """Write a checkpoint, read it back, and delete all but the two newest."""
    folder.mkdir(exist_ok=True)
    data = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    body = asdict(progress) | {"tensors": hashlib.sha256(data).hexdigest()}
    stem = folder / f"{progress.step:09d}"
    write_file(stem.with_suffix(".safetensors"), data)
    write_file(stem.with_suffix(".json"), _sealed(body))
    load(stem.with_suffix(".json"))
    newest = found(folder)
    for path in folder.glob("*.safetensors"):
        if path.with_suffix(".json") not in newest[-KEPT:]:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()


def found(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first, good or not."""
    return sorted(folder.glob("[0-9]*.json"))


def load_newest(folder: Path) -> tuple[dict[str, Tensor], Progress, list[str]] | None:
    """Return the newest good checkpoint and what was wrong with newer ones; None where there never was one.

    Raises `BundleError` where there are some and all are damaged.
    """
    damage: list[str] = []
    for path in reversed(found(folder)):
        try:
            return *load(path), damage
        except BundleError as error:
            damage.append(str(error))
    if damage:
        raise BundleError(f"no checkpoint in {folder} is whole; start a new run")
    return None


def load(path: Path) -> tuple[dict[str, Tensor], Progress]:
    """Return tensors and progress of the checkpoint whose JSON is `path`; raises `BundleError` for any change."""
    try:
        body = _unsealed(path.read_bytes())
        data = path.with_suffix(".safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != body.pop("tensors"):
            raise ValueError("its tensors differ from their sha256")
        return load_tensors(data), Progress(**body | {"history": tuple(body["history"])})
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BundleError(f"checkpoint {path.stem} is damaged ({error})") from error


def _sealed(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True)
    return f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def _unsealed(data: bytes) -> dict[str, Any]:
    text, _, seal = data.decode().partition("\n")
    if seal != hashlib.sha256(text.encode()).hexdigest() + "\n":
        raise ValueError("its JSON differs from its sha256")
    body: dict[str, Any] = json.loads(text)
    return body


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
