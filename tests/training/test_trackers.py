"""The recipes of the README: a log that grows is followed into TensorBoard and trackio, each line once."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aetool.training.run_folder import write_log
from tests.conftest import REPOSITORY

NAMES = ("train_mse", "validation_mse", "test_mse")
HISTORY = (
    {"epoch": 0, "step": 0, "train_mse": None, "test_mse": 0.5, "validation_mse": 0.25, "pca_mse": 0.125},
    {"epoch": 1, "step": 7, "train_mse": 0.25, "test_mse": None, "validation_mse": 0.5, "pca_mse": 0.125},
    {"epoch": 2, "step": 14, "train_mse": 0.0, "test_mse": 0.125, "pca_mse": 0.125},
)
EXPECTED = {"train_mse": [(7, 0.25), (14, 0.0)], "validation_mse": [(0, 0.25), (7, 0.5)],
            "test_mse": [(0, 0.5), (14, 0.125)]}  # fmt: skip


def recipe(name: str) -> list[str]:
    """Write the recipe of the README called `name`, and return its lines of code."""
    code = re.search(rf"^```python {name}\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.M | re.S)[1]
    Path(name).write_text(code)
    return [line for line in code.splitlines() if line]


def followed(name: str, argument: str) -> None:
    """Let a recipe follow a log that is written three times, as training does, and end."""
    run = Path("runs/photos")
    run.mkdir(parents=True)
    write_log(run, HISTORY[:1])
    tail = subprocess.Popen(["tail", "-n", "+1", "-F", str(run / "log.jsonl")], stdout=subprocess.PIPE)
    environment = os.environ | {"TRACKIO_DIR": str(Path("trackio").absolute()), "HOME": str(Path.cwd())}
    reader = subprocess.Popen(
        [sys.executable, name, argument],
        stdin=tail.stdout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for count in (2, 3):
        time.sleep(1.5)
        write_log(run, HISTORY[:count])
    time.sleep(1.5)
    tail.terminate()
    tail.wait()
    assert tail.stdout
    tail.stdout.close()
    _, err = reader.communicate(timeout=120)
    assert reader.returncode == 0, err


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is missing; pip install '.[trackers]'")


def test_a_log_goes_to_tensorboard(workplace):
    needs("tensorboard")
    assert len(recipe("to_tensorboard.py")) <= 10
    followed("to_tensorboard.py", "boards/photos")
    code = "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as E; import json\n"
    code += "e = E('boards/photos'); e.Reload()\n"
    code += "print(json.dumps({n: [(s.step, s.value) for s in e.Scalars(n)] for n in e.Tags()['scalars']}))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120).stdout
    assert {name: [tuple(pair) for pair in pairs] for name, pairs in json.loads(found).items()} == EXPECTED


def test_a_log_goes_to_trackio(workplace):
    needs("trackio")
    assert len(recipe("to_trackio.py")) <= 10
    followed("to_trackio.py", "photos")
    with sqlite3.connect("trackio/aetool.db") as base:
        rows = base.execute("select run_name, step, metrics from metrics order by step").fetchall()
    assert [row[:2] for row in rows] == [("photos", entry["step"]) for entry in HISTORY]
    values = [json.loads(row[2]) for row in rows]
    for name in NAMES:
        assert [(e["step"], v[name]) for e, v in zip(HISTORY, values, strict=True) if name in v] == EXPECTED[name]
