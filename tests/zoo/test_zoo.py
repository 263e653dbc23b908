"""The zoo becomes bundles that compute the same, and on which every verb works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from aetool import Bundle, Codec
from aetool.arrays import to_images
from tests.conftest import REPOSITORY
from tests.zoo.members import GUESSES, SHAPES, STATISTICS, ZOO, array, graphs
from tests.zoo.pictures import rectangles


def run(path: str, values: np.ndarray, batch: int) -> np.ndarray:
    """Return what ONNX Runtime computes with a graph, untouched, a batch at a time."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: values[i : i + batch]})[0] for i in range(0, len(values), batch)])


def test_the_zoo_is_whole_and_small():
    assert {path.name for path in ZOO.iterdir()} == set(SHAPES)
    assert sum(path.stat().st_size for path in ZOO.rglob("*.onnx")) < 1 << 20


@pytest.mark.parametrize("name", SHAPES)
def test_the_zoo_becomes_bundles_that_compute_the_same(name, cli, workplace):
    shape = SHAPES[name]
    data = array(Path("shapes.npz"), shape)
    code, out, err = cli("import", *graphs(name), "--data", data, "-o", "mine", *STATISTICS * ("odd" in name))
    assert (code, out) == (0, b"mine\n"), err
    assert "a guess" in err and "larger than that of one mean image" not in err
    bundle = Bundle.read(Path("mine"))
    inner = bundle.manifest.architecture["options"]["images in"]
    assert inner.endswith(GUESSES.get(name, "0..1"))
    assert ("channels last" in inner) == (name in ("keras-blog-conv", "keras-transposed", "flax-conv"))
    images = to_images(rectangles(9, *shape, seed=8))
    given = {"-1..1": images * 2 - 1, "0..255": images * 255}.get(GUESSES.get(name, ""), images)
    if "odd" in name:
        mean, std = (np.array([float(x) for x in STATISTICS[i].split(",")], np.float32) for i in (1, 3))
        given = (images - mean[:, None, None]) / std[:, None, None]
    given = given.transpose(0, 2, 3, 1) if "channels last" in inner else given
    given = given.reshape(9, -1) if "dense" in name else given
    expected = run(graphs(name)[0], np.ascontiguousarray(given, np.float32), 1).reshape(9, -1)
    latents = Codec(bundle, "cpu").encode(images)
    assert abs(latents - expected).max() <= 1e-5 * max(expected.std(0).mean(), np.sqrt((expected**2).mean()))
    assert bundle.manifest.parity["found"]["images"] <= 1e-6 and bundle.manifest.parity["images"] == "held-out"
    assert bundle.manifest.distortion["test"] < images.var(0).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("maker", "package"), [("make_torch", "torch"), ("make_keras", "tf2onnx"), ("make_flax", "jax2onnx")]
)
def test_the_zoo_can_be_made_anew(maker, package, tmp_path):
    pytest.importorskip(package, reason=f"NO {package}: the script tests/zoo/{maker}.py says how to install it")
    words = [sys.executable, "-m", f"tests.zoo.{maker}", str(tmp_path)]
    subprocess.run(words, cwd=REPOSITORY, check=True, timeout=1200)
    made = {path.name for path in tmp_path.iterdir()}
    assert made and made <= set(SHAPES)


@pytest.mark.parametrize("name", ["torch-conv-old", "keras-transposed", "torch-odd-dynamo"])
def test_every_verb_works_on_an_imported_bundle(name, cli, workplace):
    shape = SHAPES[name]
    data = array(Path("shapes.npz"), shape)
    for label in range(2):
        for i in range(12):
            Path(f"pictures/{label}").mkdir(parents=True, exist_ok=True)
            pixels = rectangles(24, *shape, seed=9)[label * 12 + i].transpose(1, 2, 0)
            Image.fromarray(pixels[..., 0] if shape[0] == 1 else pixels).save(f"pictures/{label}/{i}.png")
    assert cli("import", *graphs(name), "--data", data, "-q", *STATISTICS * ("odd" in name))[:2] == (
        0,
        b"models/shapes\n",
    )
    for line in (
        "encode pictures -o z.jsonl", "decode z.jsonl -o again.png", "reconstruct pictures -o again/",
        "sample --class 1 -n 4 -o new.png", "sample --from pictures/0 -n 4 -o like.png",
        "sample -n 4 --method gmm -o mixed.png", "interpolate class:0 class:1 --steps 5 -o walk.gif",
        "interpolate class:0 class:1 --method graph --even -o graph.gif", "score pictures --json",
        "combine class:0 class:1 -o mean.png", "perturb pictures/0/0.png -n 3 -o near.png", "search pictures/1/3.png",
        "verify models/shapes", "info shapes", "explain new.png",
    ):  # fmt: skip
        words = line.split()
        named = [] if words[0] in ("info", "verify", "explain") else ["-m", "models/shapes"]
        code, _, err = cli(*words, *named)
        assert code == 0, f"{line}: {err}"
    card = Path("models/shapes/README.md").read_text()
    assert "aetool import encoder.onnx decoder.onnx --data shapes.npz" in card and "aetool export" not in card
    assert "The imported graphs and the bundle agree" in card
