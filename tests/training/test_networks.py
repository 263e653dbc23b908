"""Every architecture: shapes, geometry, folding, the graphs, and their parity with torch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from aetool import Codec
from aetool.bundle.bundle import Graphs
from aetool.bundle.gate import properties
from aetool.errors import BundleError, UsageError
from aetool.images.spec import SIDES, ImageSpec
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.geometry import halvings
from aetool.training.architectures.options import ARCHITECTURES
from aetool.training.export import parity
from aetool.training.export.graphs import folded, layer_table, to_onnx

NAMES = list(ARCHITECTURES)
PARITY_SHAPES = [(1, 28, 28), (3, 33, 20), (1, 8, 15), (5, 24, 17), (16, 8, 8)]


def trained(name: str, shape: tuple[int, int, int], k: int):
    """Return a network whose BatchNorms have seen data, so that folding has something to fold."""
    torch.manual_seed(0)
    network = build(name, ARCHITECTURES[name], shape, k)
    for _ in range(3):
        network(torch.rand(16, *shape))
    return network.eval()


@pytest.mark.parametrize("side", SIDES)
def test_every_side_is_halved_to_4_to_7_and_doubled_back(side):
    for step in halvings(side, 512):
        i, o = step.small[0], step.large[0]
        k, s, p = step.kernel[0], step.stride[0], step.padding[0]
        assert (o + 2 * p - k) // s + 1 == i
        assert (i - 1) * s + k - 2 * p == o
        assert (s, k) in {(2, 4), (2, 3), (1, 3)}
    assert 4 <= i <= 7 and 4 <= step.small[1] <= 7


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 8, 128), (1, 9, 11), (3, 31, 64), (1, 128, 127), (2, 8, 512), (7, 511, 9)]
)
def test_shapes(name, shape):
    network = build(name, ARCHITECTURES[name], shape, 5).eval()
    images = torch.rand(2, *shape)
    latents = network.encoder(images)
    assert latents.shape == (2, 5)
    decoded = network.decoder(latents * 100)
    assert decoded.shape == images.shape and decoded.min() >= 0 and decoded.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_encoder_goes_down_by_strides_and_the_decoder_up_by_transposed_convolutions(name):
    network = build(name, ARCHITECTURES[name], (1, 28, 28), 4)
    down = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    up = [m for m in network.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert len(down) == len(up) == 2
    assert all(m.output_padding == (0, 0) for m in up)


@pytest.mark.parametrize("name", NAMES)
def test_folding_changes_nothing_and_leaves_no_batch_norm(name):
    network = trained(name, (1, 12, 13), 4)
    images = torch.rand(4, 1, 12, 13)
    with torch.inference_mode():
        same = folded(network.decoder)(folded(network.encoder)(images))
        assert torch.allclose(same, network(images), atol=1e-6)
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in folded(network).modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_a_batch_norm_that_cannot_be_folded_is_an_error():
    with pytest.raises(BundleError, match="ReLU"):
        folded(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def graphs(network, shape, k) -> dict[str, bytes]:
    return {
        "encoder.onnx": to_onnx(network.encoder, torch.zeros(2, *shape), "images", "latents"),
        "decoder.onnx": to_onnx(network.decoder, torch.zeros(2, k), "latents", "images"),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", PARITY_SHAPES, ids=str)
def test_parity(name, shape):
    network = trained(name, shape, 6)
    files = graphs(network, shape, 6)
    codec = Codec(Graphs(files["encoder.onnx"], files["decoder.onnx"], ImageSpec(*shape), 6), "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    proof = parity.prove(network, codec, pixels)
    assert proof["batches"] == [1, 2, 7, 256]
    assert all(0 <= proof["found"][key] <= bound for key, bound in parity.BOUNDS.items())
    with torch.no_grad():
        next(network.decoder.parameters()).mul_(1.5)
    with pytest.raises(BundleError, match="torch and ONNX Runtime differ"):
        parity.prove(network, codec, pixels)
    check_graphs(files, shape)


@pytest.mark.parametrize("shape", [(3, 512, 511), (16, 509, 512)], ids=str)
def test_parity_of_the_largest_images_is_proven_in_small_batches(shape):
    torch.manual_seed(0)
    network = build("conv", ARCHITECTURES["conv"], shape, 6)
    network(torch.rand(2, *shape))
    files = graphs(network.eval(), shape, 6)
    codec = Codec(Graphs(files["encoder.onnx"], files["decoder.onnx"], ImageSpec(*shape), 6), "cpu")
    proof = parity.prove(network, codec, np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8))
    assert codec.batch == 1 and proof["batches"] == [1, 2, 5 if shape[0] == 3 else 3]
    assert all(0 <= proof["found"][key] <= bound for key, bound in parity.BOUNDS.items())


def check_graphs(files: dict[str, bytes], shape) -> None:
    """The graphs are opset 20, self-contained, dynamic in n, folded, and say nothing of the machine."""
    for name, source, target in (("encoder.onnx", "images", "latents"), ("decoder.onnx", "latents", "images")):
        model = onnx.load_from_string(files[name])
        assert [o.version for o in model.opset_import if o.domain == ""] == [20]
        assert [v.name for v in model.graph.input] == [source] and [v.name for v in model.graph.output] == [target]
        assert all(v.type.tensor_type.shape.dim[0].dim_param for v in (*model.graph.input, *model.graph.output))
        assert not model.functions and not any(t.data_location for t in model.graph.initializer)
        assert {one.key: one.value for one in model.metadata_props} == properties(shape)
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
        operators = {node.op_type for node in model.graph.node}
        assert "BatchNormalization" not in operators
        assert (name == "decoder.onnx") == ("ConvTranspose" in operators)
        assert not any(word in files[name] for word in (b"/aetool/", b"site-packages", b"pkg.torch", b'File "'))


def test_the_same_weights_give_the_same_bytes():
    first, second = (graphs(trained("conv", (1, 8, 8), 3), (1, 8, 8), 3) for _ in range(2))
    assert first == second


def test_the_layer_table_shows_every_layer_with_its_sizes():
    network = build("conv", ARCHITECTURES["conv"], (1, 28, 15), 4)
    rows = layer_table("decoder", folded(network.decoder), torch.zeros(1, 4))
    assert [row["layer"] for row in rows] == ["Linear", "Conv2d", "ConvTranspose2d", "ConvTranspose2d"]
    assert rows[-1]["output"] == [1, 28, 15]
    for row in rows[2:]:
        for axis in (0, 1):
            i, k, s, p = row["input"][axis + 1], row["kernel"][axis], row["stride"][axis], row["padding"][axis]
            assert (i - 1) * s + k - 2 * p == row["output"][axis + 1]
    assert rows[0]["parameters"] == sum(p.numel() for p in folded(network.decoder).layers[0].parameters())


def test_an_unknown_architecture_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="conv"):
        build("unet", ARCHITECTURES["conv"], (1, 8, 8), 2)
