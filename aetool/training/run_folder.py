"""Run folders: where training keeps its configuration, log, checkpoints and pictures."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

from aetool.errors import UsageError, some
from aetool.system.atomic import claim_folder, make_folder, write_file, writing
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import existing
from aetool.system.paths import safe_name
from aetool.system.reading import reading
from aetool.training import record
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.data.listed import Listed, write_files

RUNS = Path("runs")


def create(config: TrainConfig, dataset: Dataset, listed: Listed | None = None, limits: Limits = LIMITS) -> Path:
    """Make runs/NAME, or the first free runs/NAME-N, with the record of the run, and return the folder.

    `listed` are the pictures of a list. Of several processes each makes a folder of its own. config.json comes last and
    makes the folder a run.
    """
    with writing(RUNS):
        make_folder(RUNS)
        run = claim_folder(RUNS, safe_name(dataset.name))
    if listed is not None:
        write_files(run, listed)
    images = record.images_jsonl(dataset)
    write_file(run / record.IMAGES, images)
    write_file(run / record.CONFIG, record.config_json(config, dataset, run, limits, images))
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
    return made | {"torch": version("torch"), "processor": platform.machine()}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting changed since a checkpoint."""
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    after = "the weights will not be those of an uninterrupted run"
    return [f"{key} was {before.get(key)} and is now {now.get(key)}: {after}" for key in changed]


def write_log(run: Path, history: tuple[dict[str, Any], ...]) -> None:
    """Write log.jsonl, a line an epoch."""
    write_file(run / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in history).encode())
