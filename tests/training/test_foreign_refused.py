"""What cannot become a bundle is refused with a reason, which names operator and node."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from aetool.errors import AetoolError
from aetool.training.foreign.pair import rewritten_decoder
from aetool.training.foreign.source import read_source
from tests.training.foreign_graphs import (
    FLAT,
    PICK,
    decoder,
    node,
    put_outside,
    spatial,
    with_constant,
    written,
)
from tests.zoo.members import SHAPES, array, graphs
from tests.zoo.pictures import rectangles


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


def variational() -> Path:
    nodes = [*FLAT[:1], node("MatMul", ["flat", "pick"], ["mean"]), node("RandomNormalLike", ["mean"], ["noise"]),
             node("Add", ["mean", "noise"], ["z"])]  # fmt: skip
    return written(Path("encoder.onnx"), nodes, {"pick": PICK})


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


@pytest.mark.parametrize("data", ["array", "folder"])
@pytest.mark.parametrize(
    "name", ["torch-conv-old", "torch-odd-dynamo", "torch-dense-dynamo", "keras-blog-dense", "keras-transposed"]
)
def test_the_order_of_the_files_is_asked_where_they_are_swapped(name, data, cli, workplace):
    given = array(Path("shapes.npz"), SHAPES[name])
    if data == "folder":
        Path("photos").mkdir()
        for i, image in enumerate(rectangles(20, 3, 30, 40).transpose(0, 2, 3, 1)):
            Image.fromarray(image).save(f"photos/{i}.png")
        given = "photos"
    code, out, err = cli("import", *reversed(graphs(name)), "--data", given, "-q")
    assert (code, out) == (5, b"") and "; name the encoder first, then the decoder" in err, err
    code, out, err = cli("import", graphs(name)[0], graphs("torch-columns-old")[0], "--data", given, "-q")
    assert code == 5 and "name the encoder first" not in err, err  # two encoders


@pytest.mark.parametrize(("side", "start", "code"), [(28, 8, 0), (96, 40, 5), (96, 15, 0)])
def test_a_large_crop_is_copied_or_refused_by_name(side, start, code, cli, workplace):
    """A crop of up to 15 rows and columns is a convolution; a larger one a linear layer, where that is small."""
    names = [np.array([value]) for value in (start, side, 2)]
    nodes = [
        helper.make_node("Slice", ["x", "from", "to", "axis"], ["part"], name="/crop/Slice"),
        node("Relu", ["part"], ["h"]), node("GlobalAveragePool", ["h"], ["mean"]), node("Flatten", ["mean"], ["z"]),
    ]  # fmt: skip
    constants = dict(zip(("from", "to", "axis"), names, strict=True))
    encoder = written(Path("encoder.onnx"), nodes, constants, ("x", ["n", 1, side, side]), ("z", ["n", 1]))
    back = [node("MatMul", ["z", "fill"], ["flat"]), node("Reshape", ["flat", "shape"], ["y"])]
    constants = {"fill": np.ones((1, side * side), np.float32), "shape": np.array([-1, 1, side, side])}
    written(Path("decoder.onnx"), back, constants, ("z", ["n", 1]), ("y", ["n", 1, side, side]))
    data = array(Path("shapes.npz"), (1, side, side), 40)
    found, _, err = cli("import", encoder, "decoder.onnx", "--data", data, "--range", "0..1", "-q")
    assert found == code, err
    if code:
        assert 'without at most 15 rows and columns, unlike what Slice "/crop/Slice" takes' in err
