"""Round trips of large pictures and of images with five channels: trained, exported with parity, encoded, decoded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool import Bundle
from aetool.training.export.parity import BOUNDS

RNG = np.random.default_rng(0)


def waves(n: int, channels: int, height: int, width: int) -> np.ndarray:
    """Return n smooth images (n, c, h, w) that differ."""
    y, x = np.linspace(0, 3, height)[:, None], np.linspace(0, 4, width)
    phase = RNG.uniform(0, 6, (n, channels, 1, 1))
    return np.rint(127 + 120 * np.sin(phase + y + x * (1 + np.arange(channels)[:, None, None]))).astype(np.uint8)


def trained(cli, data: str, *words: object) -> Path:
    """Train for a few steps, export, and return the bundle, whose parity holds."""
    size = (
        "--batch-size",
        4,
        "--epochs",
        1,
        "--latent-dim",
        3,
        "--threads",
        1,
        "--arch",
        "conv",
        "--set",
        "widths=8,16",
    )
    code, _, err = cli("train", data, *size, *words)
    assert code == 0, err
    code, out, err = cli("export")
    assert code == 0, err
    path = Path(out.decode().strip())
    found = Bundle.read(path).manifest.parity["found"]
    assert all(found[name] <= bound for name, bound in BOUNDS.items())
    assert (path / "bundle.json").stat().st_size < 400_000
    assert cli("verify", path)[0] == 0
    return path


def latents(out: bytes) -> np.ndarray:
    return np.array([json.loads(line)["latent"] for line in out.splitlines()])


def test_pictures_of_512_pixels(cli, workplace):
    Path("photos").mkdir()
    for i, image in enumerate(waves(16, 3, 520, 600)):
        Image.fromarray(image.transpose(1, 2, 0)).save(f"photos/{i:02}.png")
    model = trained(cli, "photos", "--size", 512)
    assert Bundle.read(model).manifest.image.shape == (3, 512, 512)
    assert cli("encode", "photos", "-m", model, "-o", "z.npz")[0] == 0
    assert cli("decode", "z.npz", "-m", model, "-o", "again/")[0] == 0
    assert cli("decode", "z.npz", "-m", model, "-o", "again.npz")[0] == 0
    pictures = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("again").iterdir())])
    with np.load("again.npz") as made:
        assert pictures.shape == (16, 512, 512, 3) and np.array_equal(made["images"].transpose(0, 2, 3, 1), pictures)
    with np.load(model / "bank.npz") as bank, np.load("z.npz") as found:
        names = [name.partition("/")[2] or name for name in found["sources"].tolist()]
        assert len(names) == 16 and bank["latents"].shape[1] == 3
    assert Image.open("runs/photos/reconstructions.png").mode == "RGB"


def test_a_stack_of_five_channels(cli, workplace):
    images = waves(24, 5, 17, 40)
    np.savez_compressed("bands.npz", images=images.transpose(0, 2, 3, 1), labels=["a", "b"] * 12)
    model = trained(cli, "bands.npz")
    manifest = Bundle.read(model).manifest
    assert manifest.image.shape == (5, 17, 40) and manifest.classes == ("a", "b")
    assert "images of 5 channels of 17 x 40" in (model / "README.md").read_text()
    np.save("first.npy", images)
    same = [latents(cli("encode", name, "-m", model)[1]) for name in ("bands.npz", "first.npy")]
    assert same[0].shape == (24, 3) and np.array_equal(*same)
    with np.load(model / "bank.npz") as bank:
        known = np.round(bank["latents"].astype(float), 6).tolist()
        assert all(one in np.round(same[0], 6).tolist() for one in known) and len(known) >= 16
    assert cli("encode", "first.npy", "-m", model, "-o", "z.npz")[0] == 0
    assert cli("decode", "z.npz", "-m", model, "-o", "again.npz")[0] == 0
    assert cli("reconstruct", "first.npy", "-m", model, "-o", "direct.npz")[0] == 0
    with np.load("again.npz") as again, np.load("direct.npz") as direct:
        assert again["images"].shape == images.shape and np.array_equal(again["images"], direct["images"])
    assert cli("sample", "-m", model, "--class", "a", "-n", 4, "-o", "new.png")[0] == 2
    assert cli("sample", "-m", model, "--class", "a", "-n", 4, "-o", "new.png", "--show", "1,3,5")[0] == 0
    assert Image.open("new.png").mode == "RGB" and Image.open("runs/bands/reconstructions.png").mode == "RGB"


def test_a_folder_of_tiffs_with_five_channels(cli, workplace):
    tifffile = pytest.importorskip("tifffile")
    Path("field").mkdir()
    for i, image in enumerate(waves(18, 5, 24, 20)):
        tifffile.imwrite(f"field/{i:02}.tif", image, photometric="minisblack", planarconfig="separate")
    model = trained(cli, "field")
    with np.load(model / "bank.npz") as bank:
        by_name = dict(zip(bank["sources"].tolist(), bank["latents"].tolist(), strict=True))
    code, out, _ = cli("encode", "field", "-m", model)
    found = {Path(json.loads(line)["source"]).name: json.loads(line)["latent"] for line in out.splitlines()}
    assert code == 0 and len(found) == 18
    assert all(np.array_equal(np.float32(found[name]), np.float32(latent)) for name, latent in by_name.items())


def test_a_smaller_size_than_that_of_the_files_is_told(cli, workplace):
    Path("photos").mkdir()
    for i, image in enumerate(waves(16, 1, 90, 140)):
        Image.fromarray(image[0]).save(f"photos/{i:02}.png")
    words = ("--epochs", 1, "--threads", 1, "--latent-dim", 2)
    said = "all 16 pictures, of up to 90x140 pixels, become 64x64; --size, up to 512, keeps more"
    for _ in range(2):  # from the files, then from the cache
        code, _, err = cli("train", "photos", *words)
        assert code == 0 and err.count(said) == 1
    code, _, err = cli("train", "photos", *words, "--size", "32x48")
    assert code == 0 and "keeps more" not in err


def test_a_layout_of_an_array(cli, workplace):
    images = waves(20, 9, 10, 12)
    np.savez("x.npz", images=images)
    code, _, err = cli("train", "x.npz", "--threads", 1)
    assert code == 4 and "can be nchw and nhwc; say which with --layout" in err
    assert cli("train", "x.npz", "--threads", 1, "--epochs", 1, "--layout", "nhwc", "--latent-dim", 2)[0] == 0
    config = json.loads(Path("runs/x/config.json").read_text())
    assert config["config"]["layout"] == "nhwc" and config["image"]["channels"] == 12
    assert cli("export")[0] == 0
    code, _, err = cli("train", "digits", "--layout", "nhwc")
    assert code == 2 and "digits is no array of images, and has no layout; leave --layout out" in err
