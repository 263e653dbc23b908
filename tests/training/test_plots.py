"""Plots: one way to draw, nothing on stderr, no trace outside the cache, the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool import __version__
from aetool.training.plots import loss_curve
from tests.toy import picture

HISTORY = tuple({"epoch": i, "train_mse": 0.02 / i, "test_mse": 0.03 / i, "pca_mse": 0.01} for i in range(1, 9))

DRAW = """
import sys
from aetool.training.plots import loss_curve
assert "matplotlib" not in sys.modules
data = loss_curve(({"epoch": 1, "train_mse": 0.0, "test_mse": 0.1, "pca_mse": 0.2},))
assert "matplotlib.pyplot" not in sys.modules
open("loss.png", "wb").write(data)
"""


def test_a_curve_is_a_picture_with_the_colours_of_its_lines(tmp_path):
    (tmp_path / "x.png").write_bytes(loss_curve(HISTORY))
    drawn = picture(tmp_path / "x.png").convert("RGB")
    assert drawn.size == (800, 480)
    pixels = np.asarray(drawn).reshape(-1, 3)
    for colour in ((0x7F, 0x9F, 0xBF), (0xC0, 0x39, 0x2B), (0x55, 0x55, 0x55)):
        assert (pixels == colour).all(1).sum() > 100


def test_the_same_history_gives_the_same_bytes():
    assert loss_curve(HISTORY) == loss_curve(HISTORY) != loss_curve(HISTORY[:-1])


def test_pictures_of_a_run_say_how_they_were_made(digits_run, cli):
    made = {}
    for name in ("loss.png", "reconstructions.png"):
        code, out, err = cli("explain", digits_run / name, "--json")
        assert code == 0, err
        made[name] = json.loads(out)
        made[name].pop("picture")
    said = made["loss.png"]
    assert said == made["reconstructions.png"]
    assert said["command"] == "aetool train digits --epochs 12 --threads 1" and said["seed"] == 0
    assert said["model"] == "run digits at step 132 of 132" and said["software"] == f"aetool {__version__}"


@pytest.mark.parametrize("floor", [0.0, 0.01, 1.0])
def test_distortions_of_zero_and_single_epochs_are_drawn(floor):
    flat = ({"epoch": 1, "train_mse": 0.0, "test_mse": 0.0, "pca_mse": floor},)
    assert Image.MIME["PNG"] == "image/png" and loss_curve(flat).startswith(b"\x89PNG")


@pytest.mark.parametrize("home", ["writable", "missing", "read-only"])
def test_drawing_says_nothing_wherever_home_is(workplace, home):
    env = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "HOME")}
    folder = Path("home")
    if home != "missing":
        folder.mkdir()
        env["HOME"] = str(folder.resolve()) if home == "writable" else "/proc"
    done = subprocess.run([sys.executable, "-c", DRAW], env=env, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("loss.png").read_bytes().startswith(b"\x89PNG")
    if home == "writable":
        assert [path.name for path in folder.iterdir()] == [".cache"]


def test_the_users_own_settings_folder_is_respected(workplace):
    env = os.environ | {"MPLCONFIGDIR": str(Path("mine").resolve())}
    subprocess.run([sys.executable, "-c", DRAW], env=env, check=True, timeout=120)
    assert Path("mine").is_dir()
