"""Runs with a name, and the list of runs."""

from __future__ import annotations

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aetool.errors import UsageError
from aetool.system.atomic import run_lock
from aetool.training import run_folder, runs
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.session import train
from tests.conftest import command

SHORT = ["--epochs", "1", "--threads", "1", "-q"]


def test_a_named_run_and_its_bundle_are_called_so(cli, workplace):
    assert cli("train", "digits", "--name", "my first", *SHORT)[:2] == (0, b"runs/my first\n")
    assert cli("export")[:2] == (0, b"models/my first\n")
    assert cli("export", "my first")[:2] == (0, b"models/my first-2\n")
    assert train("digits", TrainConfig(epochs=1), name="second") == Path("runs/second")


@pytest.mark.parametrize("name", [".", "..", "a/b", "/tmp/x", ".hidden", "x" * 300, "a\nb", " a", "a:b"])
def test_a_name_that_no_run_can_have_is_refused_with_one_that_it_can(cli, workplace, name):
    code, out, err = cli("train", "nowhere", "--name", name)
    assert (code, out, err.count("\n")) == (2, b"", 1) and "a run is named as its folder in runs" in err
    assert not Path("runs").exists()


def test_a_name_in_use_is_refused_before_anything_is_read(cli, workplace):
    Path("runs/mine").mkdir(parents=True)
    code, _, err = cli("train", "nowhere", "--name", "mine")
    assert code == 2 and "runs/mine exists; choose another --name" in err
    code, _, err = cli("train", "mine", "--resume", "--name", "other")
    assert code == 2 and "keeps its settings" in err
    with pytest.raises(UsageError, match="its name"):
        train(resume="mine", name="other")
    with pytest.raises(UsageError, match="named as its folder"):
        train("digits", name="")


def test_of_many_that_want_a_name_one_gets_it(workplace):
    data = load("digits", 0)

    def claim(seed):
        try:
            return run_folder.create(TrainConfig(seed=seed), data, name="one")
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claim, range(8)))
    assert found.count(Path("runs/one")) == 1 and found.count("runs/one exists") == 7


def test_runs_are_listed_with_what_they_are_and_how_to_go_on(cli, workplace):
    assert cli("info", "--runs")[:2] == (0, b"no training run in ./runs; start one with: aetool train\n")
    assert json.loads(cli("info", "--runs", "--json")[1]) == []
    assert cli("train", "digits", "--latent-dim", "5", *SHORT)[0] == 0
    data = load("digits", 0)
    run_folder.create(TrainConfig(epochs=2), data, name="b c")
    done, begun = json.loads(cli("info", "--runs", "--json")[1])
    assert (done["run"], done["state"], done["step"], done["planned_steps"]) == ("runs/digits", "finished", 11, 11)
    assert done["latent_size"] == 5 and done["images"] == [1, 8, 8] and done["test_mse"] > 0 and done["pca_mse"] > 0
    assert "aetool train digits --latent-dim 5 --epochs 1" in done["command"]
    assert (begun["state"], begun["step"], begun["planned_steps"]) == ("no checkpoint yet", 0, 24)
    assert begun["test_mse"] is None and begun["next"] == "aetool train --resume 'runs/b c'"
    text = cli("info", "--runs")[1].decode().splitlines()
    assert len(text) == 7 and "11 of 11" in text[1] and "not measured" in text[4]
    assert text[2:4] == ["  finished; next: aetool export runs/digits", f"  made by: {done['command']}"]
    assert text[5] == "  no checkpoint yet; next: aetool train --resume 'runs/b c'"
    for run in (begun, done):
        words = shlex.split(run["next"])
        assert subprocess.run(command(words[1:]), timeout=120, capture_output=True).returncode == 0
    assert [run["state"] for run in json.loads(cli("info", "--runs", "--json")[1])] == ["finished"] * 2


def test_an_unfinished_a_working_and_a_damaged_run_are_told_apart(cli, workplace):
    assert cli("train", "digits", *SHORT)[0] == 0
    config = Path("runs/digits/config.json")
    fields = json.loads(config.read_text())
    fields["config"]["epochs"] = 3
    config.write_text(json.dumps(fields))
    assert runs.describe(Path("runs/digits")).state == "unfinished"
    assert b"11 of 33  " in cli("info", "--runs")[1]
    with run_lock(Path("runs/digits")):
        assert runs.describe(Path("runs/digits")).state == "in training now"
    for path in Path("runs/digits/checkpoints").glob("*.json"):
        path.write_bytes(path.read_bytes()[:-9])
    assert runs.describe(Path("runs/digits")).state == "damaged"
    Path("runs/digits/images.jsonl").unlink()
    assert cli("info", "--runs")[0] == 0
    config.write_text("{")
    code, out, err = cli("info", "--runs", "--json")
    assert (code, json.loads(out)) == (0, []) and "config.json is damaged" in err


def test_what_does_not_go_with_runs_is_refused(cli, workplace):
    for words in (["--cache"], ["mnist"], ["-m", "mnist"]):
        code, _, err = cli("info", "--runs", *words)
        assert code == 2 and "--runs is about training runs" in err


def test_a_missing_mps_device_is_said_before_anything_is_read(cli, workplace):
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    code, out, err = cli("train", "nowhere", "--device", "mps")
    assert (code, out) == (8, b"") and "no MPS device" in err and "--device cpu" in err
