"""Run folders: where training keeps its configuration, log, checkpoints and pictures."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aetool.errors import BundleError, UsageError, printable, some
from aetool.system.atomic import claim_folder, make_folder, sync_folder, write_file, writing
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import composed, existing
from aetool.system.paths import fitting, safe_name
from aetool.system.reading import reading
from aetool.training import checkpoint, record
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.data.listed import Listed, write_files

if TYPE_CHECKING:
    from torch import Tensor

RUNS = Path("runs")
START = "start"
"""Folder with the first weights of a run that begins with those of another."""


def create(
    config: TrainConfig,
    dataset: Dataset,
    listed: Listed | None = None,
    limits: Limits = LIMITS,
    name: str | None = None,
    start: dict[str, Tensor] | None = None,
) -> Path:
    """Make runs/`name`, or the first free of runs/DATASET and runs/DATASET-N, with the record of the run; return it.

    `listed` are the pictures of a list, `start` the tensors of the first network. Of several processes each makes a
    folder of its own. config.json comes last and makes the folder a run. Raises `UsageError` where runs/`name` exists.
    """
    with writing(RUNS):
        make_folder(RUNS)
        run = claim_folder(RUNS, safe_name(dataset.name)) if name is None else _claim(name)
    if listed is not None:
        write_files(run, listed)
    if start is not None:
        checkpoint.save(run / START, start, checkpoint.Progress(), {})
    images = record.images_jsonl(dataset)
    write_file(run / record.IMAGES, images)
    write_file(run / record.CONFIG, record.config_json(config, dataset, run, limits, images, name is not None))
    return run


def check_name(name: str) -> None:
    """Raise `UsageError` for a name that no folder in runs/ can have, or that one has."""
    fit = safe_name(fitting(name))
    if fit != composed(name):
        raise UsageError(f'a run is named as its folder in {RUNS}, as "{fit}", not "{printable(name)}"')
    if os.path.lexists(RUNS / name):
        raise UsageError(f"{printable(str(RUNS / name))} exists", fix="run-exists")


def _claim(name: str) -> Path:
    """Make runs/`name`, as no other process can."""
    check_name(name)
    try:
        (RUNS / name).mkdir()
    except FileExistsError:  # another process was faster
        check_name(name)
        raise
    sync_folder(RUNS)
    return RUNS / name


def first_weights(run: Path) -> dict[str, Tensor]:
    """Return the tensors of the first network of a run that begins with those of another; raises `BundleError`."""
    loaded = checkpoint.load_newest(run / START)
    if loaded is None:
        raise BundleError(f"the weights that {run} begins with are gone; start a new run")
    return loaded.part("network.")


def remove_unbegun(run: Path) -> None:
    """Remove a run folder without a checkpoint."""
    if not (run / "checkpoints").exists():
        shutil.rmtree(run, ignore_errors=True)


def find(name: str | None, trained: bool = False) -> Path:
    """Return the run folder `name`, runs/`name`, or the newest run (with a checkpoint); raises `UsageError`."""
    if name:
        for run in (Path(existing(name)), Path(existing(str(RUNS / name)))):
            if (run / "config.json").is_file():
                return run
        there = some(path.name for path in all_runs()) or "none yet"
        raise UsageError(f'no training run "{name}"; there is {there}')
    runs = all_runs()
    if not runs:
        raise UsageError("no training run in ./runs", fix="no-run")
    begun = [run for run in runs if any((run / "checkpoints").glob("*.json"))] if trained else runs
    return (begun or runs)[-1]


def all_runs() -> list[Path]:
    """Return the run folders in ./runs, oldest first."""
    with reading(RUNS):
        begun = {path.parent: _begun(path) for path in RUNS.glob("*/config.json")}
    return sorted((run for run, time in begun.items() if time), key=lambda run: begun[run])


def _begun(config: Path) -> int:
    """Return the time of a config.json in nanoseconds, 0 if another process has just removed the file."""
    try:
        return config.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def settings(config: TrainConfig) -> dict[str, Any]:
    """Return all inputs of the weights besides the data, as JSON values: configuration, torch version and processor."""
    from importlib.metadata import version

    made: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    del made["more"]  # a continuation changes nothing before it
    return made | {"torch": version("torch"), "processor": platform.machine()}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting changed since a checkpoint."""
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    after = "the weights will not be those of an uninterrupted run"
    said = [_regrouped(before, now)] if "ranks" in changed else []
    rest = [key for key in changed if not said or key not in ("ranks", "threads")]
    return said + [f"{key} was {before.get(key)} and is now {now.get(key)}: {after}" for key in rest]


def _regrouped(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return a sentence on another number of processes than before, and of the threads of each."""
    was, here = (
        f"{of.get('ranks') or 1} process{'es' if of.get('ranks') else ''} of {of.get('threads')} "
        f"thread{'s' if of.get('threads') != 1 else ''}"
        for of in (before, now)
    )
    return f"trained by {was} until here, now by {here}: the weights will be others, by the rounding of sums"


def write_log(run: Path, history: tuple[dict[str, Any], ...]) -> None:
    """Write log.jsonl, a line an epoch."""
    write_file(run / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in history).encode())
