"""The recipes of docs/cluster.md run, each where its package is installed, and give the latents of `aetool encode`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/cluster.md").read_text()
RECIPES = dict(re.findall(r"^```python (\w+)\n(.*?)^```", PAGE, re.M | re.S))
END = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"
"""The end of a process, since Daft and Ray may end its regular shutdown with an abort."""


def latents_in(path: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    found = pq.read_table(path).to_pylist()
    key = next(name for name in ("path", "source") if name in found[0])
    return np.array([row["latent"] for row in sorted(found, key=lambda row: row[key])], np.float32)


@pytest.mark.parametrize(
    "name",
    ["daft", "duckdb", "polars", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ray", "datasets"))],
)
def test_recipes_give_the_latents_of_encode(name, aetool, workplace):
    for package in (name, "pyarrow"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package.upper()} IS NOT INSTALLED: pip install {package}")
    assert aetool("sample", "-m", "mnist", "--digit", "3", "-n", "4", "--seed", "1", "-o", "threes/").returncode == 0
    assert aetool("encode", "-m", "mnist", "threes/", "-o", "latents.jsonl").returncode == 0
    assert aetool("encode", "-m", "mnist", "threes/", "-o", "z.npy").returncode == 0
    env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1", "HF_HOME": str(workplace / "cache")}
    words = [sys.executable, "-c", RECIPES[name] + END]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = latents_in(Path("latents") if name in ("daft", "ray") else Path("latents.parquet"))
    assert np.array_equal(found, np.load("z.npy"))


def test_all_recipes_are_tested():
    assert list(RECIPES) == ["daft", "ray", "polars", "datasets", "duckdb"]
