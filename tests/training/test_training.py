"""Training on the real digits: distortion, determinism, interruption, resumption, damage."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from aetool.errors import BundleError, UsageError
from aetool.system.atomic import run_lock
from aetool.training import augment, checkpoint, loop, pca, run_folder, schedule
from aetool.training.architectures.options import ConvConfig
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.pca import pca_mse
from tests.conftest import command

CONFIG = TrainConfig(dataset="digits", epochs=3, threads=1)


@pytest.fixture(scope="module")
def data():
    return load("digits", 0)


@pytest.fixture
def run(workplace, data):
    return run_folder.create(CONFIG, data)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of the newest checkpoint, optimiser state included."""
    return checkpoint.load_newest(run / "checkpoints").tensors


def train_whole(run: Path, data) -> dict[str, torch.Tensor]:
    for _ in loop.Trainer(CONFIG, data, run).reports():
        pass
    return weights(run)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_digits_come_out_far_below_pca(digits_run):
    log = [json.loads(line) for line in (digits_run / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in log] == list(range(13))
    assert log[-1]["test_mse"] < 0.008 < log[0]["test_mse"]
    assert all(entry["validation_mse"] < entry["validation_pca_mse"] for entry in log[2:])
    assert 0.0100 < log[-1]["pca_mse"] < 0.0110
    assert {p.name for p in digits_run.iterdir()} >= {
        "config.json",
        "log.jsonl",
        "checkpoints",
        "loss.png",
        "reconstructions.png",
    }
    assert (digits_run / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(run, data, workplace):
    first = train_whole(run, data)
    again = train_whole(run_folder.create(CONFIG, data), data)
    assert equal(first, again)
    other = replace(CONFIG, seed=1)
    place = run_folder.create(other, data)
    for _ in loop.Trainer(other, data, place).reports():
        pass
    assert not equal(first, weights(place))


@pytest.mark.parametrize("stop", [1, 7, 12, 13, 25, 35])
def test_resumed_equals_uninterrupted_to_the_bit(run, data, workplace, stop, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    whole = train_whole(run, data)
    place = run_folder.create(CONFIG, data)
    trainer = loop.Trainer(CONFIG, data, place)
    for report in trainer.reports():
        if report.step == stop:
            trainer.save()
            break
    torch.manual_seed(99)  # nothing may hang on the global generator
    resumed = loop.Trainer(CONFIG, data, place)
    assert resumed.resume() == [] and resumed.progress.step == stop
    for _ in resumed.reports():
        pass
    assert equal(whole, weights(place))
    histories = [checkpoint.load_newest(p / "checkpoints").progress.history for p in (run, place)]
    assert [{**e, "seconds": 0} for e in histories[0]] == [{**e, "seconds": 0} for e in histories[1]]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_ctrl_c_saves_and_resume_ends_with_the_same_weights(workplace, number, code):
    line = ["train", "digits", "--epochs", "60", "--threads", "1", "-q"]
    subprocess.run(command(line), check=True, timeout=120)
    process = subprocess.Popen(command(line[:-1]), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while "epoch 6 " not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    place = re.search(r"--resume (\S+)", err)[1]
    assert process.returncode == code and out == ""
    done = subprocess.run(command(["train", "--resume", place]), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == f"{place}\n" and "going on at step" in done.stderr
    assert equal(weights(Path("runs/digits")), weights(Path(place)))


def test_killed_before_the_first_checkpoint_resume_begins_anew(workplace, cli):
    process = subprocess.Popen(
        command(["train", "--epochs", "500", "--threads", "1"]), stderr=subprocess.PIPE, text=True
    )
    while "images of" not in process.stderr.readline():
        pass
    process.kill()
    process.communicate(timeout=60)
    config = json.loads(Path("runs/digits/config.json").read_text())
    config["config"]["epochs"] = 2
    Path("runs/digits/config.json").write_text(json.dumps(config))
    assert cli("train", "--resume")[0] == 0
    assert len(Path("runs/digits/log.jsonl").read_text().splitlines()) == 3


def test_a_finished_run_says_so(digits_run, cli, workplace):
    code, out, err = cli("train", "--resume", digits_run)
    assert (code, out) == (2, b"") and "is finished; next: aetool export" in err


def test_a_second_process_in_the_run_folder_ends_with_11(digits_run, workplace):
    with run_lock(digits_run):
        done = subprocess.run(command(["train", "--resume", str(digits_run)]), capture_output=True, timeout=60)
        assert done.returncode == 11 and done.stderr.count(b"\n") == 1
    with run_lock(digits_run):  # free again
        pass


def damaged(run: Path, how: str) -> None:
    newest = checkpoint.found(run / "checkpoints")[-1]
    tensors = newest.with_suffix(".safetensors")
    if how == "truncated tensors":
        tensors.write_bytes(tensors.read_bytes()[:-1])
    elif how == "flipped bit":
        data = bytearray(tensors.read_bytes())
        data[len(data) // 2] ^= 1
        tensors.write_bytes(data)
    elif how == "zeros":
        newest.write_bytes(bytes(newest.stat().st_size))
    elif how == "changed step":
        newest.write_text(newest.read_text().replace('"step": 36', '"step": 35'))
    elif how == "folder":
        tensors.unlink()
        tensors.mkdir()
    elif how == "json a folder":
        newest.unlink()
        newest.mkdir()
    elif how == "missing":
        tensors.unlink()


@pytest.mark.parametrize(
    "how", ["truncated tensors", "flipped bit", "zeros", "changed step", "folder", "json a folder", "missing"]
)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(run, data, how, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    whole = train_whole(run, data)
    assert len(checkpoint.found(run / "checkpoints")) == 2
    damaged(run, how)
    trainer = loop.Trainer(CONFIG, data, run)
    (said,) = trainer.resume()
    assert "damaged" in said and 0 < trainer.progress.step < 36
    for _ in trainer.reports():
        pass
    assert equal(whole, weights(run))


def test_with_all_checkpoints_damaged_it_ends_with_an_error(run, data):
    train_whole(run, data)
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(BundleError, match="whole"):
        loop.Trainer(CONFIG, data, run).resume()


def test_one_cycle_rises_and_falls():
    rates = [schedule.one_cycle(step, 400, 0.01) for step in range(400)]
    assert rates[0] == pytest.approx(0.0004) and max(rates) == pytest.approx(0.01) and rates[-1] < 1e-5
    assert rates.index(max(rates)) == 100
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a > b for a, b in pairwise(rates[100:]))


def test_pca_is_the_floor_that_the_singular_values_say():
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (200, 1, 8, 8), np.uint8)
    flat = train.reshape(200, 64) / 255
    values = np.linalg.svd(flat - flat.mean(0), compute_uv=False)
    expected = np.square(values[5:]).sum() / flat.size
    assert pca_mse(train, train, 5, 0) == pytest.approx(expected, rel=1e-4)


def test_pca_of_large_images_is_near_the_exact_one(monkeypatch):
    rng = np.random.default_rng(0)
    low_rank = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 64)) * 12 + 128
    train = low_rank.clip(0, 255).astype(np.uint8).reshape(300, 1, 8, 8)
    exact = pca_mse(train, train, 4, 0)
    monkeypatch.setattr(pca, "EXACT", 10)
    monkeypatch.setattr(pca, "PCA_IMAGES", 250)
    assert pca_mse(train, train, 4, 0) == pytest.approx(exact, rel=0.05)


def test_the_configuration_survives_json_and_tells_its_command():
    config = TrainConfig(
        dataset="mnist", architecture="conv", epochs=5, options=ConvConfig((8, 16), 2), threads=2, lr=0.005
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert (
        config.command()
        == "aetool train mnist --arch conv --epochs 5 --lr 0.005 --threads 2 --set widths=8,16 --set depth=2"
    )
    with pytest.raises(BundleError):
        TrainConfig.from_dict({"architecture": "conv"})


@pytest.mark.parametrize("bad", [{"latent_size": 0}, {"epochs": 0}, {"lr": math.nan}, {"seed": -1}, {"batch_size": 1}])
def test_settings_that_cannot_be_trained_with_are_refused(bad):
    with pytest.raises(UsageError):
        replace(CONFIG, **bad)


def test_odd_data_trains_by_path(workplace, cli):
    rng = np.random.default_rng(0)
    np.savez("photos.npz", images=rng.integers(0, 256, (40, 9, 13, 3), np.uint8), labels=np.array(["cat", "dog"] * 20))
    code, out, _ = cli("train", "photos.npz", "--epochs", 2, "--latent-dim", 3, "--threads", 1)
    assert (code, out) == (0, b"runs/photos\n")
    code, out, _ = cli("export")
    assert (code, out) == (0, b"models/photos\n")
    assert cli("sample", "--class", "cat", "-n", 2, "-o", "cats.png")[0] == 0
    Path("photos.npz").unlink()
    assert cli("export")[0] == 4
    np.savez("photos.npz", images=rng.integers(0, 256, (40, 9, 13, 3), np.uint8))
    code, _, err = cli("export")
    assert code == 4 and "no image of runs/photos is in" in err


def test_shifted_images_are_the_same_ones_moved_with_their_edges_repeated():
    images = torch.arange(2 * 3 * 9 * 8, dtype=torch.uint8).reshape(2, 3, 9, 8)
    seen = set()
    for seed in range(30):
        moved = augment.shifted(images, 2, torch.Generator().manual_seed(seed))
        for image, before in zip(moved, images, strict=True):
            padded = np.pad(before.numpy(), ((0, 0), (2, 2), (2, 2)), "edge")
            places = [
                (y, x) for y in range(5) for x in range(5) if (padded[:, y : y + 9, x : x + 8] == image.numpy()).all()
            ]
            assert len(places) == 1
            seen.update(places)
    assert len(seen) > 15
    assert torch.equal(augment.shifted(images, 0, torch.Generator()), images)


def test_bent_images_keep_their_place_and_their_range():
    images = torch.zeros(40, 1, 28, 28)
    images[:, :, 8:20, 8:20] = 1
    bent = augment.warped(images, 1.0, 0.0, torch.Generator().manual_seed(0))
    assert bent.shape == images.shape and bent.min() >= 0 and bent.max() <= 1
    assert not torch.equal(bent[0], bent[1])
    rows = torch.arange(28.0)
    centres = (bent.sum(3) * rows[:, None].T).sum((1, 2)) / bent.sum((1, 2, 3))
    assert (centres - 13.5).abs().mean() < 1 < (bent - images).abs().sum((1, 2, 3)).mean()
    wide = torch.rand(2, 3, 9, 16)
    assert torch.allclose(augment.warped(wide, 0.0, 0.0, torch.Generator()), wide, atol=1e-5)


def test_twice_the_pixels_move_an_edge_twice_as_far():
    ramp = torch.linspace(0, 1, 30).expand(200, 1, 30, 30)  # a pixel moved by dx changes by dx / 29
    moved = [augment.warped(ramp, p, 0.0, torch.Generator().manual_seed(0)) - ramp for p in (0.25, 0.5)]
    inner = [m[:, :, 8:22, 8:22] * 29 for m in moved]
    assert torch.allclose(2 * inner[0], inner[1], atol=1e-3)
    assert 0.1 < inner[0].std() < 0.25  # between the knots the field is an average of theirs


def test_a_disc_keeps_its_shape_and_its_place_under_turns_and_scales():
    y, x = torch.meshgrid(torch.arange(40.0) - 19.5, torch.arange(30.0) - 14.5, indexing="ij")
    disc = ((x**2 + y**2) ** 0.5 < 10).float().expand(64, 1, 40, 30)  # not square: no shear
    turned = augment.warped(disc, 0.0, 10.0, torch.Generator().manual_seed(0))
    area = turned.sum((1, 2, 3)) / disc[0].sum()
    assert 0.8 < area.min() < 0.9 < 1.1 < area.max() < 1.25
    spread = [(turned * along**2).sum((1, 2, 3)) / turned.sum((1, 2, 3)) for along in (x, y)]
    assert torch.allclose(spread[0], spread[1], rtol=0.03)


def test_a_bar_is_turned_by_at_most_the_degrees():
    bar = torch.zeros(200, 1, 33, 65)
    bar[:, :, 16] = 1
    turned = augment.warped(bar, 0.0, 8.0, torch.Generator().manual_seed(0))[:, 0]
    rows = torch.arange(33.0)[:, None] - 16
    left, right = ((turned[:, :, i] * rows[:, 0]).sum(1) / turned[:, :, i].sum(1) for i in (12, 52))
    angles = torch.rad2deg(torch.atan2(right - left, torch.tensor(40.0)))
    assert 6.5 < angles.max() < 8.1 and -8.1 < angles.min() < -6.5


@pytest.mark.parametrize("change", [{"shift": 1}, {"elastic": 0.7}, {"affine": 9.0}, {"precision": "bfloat16"}])
def test_every_variant_of_training_is_resumed_to_the_bit(data, workplace, monkeypatch, change):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    config = replace(CONFIG, **change)
    one, two = (run_folder.create(config, data) for _ in range(2))
    for _ in loop.Trainer(config, data, one).reports():
        pass
    trainer = loop.Trainer(config, data, two)
    for report in trainer.reports():
        if report.step == 17:
            trainer.save()
            break
    resumed = loop.Trainer(config, data, two)
    resumed.resume()
    for _ in resumed.reports():
        pass
    assert equal(weights(one), weights(two))
    assert not equal(weights(one), train_whole(run_folder.create(CONFIG, data), data))


def test_a_setting_that_changed_since_the_checkpoint_is_said(run, data):
    train_whole(run, data)
    said = loop.Trainer(replace(CONFIG, threads=2, epochs=4), data, run).resume()
    assert said == [
        "epochs was 3 and is now 4: the weights will not be those of an uninterrupted run",
        "threads was 1 and is now 2: the weights will not be those of an uninterrupted run",
    ]


def test_two_good_checkpoints_are_kept_whatever_lies_between(run, data, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(loop, "REPORT_EVERY", 1e9)  # so that only ends of epochs are saved
    whole = train_whole(run, data)
    folder = run / "checkpoints"
    for path in checkpoint.found(folder):  # one before, one after, both bad
        for name in ("000000001", "000000035"):
            (folder / f"{name}.json").write_bytes(path.read_bytes()[:-1])
            (folder / f"{name}.safetensors").unlink(missing_ok=True)
    for name in ("000000001", "000000035"):
        (folder / f"{name}.safetensors").mkdir()
    damaged(run, "flipped bit")
    trainer = loop.Trainer(CONFIG, data, run)
    assert len(trainer.resume()) == 2
    trainer.save()
    for _ in trainer.reports():
        pass
    assert equal(whole, weights(run))
    good = checkpoint.found(folder)
    assert len(good) == 2 and all(checkpoint.load(path) for path in good)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.with_suffix(suffix).name for path in good for suffix in (".json", ".safetensors")
    )
