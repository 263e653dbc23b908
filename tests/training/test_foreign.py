"""Graphs of other tools: the zoo becomes bundles on which every verb works, the rest is refused with a reason."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import aetool
from aetool import Bundle, Codec
from aetool.arrays import to_images
from aetool.errors import AetoolError, BundleError, InvalidInput, UsageError
from aetool.training.foreign import imported
from aetool.training.foreign.imported import Ends
from aetool.training.foreign.pair import rewritten_decoder
from aetool.training.foreign.source import read_source
from tests.conftest import REPOSITORY
from tests.zoo.pictures import rectangles

ZOO = Path(__file__).parents[1] / "zoo" / "graphs"
STATISTICS = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]
SHAPES = {
    "torch-conv-old": (1, 28, 28), "torch-conv-dynamo": (1, 28, 28), "torch-leaky-old": (3, 16, 16),
    "torch-leaky-open": (3, 16, 16), "torch-dense-dynamo": (1, 12, 12), "torch-pooled-free": (1, 16, 16),
    "torch-pooled-dynamo": (1, 16, 16), "torch-odd-old": (3, 14, 19), "torch-odd-dynamo": (3, 14, 19),
    "torch-columns-old": (1, 14, 14), "torch-columns-open": (1, 14, 14), "keras-blog-dense": (1, 28, 28),
    "torch-gelu-aged": (3, 16, 16), "torch-gelu-dynamo": (3, 16, 16),
    "keras-blog-conv": (1, 28, 28), "keras-transposed": (3, 20, 16), "flax-conv": (1, 20, 20),
}  # fmt: skip
GUESSES = {
    "torch-gelu-aged": "-1..1", "torch-gelu-dynamo": "-1..1",
    "torch-leaky-old": "-1..1", "torch-leaky-open": "-1..1", "keras-transposed": "0..255",
    "torch-odd-old": "mean 0.485,0.456,0.406 std 0.229,0.224,0.225",
    "torch-odd-dynamo": "mean 0.485,0.456,0.406 std 0.229,0.224,0.225",
}  # fmt: skip


def graphs(name: str) -> list[str]:
    return [str(ZOO / name / f"{part}.onnx") for part in ("encoder", "decoder")]


def array(path: Path, shape: tuple[int, int, int], n: int = 200, classes: int = 2) -> str:
    np.savez(path, images=rectangles(n, *shape, seed=5), labels=np.arange(n) % classes)
    return str(path)


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


def test_an_imported_model_is_measured_without_torch(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-dense-dynamo"])
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", data, "-o", "mine", "-q")[0] == 0
    code, out, err = cli("bench", "mine", "--trials", 1, "--json")
    assert code == 0 and "torch is not measured" in err and "torch" not in json.loads(out)["sections"]


def test_distortion_is_evaluated_on_the_data_of_the_import(cli, workplace):
    np.savez("shapes.npz", images=rectangles(200, 1, 12, 12))
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", "shapes.npz", "-q")[0] == 0
    code, out, _ = cli("evaluate", "models/shapes", "--data", "shapes.npz", "--json")
    found = json.loads(out)["distortion"]
    assert code == 0 and found["test"] == pytest.approx(Bundle.find("shapes").manifest.distortion["test"])


def test_the_command_of_the_card_makes_the_same_bundle_without_a_guess(cli, workplace):
    array(Path("shapes.npz"), SHAPES["keras-transposed"])
    for path in graphs("keras-transposed"):
        shutil.copy(path, ".")
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", "shapes.npz", "-o", "one")[0] == 0
    command = Bundle.read(Path("one")).manifest.training["command"].split()
    assert command[:2] == ["aetool", "import"] and "--range=0..255" in command
    code, _, err = cli(*command[1:], "-o", "two")
    assert code == 0 and "guess" not in err
    for file in ("encoder.onnx", "decoder.onnx", "bank.npz"):
        assert Path("one", file).read_bytes() == Path("two", file).read_bytes()


def test_a_folder_of_pictures_is_prepared_as_the_encoder_takes_it(cli, workplace):
    for i in range(20):
        Path("photos").mkdir(exist_ok=True)
        Image.fromarray(rectangles(20, 3, 60, 80, seed=1)[i].transpose(1, 2, 0)).save(f"photos/{i}.png")
    assert cli("import", *graphs("torch-leaky-old"), "--data", "photos", "--range", "-1..1", "--layout", "nchw",
               "-o", "mine")[0] == 0  # fmt: skip
    bundle = Bundle.read(Path("mine"))
    assert bundle.manifest.image.shape == (3, 16, 16) and bundle.manifest.pictures is not None
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", "photos", "-o", "flat")[0] == 0
    assert Bundle.read(Path("flat")).manifest.image.shape == (1, 12, 12)


def test_python_imports_as_the_command_does(workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    ends = Ends(ranges=("0..1",), layout="nchw")
    path = aetool.import_graphs(*graphs("torch-conv-old"), data, ends=ends)
    assert path == Path("models/shapes") and aetool.load(path).sample(n=2, seed=0).pixels.shape == (2, 1, 28, 28)
    with pytest.warns(UserWarning, match="a guess"):
        assert aetool.import_graphs(*graphs("torch-conv-old"), data) == Path("models/shapes-2")


def test_what_differs_from_its_source_is_never_written(cli, workplace, monkeypatch):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    monkeypatch.setitem(imported.BOUNDS, "images", -1.0)
    code, out, err = cli("import", *graphs("torch-conv-old"), "--data", data)
    assert (code, out) == (5, b"") and "the imported graphs and the bundle differ" in err
    assert not Path("models").exists()


def test_existing_folders_are_replaced_only_by_force(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    words = ["import", *graphs("torch-conv-old"), "--data", data, "-o", "mine"]
    assert cli(*words)[0] == 0 and cli(*words)[0] == 2 and cli(*words, "--force", "--no-bank")[0] == 0
    assert len(Bundle.read(Path("mine")).bank().latents) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--range", "0..2"], 'no range "0..2"'), (["--range", "0..1,-1..1,0..1"], "one for both ends, or two"),
        (["--layout", "hwc"], 'no layout "hwc"'), (["--mean", "0.5"], "come together"),
        (["--mean", "0.5", "--std", "0"], "a standard deviation from 1e-06"),
        (["--mean", "nan", "--std", "1"], "a mean is from"), (["--mean", "1e39", "--std", "1"], "a mean is from"),
        (["--mean", "0.5,0.5", "--std", "1"], "1 or 3 numbers"),
        (["--mean", "x", "--std", "1"], "--mean takes numbers"),
        (["--mean", "0", "--std", "1", "--range", "0..1"], "in place of a range"),
        (["--force"], "name the bundle with -o"),
    ],
)  # fmt: skip
def test_impossible_options_are_usage_errors(words, said, cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-leaky-old"])
    code, out, err = cli("import", *graphs("torch-leaky-old"), "--data", data, *words)
    assert (code, out) == (2, b"") and said in err and err.count("\n") <= 3


IMAGE, LATENT = ("y", ["n", 1, 8, 8]), ("z", ["n", 4])


def written(
    path: Path, nodes, constants=None, given=("x", IMAGE[1]), out=LATENT, opset=20, inputs=(), outputs=()
) -> Path:
    """Write a graph with these nodes and constants, and return its path."""
    given = [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1]), *inputs]
    out = [helper.make_tensor_value_info(out[0], TensorProto.FLOAT, out[1]), *outputs]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", given, out, tensors)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, name=f"/layer/{operator}", **attributes)


PICK, FILL = np.eye(64, 4, dtype=np.float32), np.eye(4, 64, dtype=np.float32)
FLAT = [node("Flatten", ["x"], ["flat"]), node("MatMul", ["flat", "pick"], ["z"])]
BACK = [node("MatMul", ["z", "fill"], ["flat"]), node("Reshape", ["flat", "shape"], ["y"])]


def decoder(path: Path = Path("decoder.onnx")) -> Path:
    return written(path, BACK, {"fill": FILL, "shape": np.array([-1, 1, 8, 8])}, LATENT, IMAGE)


def variational() -> Path:
    nodes = [*FLAT[:1], node("MatMul", ["flat", "pick"], ["mean"]), node("RandomNormalLike", ["mean"], ["noise"]),
             node("Add", ["mean", "noise"], ["z"])]  # fmt: skip
    return written(Path("encoder.onnx"), nodes, {"pick": PICK})


def spatial() -> Path:
    nodes = [node("MaxPool", ["x"], ["z"], kernel_shape=[4, 4], strides=[4, 4])]
    return written(Path("encoder.onnx"), nodes, out=("z", ["n", 1, 2, 2]))


def two_inputs() -> Path:
    more = [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["n", 4])]
    return written(Path("encoder.onnx"), [*FLAT[:1], node("MatMul", ["flat", "pick"], ["m"]),
                                          node("Add", ["m", "label"], ["z"])], {"pick": PICK}, inputs=more)  # fmt: skip


def two_outputs() -> Path:
    more = [helper.make_tensor_value_info("variance", TensorProto.FLOAT, ["n", 4])]
    return written(Path("encoder.onnx"), [*FLAT, node("Relu", ["z"], ["variance"])], {"pick": PICK}, outputs=more)


def looping() -> Path:
    body = helper.make_graph([node("Identity", ["c"], ["d"])], "body", [
        helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", 9, []),
    ], [helper.make_tensor_value_info("d", 9, [])])  # fmt: skip
    nodes = [node("Loop", ["", "true"], [], body=body), *FLAT]
    return written(Path("encoder.onnx"), nodes, {"true": np.array(True), "pick": PICK})


def with_node(operator, **attributes) -> Path:
    nodes = [node(operator, ["x"], ["h"], **attributes), node("Flatten", ["h"], ["flat"]), FLAT[1]]
    return written(Path("encoder.onnx"), nodes, {"pick": PICK})


def mixing_items() -> Path:
    nodes = [node("Transpose", ["x"], ["h"], perm=[1, 0, 2, 3]), node("Flatten", ["h"], ["flat"]), FLAT[1]]
    return written(Path("encoder.onnx"), nodes, {"pick": PICK})


def foreign_operator() -> Path:
    act = helper.make_node("Gelu", ["x"], ["h"], name="/act", domain="com.microsoft")
    nodes = [act, node("Flatten", ["h"], ["flat"]), FLAT[1]]
    path = Path("encoder.onnx")
    model = onnx.load(written(path, nodes, {"pick": PICK}))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    return path


def other_latents() -> Path:
    return written(Path("encoder.onnx"), FLAT, {"pick": np.eye(64, 5, dtype=np.float32)}, out=("z", ["n", 5]))


def huge_shape() -> Path:
    nodes = [node("ConstantOfShape", ["shape"], ["big"]), node("ReduceSum", ["big"], ["sum"]),
             node("Add", ["x", "sum"], ["h"]), node("Flatten", ["h"], ["flat"]), FLAT[1]]  # fmt: skip
    return written(Path("encoder.onnx"), nodes, {"pick": PICK, "shape": np.array([1 << 20, 1 << 20])})


def doubling() -> Path:
    path = Path("encoder.onnx")
    model = onnx.load(written(path, FLAT, {"pick": PICK}))
    for i in range(25):
        calls = [helper.make_node(f"f{i + 1}", ["x"], ["y"], domain="mine"),
                 helper.make_node(f"f{i + 1}", ["y"], ["z"], domain="mine")]  # fmt: skip
        model.functions.append(
            helper.make_function("mine", f"f{i}", ["x"], ["z"], calls, [helper.make_opsetid("mine", 1)])
        )
    model.graph.node.insert(0, helper.make_node("f0", ["x"], ["unused"], domain="mine"))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    onnx.save(model, path)
    return path


def outside() -> Path:
    path = Path("encoder.onnx")
    model = onnx.load(written(path, FLAT, {"pick": PICK}))
    path.write_bytes(put_outside(model, model.graph.initializer[0], "../secret"))
    return path


def put_outside(model, tensor, location: str) -> bytes:
    """Let a tensor of a model name a file in place of its numbers."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model.SerializeToString()


def with_constant(path: Path, location: str) -> Path:
    """An encoder whose Constant node names a file in place of its numbers."""
    tensor = numpy_helper.from_array(PICK, "numbers")
    nodes = [helper.make_node("Constant", [], ["pick"], value=tensor), *FLAT]
    model = onnx.load(written(path, nodes))
    path.write_bytes(put_outside(model, model.graph.node[0].attribute[0].t, location))
    return path


def four_inputs() -> Path:
    nodes = [node("Sub", ["a", "a", "x", "a"], ["h"]), node("Flatten", ["h"], ["flat"]), FLAT[1]]
    return written(Path("encoder.onnx"), nodes, {"pick": PICK, "a": np.float32(1)})


def huge_batch() -> Path:
    return written(Path("encoder.onnx"), FLAT, {"pick": PICK}, ("x", [1 << 62, 1, 8, 8]), ("z", [1 << 62, 4]))


def not_finite() -> Path:
    return written(Path("encoder.onnx"), FLAT, {"pick": np.full((64, 4), 1e38, np.float32)})


REFUSED = {
    "a VAE that samples": (variational, r'RandomNormalLike "/layer/RandomNormalLike".*samples inside.*mean'),
    "spatial latents": (spatial, r"spatial, 1 x 2 x 2 numbers.*Flatten behind the encoder"),
    "two inputs": (two_inputs, r"2 inputs \(x, label\), and a single one"),
    "two outputs": (two_outputs, r"2 outputs \(z, variance\).*the mean alone"),
    "a loop": (looping, r'Loop "/layer/Loop".*loops and branches'),
    "softmax": (lambda: with_node("Softmax"), r'Softmax "/layer/Softmax".*allowed operators: .*Conv.*Tanh'),
    "items that mix": (mixing_items, r'Transpose "/layer/Transpose".*items do not mix'),
    "softmax over the batch": (lambda: with_node("Softmax", axis=0), "allowed operators"),
    "an operator of another domain": (foreign_operator, r'com.microsoft.Gelu "/act"'),
    "an operator that ONNX does not have": (lambda: with_node("Erfc"), r'not of ONNX itself \(Erfc "/layer/Erfc"\)'),
    "latents of other sizes": (other_latents, "latents of 5 numbers, and the decoder takes 4"),
    "a constant of 4 TB": (huge_shape, 'ConstantOfShape "/layer/ConstantOfShape"'),
    "doubling functions": (doubling, "nodes"),
    "a constant outside": (lambda: with_constant(Path("encoder.onnx"), "/etc/passwd"), "which is not a file beside it"),
    "arithmetic of four": (four_inputs, 'Sub "/layer/Sub".*a tensor and a constant'),
    "a batch of 2^62": (huge_batch, "items at a time, and at most 4,096"),
    "overflowing weights": (not_finite, "not finite"),
    "weights outside": (outside, r"\.\./secret, which is not a file beside it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_become_a_bundle_is_refused_with_a_reason(name, cli, workplace):
    make, said = REFUSED[name]
    data = array(Path("shapes.npz"), (1, 8, 8))
    code, out, err = cli("import", make(), decoder(), "--data", data, "-q")
    assert (code, out) == (5, b"") and err.count("\n") == 1, err
    assert __import__("re").search(said, err), err
    assert not Path("models").exists()


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07", bytes(range(256)) * 40])
def test_other_files_are_no_graphs(content, cli, workplace):
    Path("encoder.onnx").write_bytes(content)
    code, _, err = cli("import", "encoder.onnx", decoder(), "--data", "digits", "-q")
    assert code == 5 and "no ONNX graph" in err
    assert cli("import", "missing.onnx", "decoder.onnx", "--data", "digits")[0] == 7


@pytest.mark.parametrize("name", ["torch-odd-old", "keras-blog-conv", "flax-conv", "torch-pooled-dynamo"])
def test_changed_bytes_of_a_graph_end_in_one_error_of_ours_or_none(name, workplace):
    rng = np.random.default_rng(0)
    for part in graphs(name):
        whole = np.frombuffer(Path(part).read_bytes(), np.uint8)
        for _ in range(60):
            data = whole.copy()
            data[rng.integers(0, len(data), rng.integers(1, 6))] = rng.integers(0, 256, dtype=np.uint8)
            Path("changed.onnx").write_bytes(data.tobytes())
            with contextlib.suppress(AetoolError):
                source = read_source(Path("changed.onnx"), "decoder")
                rewritten_decoder(source, tuple(size or 8 for size in source.input.dims[1:]), None)


def test_data_of_other_sizes_are_refused(cli, workplace):
    data = array(Path("shapes.npz"), (1, 16, 16))
    written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    code, _, err = cli("import", "encoder.onnx", decoder(), "--data", data)
    assert code == 5 and "works on images of 1 x 8 x 8, and the data are of 1 x 16 x 16" in err


def test_weights_in_a_file_beside_are_taken_in(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    for part, path in zip(("encoder", "decoder"), graphs("torch-conv-old"), strict=True):
        onnx.save_model(onnx.load(path), f"{part}.onnx", save_as_external_data=True, location=f"{part}.data",
                        size_threshold=0)  # fmt: skip
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", data, "-o", "beside")[0] == 0
    assert cli("import", *graphs("torch-conv-old"), "--data", data, "-o", "inside")[0] == 0
    assert Bundle.read(Path("beside")).identity == Bundle.read(Path("inside")).identity


def test_constants_outside_are_read_beside_the_graph_and_nowhere_else(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    Path("given").mkdir()
    encoder = with_constant(Path("given/encoder.onnx"), "numbers.bin")
    Path("numbers.bin").write_bytes(bytes(PICK.nbytes))
    code, _, err = cli("import", encoder, decoder(), "--data", data, "-o", "wrong")
    assert code == 7 and "given/numbers.bin" in err and not Path("wrong").exists()
    Path("given/numbers.bin").write_bytes(PICK.tobytes())
    assert cli("import", encoder, decoder(), "--data", data, "-o", "outside")[0] == 0
    inside = written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    assert cli("import", inside, decoder(), "--data", data, "-o", "inside")[0] == 0
    assert Bundle.read(Path("outside")).identity == Bundle.read(Path("inside")).identity


def test_a_batch_of_minus_one_is_any_batch(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    encoder = written(Path("encoder.onnx"), FLAT, {"pick": PICK}, ("x", [-1, 1, 8, 8]), ("z", [-1, 4]))
    assert cli("import", encoder, decoder(), "--data", data, "-o", "any")[0] == 0


def test_a_bundle_does_not_go_to_stdout(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    encoder = written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    code, out, err = cli("import", encoder, decoder(), "--data", data, "-o", "-")
    assert (code, out) == (2, b"") and "a bundle is a folder" in err and not Path("-").exists()


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 21, 23])
def test_graphs_of_older_and_newer_opsets_are_brought_to_ours(opset, cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    written(Path("encoder.onnx"), FLAT, {"pick": PICK}, opset=opset)
    written(Path("decoder.onnx"), BACK, {"fill": FILL, "shape": np.array([-1, 1, 8, 8])}, LATENT, IMAGE, opset=opset)
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", data, "--range", "0..1", "-o", "mine")[0] == 0
    model = onnx.load("mine/encoder.onnx")
    assert [one.version for one in model.opset_import] == [20]


def test_two_ranges_say_both_ends(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    assert cli("import", "encoder.onnx", decoder(), "--data", data, "--range", "0..255,0..1", "-o", "mine")[0] == 0
    bundle = Bundle.read(Path("mine"))
    images = to_images(rectangles(3, 1, 8, 8, seed=2))
    assert np.allclose(Codec(bundle, "cpu").encode(images), images.reshape(3, -1)[:, :4] * 255)
    options = bundle.manifest.architecture["options"]
    assert (options["images in"][-6:], options["images out"][-4:]) == ("0..255", "0..1")
    assert json.loads(Path("mine/bundle.json").read_text())["training"]["imported"]["sha256"].keys() == {
        "encoder",
        "decoder",
    }


def test_errors_from_python_are_those_of_the_library(workplace):
    with pytest.raises(UsageError, match="no layout"):
        Ends(layout="x")
    with pytest.raises(InvalidInput):
        aetool.import_graphs(*graphs("torch-conv-old"), array(Path("few.npz"), (1, 28, 28), 4))
    with pytest.raises(BundleError, match="spatial"):
        aetool.import_graphs(spatial(), decoder(), array(Path("x.npz"), (1, 8, 8)))
