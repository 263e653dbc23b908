"""The network of the defaults starts as PCA, and what is kept is never worse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aetool.arrays import to_images
from aetool.bundle.bundle import Bundle
from aetool.cli.training import beginning
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.training import checkpoint, course, distortion, loop, pca, run_folder, schedule
from aetool.training.architectures import averaging, blend
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import BlendConfig
from aetool.training.calibration import calibrate
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, Split, apart
from aetool.training.defaults import settled
from aetool.training.export.graphs import folded
from aetool.training.trained import trained_network

ROUNDING = 1.3e-6
TINY = BlendConfig(widths=(4, 8), depth=0)


def smooth(n, shape, seed, factors=3):
    """Return n images, uint8, each a mixture of a few smooth pictures and a little noise."""
    rng = np.random.default_rng(seed)
    c, h, w = shape
    y, x = np.mgrid[0:h, 0:w] / max(h, w)
    base = np.stack([np.sin(2 * np.pi * (a * x + b * y + p)) for a, b, p in rng.random((factors, 3)) * 2])
    mixed = np.tensordot(rng.standard_normal((n, c, factors)), base, 1) * 40 + 128
    return np.clip(mixed + rng.normal(0, 4, mixed.shape), 0, 255).astype(np.uint8)


def dataset(pixels, seed=0):
    labels = np.full(len(pixels), -1)
    names = [str(i) for i in range(len(pixels))]
    cut = max(1, len(pixels) // 10)
    train, test = (Split(pixels[rows], labels[rows], names[rows]) for rows in (slice(cut, None), slice(cut)))
    train, validation = apart(train, seed, len(pixels))
    spec = ImageSpec(*pixels.shape[1:])
    return Dataset("tiny", (), spec, train, test, "0" * 64, validation=validation)


def trained(config, data, run):
    run.mkdir(exist_ok=True)
    trainer = loop.Trainer(config, data, run)
    for _ in trainer.reports():
        pass
    return trainer


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.sampled_from([16, 40, 130]),
    shape=st.sampled_from([(1, 8, 8), (3, 9, 14), (5, 8, 11)]),
    k=st.sampled_from([1, 3, 40, 200]),
    seed=st.integers(0, 99),
    alike=st.booleans(),
)
def test_the_kept_network_is_never_worse_than_pca(tmp_path_factory, n, shape, k, seed, alike):
    pixels = smooth(n, shape, seed)
    pixels = np.repeat(pixels[:1], n, 0) if alike else pixels
    config = TrainConfig(options=TINY, latent_size=k, epochs=2, batch_size=16, lr=0.01, patience=0, seed=seed)
    trainer = trained(config, dataset(pixels, seed), tmp_path_factory.mktemp("run") / "r")
    log = [json.loads(line) for line in (trainer.run / "log.jsonl").read_text().splitlines()]
    floor = log[0].get("validation_pca_mse", log[0]["pca_mse"])
    assert log[0]["step"] == 0 and log[0]["train_mse"] is None
    assert trainer.progress.best_mse <= floor + ROUNDING
    network, progress, _ = trained_network(config, trainer.dataset.spec, trainer.run)
    judged = trainer.dataset.validation or trainer.dataset.test
    assert distortion.test_mse(network, judged.pixels) == pytest.approx(progress.best_mse, rel=1e-5, abs=1e-9)


def test_the_first_reconstruction_is_that_of_pca():
    pixels = smooth(60, (3, 12, 10), 1)
    found = pca.fit(pixels, 4, 0).first(4)
    network = build("blend", TINY, (3, 12, 10), 4).eval()
    network.start(pixels, found, 0)
    flat = to_images(pixels).reshape(60, -1)
    expected = found.reconstruct(flat).reshape(pixels.shape)
    assert abs(distortion.reconstruct(network, pixels).numpy() - expected).max() < 2e-3
    latents = network.encoder(torch.from_numpy(to_images(pixels))).detach().numpy()
    assert np.square(latents).mean() == pytest.approx(1, rel=1e-3)


def test_components_beyond_the_images_are_zero():
    pixels = smooth(17, (1, 8, 8), 0)
    found = pca.fit(pixels, 40, 0).first(40)
    assert (found.components[16:] == 0).all() and (found.variances[16:] == 0).all()
    assert pca.distortion(found, pixels) < 1e-9
    alike = pca.fit(np.repeat(pixels[:1], 20, 0), 3, 0)
    assert (alike.components == 0).all() and pca.distortion(alike.first(3), pixels[:1]) < 1e-12


def test_large_images_are_averaged_before_the_linear_pair(monkeypatch):
    shape = (2, 21, 16)
    monkeypatch.setattr(blend, "LINEAR_VALUES", 3 * 2 * 6 * 4)
    pixels = smooth(50, shape, 3, factors=2)
    network = build("blend", TINY, shape, 3).eval()
    assert [step.small for step in averaging.steps_to_fit(shape, 2 * 6 * 4)] == [(11, 8), (6, 4)]
    assert network.encoder.linear.in_features == 2 * 6 * 4
    network.start(pixels, pca.fit(pixels, 3, 0).first(3), 0)
    flat = np.full((1, *shape), 0.25, np.float32)
    assert abs(network.encoder.reduce(flat) - 0.25).max() < 1e-6  # whole averages at the edges too
    floor = pca.distortion(pca.fit(pixels, 3, 0).first(3), pixels)
    assert distortion.test_mse(network, pixels) < floor + 0.01
    weights = [p for n, p in network.named_parameters() if "shrink" in n or "enlarge" in n]
    assert len(weights) == 4 and not any(p.requires_grad for p in weights)


def test_folding_changes_no_image():
    network = build("blend", TINY, (3, 16, 16), 5).eval()
    with torch.no_grad():
        network.decoder.logit.fill_(0.3)
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert abs(folded(network.decoder)(z) - network.decoder(z)).max() < 1e-6


def test_calibration_makes_a_network_judge_as_it_trains():
    pixels = smooth(160, (3, 16, 16), 5)
    network = build("conv", BlendConfig(widths=(8, 16)), (3, 16, 16), 4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    images = torch.from_numpy(to_images(pixels))
    for step in range(30):
        loss = torch.nn.functional.mse_loss(network(images[step % 10 * 16 :][:16]), images[step % 10 * 16 :][:16])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    calibrate(network, pixels, 0, "cpu")
    assert distortion.test_mse(network, pixels) < 1.5 * loss.item()
    first = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calibrate(network, pixels, 0, "cpu")
    assert all(torch.equal(tensor, first[name]) for name, tensor in network.state_dict().items())


def test_patience_ends_with_a_rate_that_falls_to_zero_and_resumes_to_the_bit(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 1, 8, 8), np.uint8)  # noise: nothing to learn for others
    config = TrainConfig(options=TINY, latent_size=2, epochs=60, batch_size=32, lr=0.02, patience=15, threads=1)
    data = dataset(pixels)
    whole = trained(config, data, tmp_path / "whole")
    ending = whole.progress.ending
    assert ending is not None and ending >= 45 + 15  # 15 steps past the peak of the rate
    assert whole.progress.step == whole.last_step == schedule.last_step(180, ending) < 180
    rates = [schedule.rate(step, 180, 0.02, ending) for step in range(ending, whole.last_step)]
    assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0] / 3
    part = loop.Trainer(config, data, tmp_path / "part")
    for report in part.reports():
        if report.step >= ending + 1:
            part.save()
            break
    again = loop.Trainer(config, data, tmp_path / "part")
    assert again.resume() == [] and again.progress.ending == ending
    for _ in again.reports():
        pass
    one, two = (checkpoint.load_newest(run / "checkpoints") for run in (tmp_path / "whole", tmp_path / "part"))
    assert one.tensors.keys() == two.tensors.keys()
    assert all(torch.equal(tensor, two.tensors[name]) for name, tensor in one.tensors.items())
    assert one.progress.best_step == two.progress.best_step


def test_of_few_images_none_are_spared_for_validation():
    assert dataset(smooth(99, (1, 8, 8), 0)).validation is None
    data = dataset(smooth(100, (1, 8, 8), 0))
    assert data.validation_count == 9 and len(data.train.labels) == 81
    assert not {*data.validation.sources} & {*data.train.sources, *data.test.sources}


def found(variances, n=400):
    return pca.Pca(np.zeros(n, np.float32), np.zeros((len(variances), n), np.float32), np.array(variances), 1.0)


@pytest.mark.parametrize(
    ("images", "variances", "size"),
    [
        (1000, [0.96] + [0] * 127, 16),
        (1000, [0.01] * 128, 128),
        (1000, [1 / 50] * 50 + [0] * 78, 64),
        (40, [0.01] * 30, 10),
    ],
)
def test_the_latent_size_of_a_folder_follows_from_pca(images, variances, size):
    chosen = settled(TrainConfig(), images, (64, 80), found(variances), own=True)
    assert chosen.latent_size == size and chosen.shift == 4 and chosen.patience > 0


@pytest.mark.parametrize(
    ("images", "side", "batch"), [(50, 64, 16), (500, 64, 32), (9000, 64, 64), (9000, 256, 16), (9000, 512, 8)]
)
def test_the_images_a_step_follow_from_their_number_and_size(images, side, batch):
    assert settled(TrainConfig(), images, (side, side), found([0.01]), own=True).batch_size == batch


def test_settings_that_are_given_stay_and_named_sets_have_fixed_ones():
    config = TrainConfig(latent_size=5, shift=0, patience=7, lr=0.5, batch_size=8, epochs=3)
    assert settled(config, 500, (64, 64), found([0.01]), own=True) == config
    named = settled(TrainConfig(), 60000, (28, 28), found([0.01]), own=False)
    assert (named.latent_size, named.batch_size, named.lr, named.shift, named.patience) == (16, 128, 0.01, 0, 0)
    assert named.command() == "aetool train digits --threads 1"
    assert replace(named, dataset="photos", latent_size=32).command().startswith("aetool train photos --latent-dim 32")


def test_the_best_network_is_exported(workplace, cli):
    np.savez("a.npz", images=smooth(150, (1, 12, 12), 2))
    code, _, err = cli("train", "a.npz", "--latent-dim", 3, "--epochs", 5, "--threads", 1, "--set", "widths=4,8")
    assert code == 0 and "to choose the best network" in err and "times better than PCA" in err
    assert "150 images of 12 x 12 in grey, 3 numbers a latent, about" in err and "PCA reaches" in err
    assert "a: 121 images of 1 x 12 x 12, 15 apart for testing, 14 to choose the best network" in err
    assert cli("export")[0] == 0
    bundle = Bundle.read(Path("models/a"))
    run = run_folder.find("a")
    best = checkpoint.load_newest(run / "checkpoints").progress
    data, m = bundle.manifest.dataset, bundle.manifest
    assert (data["train"], data["test"], data["validation"]) == (121, 15, 14)
    assert m.training["best_step"] == best.best_step and m.training["chosen_by"] == "validation"
    assert m.distortion["validation"] == best.best_mse <= m.distortion["validation_pca"]
    assert "chosen by the validation images" in (bundle.manifest.choice or "")
    assert "chosen by the validation images" in cli("info", "models/a")[1].decode()
    assert len(Codec(bundle, "cpu").encode(np.zeros((2, 1, 12, 12), np.float32))) == 2


def test_a_still_camera_can_be_exported(workplace, cli):
    """Images that hardly differ: the differences alone are summed, so that torch and ONNX Runtime agree."""
    rng = np.random.default_rng(0)
    still = rng.integers(100, 250, (1, 3, 32, 32)).repeat(120, 0) + rng.integers(-1, 2, (120, 3, 1, 1))
    np.savez("still.npz", images=still.astype(np.uint8))
    assert cli("train", "still.npz", "--epochs", 1, "--latent-dim", 2, "--threads", 1, "--set", "widths=4,8")[0] == 0
    assert cli("export")[0] == 0


def test_dark_pictures_start_at_pca_and_the_best_is_never_above(tmp_path):
    """Dark pictures show the share of the network best, whose first images are grey."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[0:16, 0:16]
    centres = rng.uniform(3, 13, (130, 2, 1, 1))
    blobs = 255 * np.exp(-((x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2) / 8)
    config = TrainConfig(options=TINY, latent_size=2, epochs=1, batch_size=64, lr=0.01, patience=0)
    trainer = trained(config, dataset(blobs[:, None].astype(np.uint8)), tmp_path / "r")
    first = trainer.progress.history[0]
    assert trainer.progress.best_mse <= first["validation_mse"] <= first["validation_pca_mse"] + ROUNDING
    assert beginning(trainer, first) == ""


def test_patience_does_not_count_while_the_rate_rises():
    config = TrainConfig(epochs=40, batch_size=10, patience=3, more=(80,))
    first = course.cycle(config, 100, checkpoint.Progress())
    assert (first.steps, first.peak, first.patience(3), first.patience(0)) == (400, 100, 3, 0)
    further = course.cycle(config, 100, checkpoint.Progress(step=400, cycle=1, begun=400))
    assert (further.peak, further.patience(3), further.patience(0)) == (600, 200, 0)
