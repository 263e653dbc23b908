"""Run folders: where training keeps its configuration, log, checkpoints and pictures."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

from aetool.errors import BundleError, UsageError, some
from aetool.system.atomic import make_folder, write_file, writing
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import existing
from aetool.system.paths import first_free, safe_name
from aetool.system.progress import Report
from aetool.system.reading import read_file, reading
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, load
from aetool.training.data.folder import FolderOptions
from aetool.training.data.listed import Listed, read_files, write_files

RUNS = Path("runs")


def create(config: TrainConfig, dataset: Dataset, listed: Listed | None = None) -> Path:
    """Make the first free runs/NAME[-N] with its config.json, and the names of a list of pictures."""
    with writing(RUNS):
        make_folder(RUNS)
        run = first_free(RUNS, safe_name(dataset.name))
        make_folder(run)
    if listed is not None:
        write_files(run, listed)
    data = {"config": config.to_dict(), "dataset": dataset.name, "sha256": dataset.sha256, "left_out": dataset.left_out}
    write_file(run / "config.json", json.dumps(data, indent=2).encode() + b"\n")
    return run


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
        return sorted(
            (p.parent for p in RUNS.glob("*/config.json")),
            key=lambda p: (p / "config.json").stat().st_mtime_ns,
        )


def load_dataset(config: TrainConfig, report: Report, limits: Limits = LIMITS, listed: Listed | None = None) -> Dataset:
    """Return the data set of a configuration, of the `listed` pictures or of all; raises the errors of `load`."""
    options = FolderOptions(config.channels, config.size, config.background)
    return load(config.dataset, config.seed, config.data_dir, report, options, config.threads, limits, listed)


def read_listed(run: Path, config: TrainConfig) -> Listed | None:
    """Return the pictures of the list that a run was begun with, None for a run without; raises `ReadWriteError`."""
    return read_files(run) if config.files_from else None


def read_config(run: Path) -> tuple[TrainConfig, str]:
    """Return the configuration of a run and the sha256 of its data set; raises `BundleError`."""
    try:
        data: dict[str, Any] = json.loads(read_file(run / "config.json"))
        return TrainConfig.from_dict(data["config"]), str(data["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{run / 'config.json'} is damaged") from error


def settings(config: TrainConfig) -> dict[str, Any]:
    """Return all inputs of the weights besides the data, as JSON values: configuration, torch version and processor."""
    from importlib.metadata import version

    made: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return made | {"torch": version("torch"), "processor": platform.machine()}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting changed since a checkpoint."""
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    after = "the weights will not be those of an uninterrupted run"
    return [f"{key} was {before.get(key)} and is now {now.get(key)}: {after}" for key in changed]


def write_log(run: Path, history: tuple[dict[str, Any], ...]) -> None:
    """Write log.jsonl, a line an epoch."""
    write_file(run / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in history).encode())
