"""The reference: every operator against its formula and two other implementations, and the device `numpy`."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from aetool import Bundle, Codec
from aetool.arrays import to_images, to_pixels
from aetool.bundle.gate_operators import RULES
from aetool.bundle.lookup import shipped_path
from aetool.errors import UsageError
from aetool.runtime import reference, witness
from aetool.runtime.devices import choose_device
from aetool.runtime.reference import OPERATORS, Reference, conv, conv_transpose
from aetool.runtime.witness import check_witness
from tests.contracts.test_imports import modules_after
from tests.toy import toy_image, toy_latents, toy_pixels

LATENTS, IMAGES = 1e-5, 2e-6
"""How far the latents may be from those of ONNX Runtime, in units of their spread, and the images."""


def test_every_operator_of_the_gate_is_there_and_no_other():
    assert OPERATORS.keys() - {"Cast"} == RULES.keys()  # Cast is seen by the gate before the rules


def whole_numbers(rng, *dims):
    """Numbers whose sums of products are exact in float32."""
    return rng.integers(-8, 9, dims).astype(np.float32)


SETTINGS = [(1, 1, 0), (4, 2, 1), (3, 1, 1), (2, 3, 0), (5, 4, 2)]


@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_conv_is_its_formula(k, s, p):
    rng = np.random.default_rng(k)
    x, w, bias = whole_numbers(rng, 2, 3, 7, 9), whole_numbers(rng, 4, 3, k, k + 1), whole_numbers(rng, 4)
    y = conv(x, w, bias, strides=[s, s], pads=[p] * 4)
    assert y.shape[2:] == ((7 + 2 * p - k) // s + 1, (9 + 2 * p - k - 1) // s + 1)
    for n, a, i, j in np.ndindex(y.shape):
        total = bias[a]
        for b, u, v in np.ndindex(3, k, k + 1):
            row, column = s * i + u - p, s * j + v - p
            if 0 <= row < 7 and 0 <= column < 9:
                total += w[a, b, u, v] * x[n, b, row, column]
        assert y[n, a, i, j] == total


@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_conv_transpose_is_its_formula(k, s, p):
    rng = np.random.default_rng(k)
    x, w, bias = whole_numbers(rng, 2, 3, 4, 5), whole_numbers(rng, 3, 4, k, k), whole_numbers(rng, 4)
    y = conv_transpose(x, w, bias, strides=[s, s], pads=[p] * 4)
    expected = np.zeros(y.shape, np.float32) + bias[:, None, None]
    assert y.shape[2:] == (3 * s + k - 2 * p, 4 * s + k - 2 * p)
    for n, a, b, i, j, u, v in np.ndindex(2, 4, 3, 4, 5, k, k):
        row, column = s * i + u - p, s * j + v - p
        if 0 <= row < y.shape[2] and 0 <= column < y.shape[3]:
            expected[n, a, row, column] += w[b, a, u, v] * x[n, b, i, j]
    assert np.array_equal(y, expected)


def graph(operator, dims, constants, more=(), **attributes) -> bytes:
    """Return a graph of one node: x (n, *dims), constants, and x again `more` times."""
    inputs = ["x", *constants, *more]
    nodes = [helper.make_node(operator, inputs, ["y"], **attributes)]
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *dims]),
              helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]  # fmt: skip
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name]
    body = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def normal(*dims):
    return np.random.default_rng(sum(dims)).standard_normal(dims).astype(np.float32)


CASES = [
    *(
        graph(operator, (3, 9, 8), {"w": normal(*sides, k, k + 1), "b": normal(width)},
              strides=[s, s], pads=[p] * 4, kernel_shape=[k, k + 1], group=1, auto_pad="NOTSET", dilations=[1, 1])
        for operator, sides, width in (("Conv", (4, 3), 4), ("ConvTranspose", (3, 2), 2))
        for k, s, p in SETTINGS
    ),
    graph("Conv", (3, 9, 8), {"w": normal(4, 3, 2, 2)}),
    graph("ConvTranspose", (3, 9, 8), {"w": normal(3, 4, 2, 2)}, output_padding=[0, 0]),
    graph("Gemm", (6,), {"w": normal(6, 5), "b": normal(5)}, alpha=1.0, beta=1.0, transA=0),
    graph("Gemm", (6,), {"w": normal(5, 6), "b": normal(5)}, transB=1),
    graph("Gemm", (6,), {"w": normal(6, 5)}),
    graph("MatMul", (6,), {"w": normal(6, 5)}),
    *(graph(operator, (3, 5), {}) for operator in ("Relu", "Sigmoid")),
    graph("Clip", (3, 5), {"low": np.float32(-0.2), "high": np.float32(0.5)}),
    *(graph(operator, (3, 5), {"c": c}) for operator in ("Add", "Mul") for c in (np.float32(1.5), normal(3, 5))),
    *(graph(operator, (3, 5), {}, more=["x"]) for operator in ("Add", "Mul")),
    graph("Reshape", (4, 6), {"shape": np.array([-1, 3, 8])}, allowzero=0),
    graph("Flatten", (4, 3, 2), {}, axis=1),
    *(graph(operator, (3, 5), {}) for operator in ("Tanh", "Erf", "LeakyRelu", "Elu", "Selu", "HardSwish")),
    graph("LeakyRelu", (3, 5), {}, alpha=0.3), graph("Elu", (3, 5), {}, alpha=0.5),
    graph("Selu", (3, 5), {}, alpha=1.5, gamma=1.1), graph("Transpose", (3, 5, 2), {}, perm=[0, 2, 3, 1]),
    *(
        graph(operator, (3, 9, 8), {}, kernel_shape=k, strides=s, pads=p, **more)
        for k, s, p in (([2, 2], [2, 2], [0] * 4), ([3, 3], [2, 1], [1] * 4), ([3, 2], [1, 1], [1, 1, 1, 1]))
        for operator, more in (("MaxPool", {}), ("AveragePool", {}), ("AveragePool", {"count_include_pad": 1}))
    ),
    graph("GlobalAveragePool", (3, 4, 5), {}),
    graph("Resize", (3, 4, 5), {"": (), "scales": np.float32([1, 1, 2, 3])},
          mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
]  # fmt: skip


@pytest.mark.parametrize("model", CASES)
def test_operators_agree_with_two_other_implementations(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    dims = session.get_inputs()[0].shape[1:]
    for n in (1, 3):
        x = 3 * normal(n, *dims)
        ours = Reference(model).run(x)
        assert ours.dtype == np.float32
        for (theirs,) in (session.run(None, {"x": x}), ReferenceEvaluator(model).run(None, {"x": x})):
            assert ours.shape == theirs.shape
            assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_cases_have_every_operator():
    import onnx

    assert {onnx.load_from_string(model).graph.node[0].op_type for model in CASES} == RULES.keys()


def test_numbers_beyond_all_bounds_make_no_noise():
    model = graph("Sigmoid", (2,), {})
    assert Reference(model).run(np.array([[-1e30, 1e30]], np.float32)).tolist() == [[0, 1]]


@pytest.mark.parametrize("name", ["mnist", "sign_digits"])
def test_shipped_models_give_the_same_pictures(name):
    bundle = Bundle.read(shipped_path(name))
    here, there = Codec(bundle, "cpu"), Codec(bundle, "numpy")
    latents = bundle.bank().latents[:64]
    images, ours = here.decode(latents), there.decode(latents)
    assert abs(ours - images).max() <= IMAGES
    levels = abs(to_pixels(ours).astype(int) - to_pixels(images))
    assert levels.max() <= 1 and (levels > 0).mean() <= 1e-4
    encoded = there.encode(images)
    spread = np.sqrt(bundle.bank().covariance(None).diagonal().mean())
    assert abs(encoded - here.encode(images)).max() <= LATENTS * spread
    for n in (1, 2, 7):
        assert np.array_equal(there.decode(latents[:n]), ours[:n])
        assert np.array_equal(there.encode(images[:n]), encoded[:n])


def test_a_trained_bundle_gives_the_same_pictures(digits):
    bundle = Bundle.read(digits)
    check = check_witness(bundle, Codec(bundle, "cpu"))["found"]
    assert check["latents"] <= LATENTS and check["images"] <= IMAGES


def test_the_toy_is_exact(toy):
    codec = Codec(Bundle.read(toy), "numpy")
    images = to_images(toy_pixels(toy_latents()))
    assert np.array_equal(to_pixels(codec.decode(toy_latents())), toy_pixels(toy_latents()))
    assert np.array_equal(codec.reconstruct(images), images)
    assert codec.placement() == {"encoder": {"NumPy": 2}, "decoder": {"NumPy": 3}}
    assert len(codec.decode(np.empty((0, 4), np.float32))) == 0


def test_auto_never_stands_for_numpy(monkeypatch):
    assert choose_device("NumPy") == "numpy" and choose_device("auto") != "numpy"


COMMANDS = [
    ("encode", "a.png", "b.png"), ("reconstruct", "a.png", "-o", "r.png"), ("score", "a.png"),
    ("sample", "--seed", "1", "-o", "s.png"), ("combine", "a.png", "b.png", "-o", "c.png"), ("search", "a.png"),
    ("interpolate", "a.png", "b.png", "--even", "--method", "graph", "-o", "i.gif"), ("verify",),
    ("perturb", "a.png", "--seed", "1", "-o", "p.png"), ("decode", "z.jsonl", "-o", "d.png"),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_commands_give_the_same_and_say_that_numpy_is_slower(words, cli, toy, workplace, monkeypatch):
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    for name, levels in (("a", (0, 50, 100, 200)), ("b", (255, 0, 9, 20))):
        toy_image(*levels).save(f"{name}.png")
    (workplace / "z.jsonl").write_bytes(cli("encode", "a.png", "b.png")[1])
    made = workplace / words[-1]
    code, out, _ = cli(*words, "--device", "cpu")
    data = made.read_bytes() if "-o" in words else b""
    again, ours, said = cli(*words, "--device", "numpy")
    assert code == again == 0
    assert ours.replace(b"numpy", b"cpu") == out
    assert data == (made.read_bytes() if "-o" in words else b"")
    assert said.count("slower than ONNX Runtime") == 1
    assert "slower" not in cli(*words, "--device", "numpy", "-q")[2]


def test_many_files_are_computed_by_workers(aetool, toy, workplace):
    (workplace / "in").mkdir()
    for i in range(600):
        toy_image(i % 256, 0, 128, 255).save(f"in/{i:04}.png")
    ours, theirs = (aetool("encode", "-m", str(toy), "in", "--device", device) for device in ("numpy", "cpu"))
    assert ours.returncode == 0 and ours.stdout == theirs.stdout and ours.stdout.count(b"\n") == 600
    aetool("encode", "-m", str(toy), "in", "-o", "z.jsonl")
    for device in ("numpy", "cpu"):
        words = ("-m", str(toy), "z.jsonl", "-o", f"{device}/", "--device", device, "--no-metadata")
        assert aetool("decode", *words).returncode == 0
    names = sorted(path.name for path in (workplace / "cpu/in").iterdir())
    assert len(names) == 600
    assert all((workplace / "cpu/in" / n).read_bytes() == (workplace / "numpy/in" / n).read_bytes() for n in names)


def test_numpy_needs_no_onnx_runtime(toy, workplace):
    toy_image(0, 50, 100, 200).save("a.png")
    for words in (["encode", "a.png"], ["sample", "-o", "s.png"], ["verify", str(toy)]):
        named = [] if words[0] == "verify" else ["-m", str(toy)]
        assert "onnxruntime" not in modules_after(*words, *named, "--device", "numpy", cwd=workplace)


def test_the_witness_agrees(cli, toy):
    import json

    code, out, _ = cli("verify", toy, "--witness", "--json")
    found = json.loads(out)["witness"]
    assert code == 0 and found["found"].keys() == found["bounds"].keys() == {"latents", "images"}
    assert b"witness" not in cli("verify", toy)[1] and cli("verify", toy, "--witness")[1].count(b"and NumPy") == 2


@pytest.mark.parametrize(("operator", "what"), [("Flatten", "latents"), ("Clip", "images")])
def test_the_witness_tells_what_differs(cli, toy, monkeypatch, operator, what):
    right = reference.OPERATORS[operator]
    monkeypatch.setitem(reference.OPERATORS, operator, lambda x, *more, **other: right(x, *more, **other) * 0.999)
    code, out, err = cli("verify", toy, "--witness")
    assert code == 5 and not out and "cpu and NumPy differ by 0.00" in err and f"in {what}, over" in err
    assert cli("verify", toy)[0] == 0


def test_the_witness_is_not_compared_with_itself(cli, toy):
    code, _, err = cli("verify", toy, "--witness", "--device", "numpy")
    assert code == 2 and "leave --device numpy or --witness out" in err
    with pytest.raises(UsageError):
        check_witness(Bundle.read(toy), Codec(Bundle.read(toy), "numpy"))


def test_the_witness_reaches_every_part_of_an_encoder(digits, monkeypatch):
    """A difference in a single weight is seen."""
    bundle = Bundle.read(digits)
    codec = Codec(bundle, "cpu")

    class Spoilt(Reference):
        def __init__(self, data):
            super().__init__(data)
            for name, values in itertools.islice(self.constants.items(), 1):
                self.constants[name] = values + np.float32(0.01)

    monkeypatch.setattr(reference, "Reference", Spoilt)
    with pytest.raises(witness.BundleError, match="cpu and NumPy differ"):
        check_witness(bundle, codec)
