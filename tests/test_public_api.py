"""The public Python API: each call gives what the command gives, to the byte."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool.arrays import to_images
from aetool.errors import InvalidInput, LimitExceeded, ReadWriteError, UsageError
from aetool.generation.sampling import Mix
from aetool.system.limits import Limits
from tests.conftest import command
from tests.toy import toy_image, toy_latents


@pytest.fixture
def model(toy, workplace):
    """The toy model, in a folder with three pictures."""
    for i in range(3):
        toy_image(40 * i, 50, 100, 200).save(f"{i}.png")
    Path("class").mkdir()
    for i in range(4):
        toy_image(20 * i, 30, 250, 9).save(f"class/{i}.png")
    return aetool.load(toy, threads=1)


SAME = [
    ("x.png", "sample --class dark -n 5 --seed 3", lambda m: m.sample("dark", n=5, seed=3)),
    ("x.jpg", "sample -n 5 --seed 3 --method mix --set m=3", lambda m: m.sample(n=5, seed=3, method=Mix(m=3))),
    ("x.gif", "sample -n 5 --seed 3 --method gmm", lambda m: m.sample(n=5, seed=3, method="gmm")),
    ("x.npz", "sample --class light -n 5 --seed 3", lambda m: m.sample("light", n=5, seed=3)),
    ("x.png", "sample --from class -n 5 --seed 3", lambda m: m.sample(n=5, seed=3, images="class")),
    ("x.png", "interpolate 0.png 1.png class:dark --steps 4",
     lambda m: m.interpolate("0.png", "1.png", "class:dark", steps=4)),
    ("x.webp", "interpolate 0.png 1.png --method graph --even --loop",
     lambda m: m.interpolate("0.png", "1.png", method="graph", even=True, loop=True)),
    ("x.jsonl", "interpolate class:dark class:dark class:light",
     lambda m: m.interpolate("class:dark", "class:dark", "class:light")),
    ("x.png", "combine 0.png 1.png 2.png --weights 1,-1,1",
     lambda m: m.combine("0.png", "1.png", "2.png", weights=[1, -1, 1])),
    ("x.png", "perturb 0.png class:dark -n 3 --seed 1 --sigma 0.2",
     lambda m: m.perturb("0.png", "class:dark", n=3, seed=1, sigma=0.2)),
    ("x.npy", "perturb 0.png -n 3 --seed 1", lambda m: m.perturb("0.png", n=3, seed=1)),
    ("x.png", "reconstruct 0.png class", lambda m: m.reconstruct(["0.png", "class"])),
    ("x.apng", "reconstruct class", lambda m: m.reconstruct("class")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "call"), SAME, ids=[f"{line} {name}" for name, line, _ in SAME])
def test_python_writes_the_bytes_of_the_command(model, cli, toy, name, line, call):
    metadata = [] if name.endswith(("npz", "npy", "jsonl")) else ["--no-metadata"]
    code, _, err = cli(*line.split(), "-m", toy, "-o", name, *metadata)
    assert code == 0, err
    call(model).save(f"python-{name}")
    assert Path(f"python-{name}").read_bytes() == Path(name).read_bytes()


def test_folders_hold_the_same_files(model, cli, toy):
    assert cli("sample", "--class", "dark", "-n", 12, "--seed", 1, "-m", toy, "-o", "a/", "--no-metadata")[0] == 0
    model.sample("dark", n=12, seed=1).save("b/")
    found = [{path.name: path.read_bytes() for path in Path(folder).iterdir()} for folder in ("a", "b")]
    assert found[0] == found[1] and len(found[0]) == 12


def test_latents_of_paths_bytes_pillow_images_and_arrays_are_those_of_the_command(model, cli, toy):
    assert cli("encode", "0.png", "class", "-m", toy, "-o", "z.npy")[0] == 0
    expected = np.load("z.npy")
    assert np.array_equal(model.encode(["0.png", "class"]), expected)
    assert np.array_equal(model.encode(Path("0.png")), expected[:1])
    mixed = [Path("0.png").read_bytes(), Image.open("class/0.png"), *(f"class/{i}.png" for i in (1, 2, 3))]
    assert np.array_equal(model.encode(mixed), expected)
    pixels = np.stack([model.prepare(name) for name in ("0.png", "class/0.png")])
    assert pixels.dtype == np.uint8 and np.array_equal(model.encode(to_images(pixels)), expected[:2])
    assert np.array_equal(model.prepare(Path("0.png").read_bytes()), pixels[0])


def test_decoding_search_and_scores_are_those_of_the_command(model, cli, toy):
    np.save("z.npy", toy_latents())
    assert cli("decode", "z.npy", "-m", toy, "-o", "x.png", "--no-metadata")[0] == 0
    model.decode(toy_latents()).save("y.png")
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    assert np.array_equal(model.decode(toy_latents()[0]).pixels[0], model.decode(toy_latents()).pixels[0])
    out = cli("search", "0.png", "-n", 3, "-m", toy, "--json")[1].decode()
    hits = model.search("0.png", n=3)[0]
    assert [f'"source": "{hit.source}"' in line for hit, line in zip(hits, out.splitlines(), strict=True)] == [True] * 3
    out = cli("score", "0.png", "class", "-m", toy, "--json")[1].decode()
    assert [f'"mse": {score.mse}' in line for score, line in
            zip(model.score(["0.png", "class"]), out.splitlines(), strict=True)] == [True] * 5  # fmt: skip


def test_pictures_show_themselves(model):
    made = model.sample("dark", n=5, seed=3)
    assert repr(made) == "<5 pictures of 1 x 8 x 8, seed 3>" and len(made) == 5
    made.save("x.png")
    assert made._repr_png_() == Path("x.png").read_bytes()
    assert np.array_equal(np.asarray(made.sheet()), np.asarray(Image.open("x.png")))
    assert np.array_equal(np.asarray(made[1]), made.pixels[1, 0])
    assert made.latents.shape == (5, 4) and made.names == tuple(f"dark-{i:04}" for i in range(1, 6))
    assert model.sample(n=1).seed is not None and "\n" not in repr(model)


def test_a_model_leaves_the_limit_of_pillow_alone(model, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    model.encode("0.png")
    with pytest.raises(InvalidInput):
        model.encode(b"no picture")
    assert Image.MAX_IMAGE_PIXELS == 12345


def test_errors_are_those_of_the_library(model):
    for call, kind in (
        (lambda: model.sample("nosuch"), UsageError),
        (lambda: model.sample(method="nosuch"), UsageError),
        (lambda: model.encode("nosuch.png"), ReadWriteError),
        (lambda: model.encode(["0.png", b"no picture"]), InvalidInput),
        (lambda: model.sample(images="0.png"), InvalidInput),
        (lambda: model.decode(np.zeros((1, 5), np.float32)), InvalidInput),
        (lambda: model.interpolate("0.png"), UsageError),
        (lambda: aetool.Model(model.bundle, limits=Limits(pixels=10)).encode("0.png"), LimitExceeded),
    ):
        with pytest.raises(kind):
            call()


def test_training_and_export_are_those_of_the_commands(workplace):
    words = ["train", "digits", "--epochs", "2", "--threads", "1", "-q"]
    subprocess.run(command(words), check=True, capture_output=True, timeout=120)
    subprocess.run(command(["export", "-q"]), check=True, capture_output=True, timeout=120)
    stages: list[str] = []
    config = aetool.TrainConfig(epochs=2, threads=1)
    run = aetool.train("digits", config, progress=lambda title, done, total, text: stages.append(title))
    path = aetool.export(run)
    assert (str(run), str(path)) == ("runs/digits-2", "models/digits-2") and set(stages) == {
        "finding the principal components",
        "training",
    }
    for name in ("encoder.onnx", "decoder.onnx", "bank.npz"):
        assert (path / name).read_bytes() == Path("models/digits", name).read_bytes()
    assert repr(aetool.load(path)).startswith("<model digits-2 ") and aetool.load().bundle.name == "digits-2"
    with pytest.raises(UsageError, match="is finished"):
        aetool.train(resume=run)


def test_no_package_and_public_function_share_a_name():
    packages = {module.name for module in pkgutil.iter_modules(aetool.__path__)}
    assert not packages & set(aetool.__all__)
    for name in aetool.__all__:
        assert getattr(aetool, name) is not None
    assert not hasattr(aetool, "nosuch")


def test_running_from_python_never_imports_torch(toy, workplace):
    code = "import sys, aetool\naetool.load(sys.argv[1]).sample(n=2, seed=1).save('x.png')"
    code += "\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(toy)], check=True, timeout=60, env=os.environ)
