"""Checkpoints: `STEP.safetensors` holds the tensors, `STEP.json` all else and their sha256. No pickle.

The JSON carries a checksum of its own and is written last. Two good checkpoints are kept; an older one is removed when
the newest has been read back. Torch is imported inside functions.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aetool.arrays import OneLine
from aetool.errors import BundleError, ReadWriteError
from aetool.system.atomic import make_folder, write_file, writing
from aetool.system.reading import read_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_BYTES = 1 << 36
"""Bytes of the largest file of a checkpoint."""
SUFFIXES = (".json", ".safetensors")
WHOLE, DAMAGED, UNREADABLE = "whole", "damaged", "unreadable"
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, repr=False)
class Progress(OneLine):
    """The progress of a run.

    step, seconds   steps done and the time they took
    loss            sum of the losses of the steps since the last evaluation
    history         the lines of the log
    best_step, best_mse   of the best network so far: the least distortion of the images that choose
    ending          the step at which patience ran out, None before
    cycle, begun, earlier   number of the cycle, its first step, and epochs of the log before it
    """

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    history: tuple[dict[str, Any], ...] = ()
    best_step: int = 0
    best_mse: float | None = None
    ending: int | None = None
    cycle: int = 0
    begun: int = 0
    earlier: int = 0


def save(folder: Path, tensors: dict[str, Tensor], progress: Progress, settings: dict[str, Any]) -> None:
    """Write a checkpoint, read it back, and delete all but the two newest good ones.

    `settings` are all inputs of the weights besides the data; a resumed run with other settings prints a warning.
    """
    from safetensors.torch import save as dump_tensors

    data = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    keep(folder, progress.step, data, {"progress": asdict(progress), "settings": settings})


@dataclass(frozen=True, repr=False)
class Loaded(OneLine):
    """A loaded checkpoint, its settings, and the damage of newer checkpoints."""

    tensors: dict[str, Tensor]
    progress: Progress
    settings: dict[str, Any]
    damage: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """A sentence for each damaged newer checkpoint."""
        return [f"{damage}; the one before is used" for damage in self.damage]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix`, without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


@contextlib.contextmanager
def fitting(run: Path) -> Iterator[None]:
    """Turn the errors of tensors with other names or shapes into a `BundleError`."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise BundleError(f"the checkpoint in {run} does not fit its configuration") from error


def load_newest(folder: Path) -> Loaded | None:
    """Return the newest good checkpoint, None for a run without checkpoints.

    Raises `BundleError` where all checkpoints are damaged.
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
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    data, body = read(path)
    try:
        return Loaded(load_tensors(data), progress_of(body["progress"]), body["settings"])
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BundleError(f"checkpoint {path.stem} is damaged ({error})") from error


def newest_progress(folder: Path) -> Progress | None:
    """Return the progress of the newest checkpoint by its JSON alone, None without a readable one."""
    for path in reversed(found(folder)):
        try:
            return progress_of(_unsealed(read_file(path))["progress"])
        except (ReadWriteError, ValueError, KeyError, TypeError):
            continue
    return None


def progress_of(fields: dict[str, Any]) -> Progress:
    """Return the progress of its fields as JSON has them; raises `KeyError`, `TypeError` for others."""
    return Progress(**fields | {"history": tuple(fields["history"])})


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Return the state of an optimiser by parameter name."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{names[i]}.{key}": value for i, values in state.items() for key, value in values.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Restore the tensors of `optimiser_tensors`, laid out in memory like the parameters.

    The fused kernels walk through parameter and state side by side in memory: contiguous state of a channels_last
    weight would belong to other values, without an error.
    """
    import torch

    parameters = dict(zip(names, (p for group in optimiser.param_groups for p in group["params"]), strict=True))
    state: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(names))}
    numbers = {name: i for i, name in enumerate(names)}
    for path, tensor in tensors.items():
        if path.startswith("optimiser."):
            name, _, key = path.removeprefix("optimiser.").rpartition(".")
            if name not in numbers:
                continue
            alike = tensor.shape == parameters[name].shape
            state[numbers[name]][key] = torch.empty_like(parameters[name]).copy_(tensor) if alike else tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def keep(folder: Path, step: int, data: bytes, body: dict[str, Any]) -> None:
    """Write a checkpoint of tensors `data` and the JSON `body`, read it back, and keep one good checkpoint before.

    Raises `ReadWriteError`, and `BundleError` where the checkpoint reads back differently.
    """
    with writing(folder):
        make_folder(folder)
    stem = folder / f"{step:09d}"
    for suffix in SUFFIXES:
        if stem.with_suffix(suffix).is_dir():  # somebody's damage: nothing can be written there otherwise
            _remove(stem.with_suffix(suffix))
    write_file(stem.with_suffix(".safetensors"), data)
    write_file(stem.with_suffix(".json"), _sealed(body | {"tensors": hashlib.sha256(data).hexdigest()}))
    read(stem.with_suffix(".json"))
    _prune(folder, stem.with_suffix(".json"))


def _prune(folder: Path, newest: Path) -> None:
    """Remove all checkpoints but the newest, the last good one before, and temporarily unreadable ones.

    Files with later steps than the newest were unreadable when the process began.
    """
    kept = {newest.stem}
    for path in reversed(found(folder)):
        if path < newest:
            state = _state(path)
            kept |= set() if state == DAMAGED else {path.stem}
            if state == WHOLE:
                break
    for suffix in SUFFIXES:  # the JSON first: it makes a checkpoint
        for path in folder.glob(f"[0-9]*{suffix}"):
            if path.stem not in kept:
                with writing(path):
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _state(path: Path) -> str:
    try:
        read(path)
    except BundleError as error:
        failed = error.__cause__.__cause__ if error.__cause__ else None
        return UNREADABLE if isinstance(failed, OSError) and failed.errno not in MISSING else DAMAGED
    return WHOLE


def found(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first, good or not."""
    return sorted(folder.glob("[0-9]*.json"))


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return tensors and body of the checkpoint whose JSON is `path`; raises `BundleError` for any change."""
    try:
        body = _unsealed(read_file(path))
        data = read_file(path.with_suffix(".safetensors"), MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != body.pop("tensors"):
            raise ValueError("its tensors differ from their sha256")
        return data, body
    except (ReadWriteError, ValueError, KeyError) as error:
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
