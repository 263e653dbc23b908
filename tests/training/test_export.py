"""Exported bundles: whole, proven, refused where they should be, and the same from the same weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aetool import Bundle, Codec, metrics
from aetool.arrays import to_images
from aetool.bundle.golden import Golden, Samples
from aetool.bundle.lookup import SHIPPED, shipped_path
from aetool.errors import BundleError
from aetool.runtime.golden import check_golden
from aetool.training.data.dataset import load
from aetool.training.export import parity


@pytest.fixture
def at_run(digits_run, monkeypatch):
    """The current folder is the one that has runs/digits and models/digits."""
    monkeypatch.chdir(digits_run.parents[1])
    return digits_run


def test_the_manifest_says_what_was_measured(digits):
    bundle = Bundle.read(digits)
    manifest, codec = bundle.manifest, Codec(bundle, "cpu")
    data = load("digits", 0, choosing=True)
    images = to_images(data.test.pixels)
    assert manifest.distortion["test"] == pytest.approx(float(metrics.mse(images, codec.reconstruct(images)).mean()))
    assert manifest.distortion["test"] < manifest.distortion["pca"]
    assert manifest.distortion["validation"] < manifest.distortion["validation_pca"]
    assert len(manifest.distortion["quantiles"]) == 101 and manifest.distortion["quantiles"] == sorted(
        manifest.distortion["quantiles"]
    )
    assert manifest.dataset == {"name": "digits", "sha256": data.sha256, "train": 1458, "test": 179, "validation": 160}
    assert manifest.training["command"] == "aetool train digits --epochs 12 --threads 1"
    assert manifest.parity["found"].keys() == parity.BOUNDS.keys()
    assert check_golden(bundle, codec)["found"] == {"latents": 0.0, "images": 0.0}


def test_samples_of_golden_images_prove_the_graphs_as_whole_images_do(digits):
    bundle = Bundle.read(digits)
    golden, codec = bundle.manifest.golden, Codec(bundle, "cpu")
    samples = Samples.of(golden.images)

    def check(kept: Samples, encoded=golden.encoded) -> float:
        manifest = replace(bundle.manifest, golden=Golden(golden.latents, kept, encoded))
        return check_golden(replace(bundle, manifest=manifest), codec)["found"]["images"]

    assert check(samples) == 0
    for values, means in ((0.01, 0), (0, 0.01)):
        changed = Samples(samples.values.copy(), samples.means + np.float32(means))
        changed.values[1, 5] += np.float32(values)
        with pytest.raises(BundleError, match=r"golden images differ by 0\.01"):
            check(changed)
    with pytest.raises(BundleError, match="golden latents differ"):
        check(samples, golden.encoded + np.float32(0.1) * abs(golden.encoded).max())


def test_encoding_a_training_image_gives_the_latent_in_the_bank_to_the_bit(digits):
    bundle = Bundle.read(digits)
    bank, codec = bundle.bank(), Codec(bundle, "cpu")
    data = load("digits", 0, choosing=True)
    assert len(bank.latents) == 1458 and list(bank.sources) == list(data.train.sources)
    for row in (0, 5, 1457):
        assert np.array_equal(codec.encode(to_images(data.train.pixels[row : row + 1]))[0], bank.latents[row])
    assert np.array_equal(bank.labels, data.train.labels)


def test_exporting_again_gives_the_same_graphs_and_the_next_free_name(at_run, digits, cli, monkeypatch):
    monkeypatch.chdir(at_run.parents[1])
    code, out, _ = cli_in(at_run, cli, "export")
    second = Path(out.decode().strip())
    assert code == 0 and second.name == "digits-2"
    for name in ("encoder.onnx", "decoder.onnx", "bank.npz"):
        assert (at_run.parents[1] / second / name).read_bytes() == (digits / name).read_bytes()


def cli_in(run, cli, *words):
    import os

    os.chdir(run.parents[1])
    return cli(*words)


def test_a_bundle_is_replaced_only_by_force_and_a_folder_that_is_none_never(at_run, cli):
    os_place = at_run.parents[1]
    assert cli_in(at_run, cli, "export", "-o", "one")[0] == 0
    before = Bundle.read(os_place / "one").identity
    code, _, err = cli_in(at_run, cli, "export", "-o", "one")
    assert code == 2 and "--force" in err
    assert cli_in(at_run, cli, "export", "-o", "one", "--force", "--no-bank")[0] == 0
    bundle = Bundle.read(os_place / "one")
    assert bundle.identity == before and len(bundle.bank().latents) == 0
    (os_place / "mine").mkdir()
    (os_place / "mine" / "letter.txt").write_text("keep me")
    assert cli_in(at_run, cli, "export", "-o", "mine", "--force")[0] == 2
    assert (os_place / "mine" / "letter.txt").read_text() == "keep me"
    assert not list(os_place.glob(".*"))


def test_without_a_bank_only_statistics_remain(at_run, cli):
    assert cli_in(at_run, cli, "export", "-o", "bare", "--no-bank")[0] == 0
    assert cli("sample", "-m", "bare", "--digit", 8, "--method", "gaussian", "-o", "x.png")[0] == 0
    assert cli("interpolate", "-m", "bare", "class:3", "class:8", "-o", "x.gif")[0] == 0
    code, _, err = cli("sample", "-m", "bare", "--digit", 8)
    assert code == 2 and "needs none" in err
    assert "statistics" in (at_run.parents[1] / "bare" / "README.md").read_text()


def test_beyond_a_bound_the_export_ends_with_5_and_leaves_nothing(at_run, cli, monkeypatch):
    monkeypatch.setitem(parity.BOUNDS, "images", -1.0)
    code, out, err = cli_in(at_run, cli, "export", "-o", "never")
    assert (code, out) == (5, b"") and "differ" in err
    assert not (at_run.parents[1] / "never").exists()


def test_a_run_without_a_checkpoint_cannot_be_exported(workplace, cli):
    Path("runs/x").mkdir(parents=True)
    config = json.dumps({"config": __import__("aetool.training.config").training.config.TrainConfig().to_dict(),
                         "dataset": "digits", "sha256": load("digits", 0).sha256})  # fmt: skip
    Path("runs/x/config.json").write_text(config)
    code, _, err = cli("export", "x")
    assert code == 5 and "--resume" in err


def test_sampled_digits_are_of_their_class(digits):
    """A class is where its latents are: new eights lie nearer to the mean eight than to other means, mostly."""
    from aetool.generation.sampling import SAMPLERS

    bank = Bundle.read(digits).bank()
    means = bank.means[:10]
    for name, sampler in SAMPLERS.items():
        drawn = sampler.draw(bank, 0, 300, np.random.default_rng(0))
        nearest = np.linalg.norm(drawn[:, None] - means, axis=2).argmin(1)
        assert (nearest == 0).mean() > 0.9, name


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_are_whole_and_prove_themselves_here(name):
    bundle = Bundle.read(shipped_path(name))
    assert check_golden(bundle, Codec(bundle, "cpu"))["found"]["images"] <= 1e-4
    assert f"\n---\n\n# {name}\n" in (shipped_path(name) / "README.md").read_text()


def test_shipped_mnist_meets_its_figures_on_the_real_test_set(data_dir):
    bundle = Bundle.read(shipped_path("mnist"))
    codec = Codec(bundle, "cpu", threads=2)
    test = load("mnist", 0, str(data_dir)).test.pixels
    total = 0.0
    for start in range(0, len(test), 1000):
        images = to_images(test[start : start + 1000])
        total += float(metrics.mse(images, codec.reconstruct(images)).sum())
    mse = total / len(test)
    assert mse < 0.0065
    assert mse == pytest.approx(bundle.manifest.distortion["test"], rel=1e-4)
