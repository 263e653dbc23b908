"""The zoo becomes bundles that compute the same, and on which every verb works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from aetool import Bundle, Codec, load
from aetool.arrays import to_images
from aetool.choices import SAMPLERS
from tests.conftest import REPOSITORY
from tests.zoo.members import GUESSES, SHAPES, STATISTICS, ZOO, graphs
from tests.zoo.pictures import rectangles


def run(path: str, values: np.ndarray, batch: int) -> np.ndarray:
    """Return what ONNX Runtime computes with a graph, untouched, a batch at a time."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: values[i : i + batch]})[0] for i in range(0, len(values), batch)])


def test_the_zoo_is_whole_and_small():
    assert {path.name for path in ZOO.iterdir()} == set(SHAPES)
    assert sum(path.stat().st_size for path in ZOO.rglob("*.onnx")) < 1 << 20


def test_the_zoo_becomes_bundles_that_compute_the_same(member):
    name, made = member
    shape = SHAPES[name]
    assert "a guess" in made.said and "larger than that of one mean image" not in made.said
    bundle = Bundle.read(made.path)
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
    nodes = [node for part in ("encoder", "decoder") for node in onnx.load(made.path / f"{part}.onnx").graph.node]
    linear = [{a.name: a.i for a in node.attribute}.get("transB") for node in nodes if node.op_type == "Gemm"]
    assert set(linear) <= {1}  # OpenCV 4.6 reads no others


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


VERBS = {
    "encode": lambda model, images: model.encode(images),
    "decode": lambda model, images: model.decode(model.encode(images)).pixels,
    "reconstruct": lambda model, images: model.reconstruct(list(drawn(images))).pixels,
    "interpolate": lambda model, _: model.interpolate("class:0", "class:1", steps=4, even=True).pixels,
    "interpolate by the graph": lambda model, _: model.interpolate("bank:0", "class:1", method="graph").pixels,
    "combine": lambda model, _: model.combine("class:0", "class:1", "bank:2", weights=[1, -1, 1]).pixels,
    "perturb": lambda model, _: model.perturb("bank:0", sigma=0.3, n=3, seed=0).pixels,
    "sample": lambda model, _: np.concatenate([model.sample("1", 2, 0, how).pixels for how in SAMPLERS]),
    "sample of pictures": lambda model, images: model.sample(n=2, seed=0, images=list(drawn(images))).pixels,
    "score": lambda model, images: np.array([one.mse for one in model.score(list(drawn(images)))], np.float32),
    "maps": lambda model, images: model.maps(list(drawn(images))),
}


def drawn(images: np.ndarray) -> Iterator[Image.Image]:
    """Yield images as pictures."""
    for pixels in (images * 255).round().astype(np.uint8).transpose(0, 2, 3, 1):
        yield Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_works_on_every_member(verb, member):
    name, made = member
    shape = SHAPES[name]
    found = VERBS[verb](load(made.path, threads=1), to_images(rectangles(6, *shape, seed=9)))
    assert len(found) and np.isfinite(found).all()
    if found.dtype == np.uint8:
        assert found.shape[1:] == shape and np.ptp(found) > 0


def test_search_finds_each_training_image(member):
    model = load(member[1].path, threads=1)
    for index in (0, 7):
        (hits,) = model.search(f"bank:{index}", n=3)
        assert (hits[0].index, hits[0].distance, len(hits)) == (index, 0, 3)


def test_info_and_verify_of_every_member(member, cli):
    name, made = member
    code, out, err = cli("verify", made.path, "--witness")
    assert code == 0 and b"witness images" in out, err
    code, out, _ = cli("info", made.path)
    assert code == 0 and b"imported" in out and b" x ".join(b"%d" % size for size in SHAPES[name]) in out


@pytest.mark.parametrize("member", ["torch-conv-old", "keras-transposed", "torch-odd-dynamo"], indirect=True)
def test_every_command_works_on_an_imported_bundle(member, cli, workplace):
    name, made = member
    for i, image in enumerate(drawn(to_images(rectangles(24, *SHAPES[name], seed=9)))):
        Path(f"pictures/{i // 12}").mkdir(parents=True, exist_ok=True)
        image.save(f"pictures/{i // 12}/{i % 12}.png")
    for line in (
        "encode pictures -o z.jsonl", "decode z.jsonl -o again.png", "reconstruct pictures -o again/",
        "sample --class 1 -n 4 -o new.png", "sample --from pictures/0 -n 4 -o like.png",
        "sample -n 4 --method gmm -o mixed.png", "interpolate class:0 class:1 --steps 5 -o walk.gif",
        "interpolate class:0 class:1 --method graph --even -o graph.gif", "score pictures --json",
        "combine class:0 class:1 -o mean.png", "perturb pictures/0/0.png -n 3 -o near.png", "search pictures/1/3.png",
        "explain new.png",
    ):  # fmt: skip
        code, _, err = cli(*line.split(), *["-m", made.path] * (line != "explain new.png"))
        assert code == 0, f"{line}: {err}"
    card = (made.path / "README.md").read_text()
    assert "aetool import encoder.onnx decoder.onnx --data shapes.npz" in card and "aetool export" not in card
    assert "The imported graphs and the bundle agree" in card
