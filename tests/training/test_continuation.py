"""Finished runs that go on for more epochs, and runs that start with the weights of another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aetool import Bundle
from aetool.errors import BundleError, UsageError
from aetool.training import checkpoint, loop
from aetool.training.config import TrainConfig
from aetool.training.record import read_record
from aetool.training.session import open_run, resume_run, train

CONFIG = TrainConfig(epochs=3, threads=1)


def quiet(*_):
    """Report to nobody."""


def tensors(run):
    return checkpoint.load_newest(Path(run) / "checkpoints").tensors


def history(run):
    return [{**e, "seconds": 0} for e in checkpoint.load_newest(Path(run) / "checkpoints").progress.history]


def same(a, b):
    one, two = tensors(a), tensors(b)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def stopped(session, step):
    """Train until the step, and leave the session as a kill would after a checkpoint."""
    with session as (trainer, _):
        for report in trainer.reports():
            if report.step >= step:
                trainer.save()
                return


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run of three epochs, runs/digits, and the same one with two epochs more, runs/whole."""
    place = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        train("digits", CONFIG)
        shutil.copytree("runs/digits", "runs/whole")
        train(resume="runs/whole", more_epochs=2)
    return place


@pytest.fixture
def project(finished, workplace, monkeypatch):
    shutil.copytree(finished, workplace / "one")
    monkeypatch.chdir(workplace / "one")
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)


def test_a_finished_run_goes_on_in_its_folder_and_keeps_its_log_and_its_best(project):
    before, after = history("runs/digits"), history("runs/whole")
    assert after[: len(before)] == before
    assert [entry["epoch"] for entry in after] == [0, 1, 2, 3, 4, 5]
    assert len(Path("runs/whole/log.jsonl").read_text().splitlines()) == 6
    reached = checkpoint.load_newest(Path("runs/whole/checkpoints")).progress
    assert (reached.step, reached.begun, reached.cycle) == (55, 33, 1)
    assert reached.best_mse == min(entry["validation_mse"] for entry in after)


def test_the_best_network_is_kept_where_the_second_cycle_finds_none(project):
    best = {name: value for name, value in tensors("runs/digits").items() if name.startswith("best.")}
    config = Path("runs/digits/config.json")
    config.write_text(config.read_text().replace('"lr": 0.01', '"lr": 0.9'))
    with pytest.warns(UserWarning, match="lr was"):
        train(resume="runs/digits", more_epochs=1)
    after = tensors("runs/digits")
    assert all(torch.equal(best[name], after[name]) for name in best)
    assert history("runs/digits")[-1]["validation_mse"] > min(e["validation_mse"] for e in history("runs/digits"))


@pytest.mark.parametrize("step", [34, 44, 51])
def test_a_killed_continuation_ends_with_the_same_bits(project, step):
    stopped(resume_run("runs/digits", quiet, more_epochs=2), step)
    assert not same("runs/digits", "runs/whole")
    train(resume="runs/digits")
    assert same("runs/digits", "runs/whole") and history("runs/digits") == history("runs/whole")


def test_a_continuation_killed_before_its_first_checkpoint_is_resumed(project):
    with resume_run("runs/digits", quiet, more_epochs=2):
        pass
    train(resume="runs/digits")
    assert same("runs/digits", "runs/whole")


def test_a_damaged_last_checkpoint_of_the_first_cycle_is_made_again(project, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    train("digits", CONFIG, name="often")
    newest = checkpoint.found(Path("runs/often/checkpoints"))[-1]
    with resume_run("runs/often", quiet, more_epochs=2):
        newest.with_suffix(".safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match="the one before is used"):
        train(resume="runs/often")
    assert same("runs/often", "runs/whole") and history("runs/often") == history("runs/whole")


def test_only_a_finished_run_goes_on(project, cli):
    stopped(resume_run("runs/digits", quiet, more_epochs=2), 40)
    code, _, err = cli("train", "--more-epochs", "1", "digits")
    assert code == 2 and "unfinished, stopped at step 40 of 55" in err and "--resume" in err
    for words in (["--lr", "1"], ["--name", "x"], ["--resume", "--seed", "1"]):
        assert cli("train", "digits", "--more-epochs", "1", *words)[0] == 2
    for count in (0, -1):
        code, _, err = cli("train", "whole", "--more-epochs", count)
        assert code == 2 and err.count("\n") == 1
    assert read_record(Path("runs/whole")).config.more == (2,)
    with pytest.raises(UsageError, match="name it"):
        train("digits", more_epochs=1)
    code, _, err = cli("train", "--resume", "whole")
    assert code == 2 and "--more-epochs N" in err


def test_export_and_info_of_a_continued_run_tell_the_truth(project, cli):
    assert cli("export", "whole", "-o", "bundle")[0] == 0
    training = Bundle.read(Path("bundle")).manifest.training
    assert (training["steps"], training["planned_steps"], training["epochs"]) == (55, 55, 5)
    assert training["command"] == "aetool train digits --epochs 3 --threads 1 && aetool train --more-epochs 2"
    assert training["command"] in Path("bundle/README.md").read_text()
    stopped(resume_run("runs/digits", quiet, more_epochs=2), 40)
    code, _, err = cli("export", "digits", "-o", "half")
    assert code == 0 and "stopped at step 40 of 55" in err
    states = {run["run"]: (run["state"], run["step"], run["planned_steps"]) for run in listed(cli)}
    assert states == {"runs/whole": ("finished", 55, 55), "runs/digits": ("unfinished", 40, 55)}
    train(resume="runs/whole", more_epochs=1)
    assert read_record(Path("runs/whole")).config.more == (2, 1)
    assert {run["run"]: run["epochs"] for run in listed(cli)}["runs/whole"] == 6


def listed(cli):
    return json.loads(cli("info", "--runs", "--json")[1])


def test_a_run_starts_with_the_weights_of_another_and_resumes_to_the_bit(project, cli):
    first = {name: value for name, value in tensors("runs/whole").items() if name.startswith("best.")}
    config = TrainConfig(epochs=2, threads=1, start="whole", seed=3)
    run = train("digits", config, name="one")
    begun = checkpoint.load_newest(run / "start").tensors
    assert all(torch.equal(begun[name.replace("best.", "network.")], first[name]) for name in first)
    stopped(open_run(config, quiet, name="two"), 13)
    train(resume="two")
    assert same("runs/one", "runs/two") and history("runs/one") == history("runs/two")
    shutil.rmtree("runs/two/checkpoints")  # killed before the first one
    shutil.rmtree("runs/whole")
    train(resume="two")
    assert same("runs/one", "runs/two")
    assert cli("export", "one", "-o", "bundle")[0] == 0
    assert "aetool train digits --start whole --epochs 2 --seed 3 --threads 1" in Path("bundle/README.md").read_text()
    shutil.rmtree("runs/two/checkpoints")
    shutil.rmtree("runs/two/start")
    with pytest.raises(BundleError, match="are gone"):
        train(resume="two")


def photos(folder, side, count=20):
    rng = np.random.default_rng(0)
    Path(folder).mkdir()
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(f"{folder}/{i:02}.png")


def test_architecture_latent_size_size_and_channels_come_from_the_run(workplace, cli):
    photos("small", 16)
    photos("large", 24)
    short = ["--epochs", 1, "--threads", 1, "-q"]
    words = ["--arch", "conv", "--set", "widths=8,16", "--latent-dim", 3]
    assert cli("train", "small", *words, *short)[0] == 0
    assert cli("train", "large", "--start", "small", *short)[:2] == (0, b"runs/large\n")
    record = read_record(Path("runs/large"))
    assert record.spec.shape == (3, 16, 16) and record.config.latent_size == 3
    assert record.config.architecture == "conv" and record.config.options.widths == (8, 16)
    assert cli("train", "large", "--start", "small", *words, "--size", "16", "--channels", "3", *short)[0] == 0
    others = (
        ["--arch", "residual"],
        ["--set", "widths=8"],
        ["--latent-dim", "4"],
        ["--size", "24"],
        ["--channels", "1"],
    )
    for other in others:
        code, out, err = cli("train", "large", "--start", "small", *other, *short)
        assert (code, out, err.count("\n")) == (2, b"", 1) and "runs/small has " in err and "leave that option" in err
    with pytest.raises(UsageError, match="another latent size: 3, not 4"):
        train("large", TrainConfig(start="small", latent_size=4))
    code, _, err = cli("train", "digits", "--start", "small", *short)
    assert code == 4 and "images of 1 x 8 x 8" in err and "3 x 16 x 16" in err
    assert len(list(Path("runs").iterdir())) == 3


def test_a_bundle_is_no_run_to_start_with(project, cli):
    assert cli("export", "digits", "-o", "bundle")[0] == 0
    for name in ("bundle", "mnist"):
        code, _, err = cli("train", "digits", "--start", name)
        assert code == 2 and "is a bundle" in err and "name the run" in err
    code, _, err = cli("train", "digits", "--start", "nowhere")
    assert code == 2 and "no training run" in err
    assert cli("train", "--resume", "digits", "--start", "whole")[0] == 2
