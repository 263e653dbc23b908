"""A bundle that can be worked out by hand.

Images are 8x8 and grey. The encoder takes one pixel of each quadrant, (2, 2), (2, 6), (6, 2) and (6, 6), as the four
latents; the decoder fills each quadrant with its latent, clipped to [0, 1]. So an image of four flat quadrants comes
back bit for bit. The classes are "dark" and "light"; the bank has six latents of each (`toy_latents`).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from aetool.arrays import Latents, Pixels
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.bundle.manifest import Golden, Manifest
from aetool.images.spec import ImageSpec
from aetool.latents.bank import Bank, Mixtures, make_bank
from aetool.latents.bank_file import write_bank

SPEC = ImageSpec(1, 8, 8)
CLASSES = ("dark", "light")
QUADRANTS = [(2, 2), (2, 6), (6, 2), (6, 6)]


def toy_latents() -> Latents:
    """Return the bank's latents (12, 4): row i of a class is its base plus i / 32 in every other place."""
    rows = [[base + i / 32, base, base + i / 32, base] for base in (0.0, 0.75) for i in range(6)]
    return np.array(rows, np.float32)


def toy_bank() -> Bank:
    """Return the bank of the toy bundle."""
    labels = np.repeat([0, 1], 6)
    means = np.stack([toy_latents()[labels == label].mean(0) for label in range(2)])[:, None]
    roots = np.full((2, 1, 1, 1), 0.01, np.float32) * np.eye(4, dtype=np.float32)
    mixtures = Mixtures(np.ones((2, 1), np.float32), means, roots)
    return make_bank(toy_latents(), labels, [f"{i}.png" for i in range(12)], CLASSES, seed=0, mixtures=mixtures)


def toy_pixels(latents: Latents) -> Pixels:
    """Return what the decoder makes of latents (n, 4), as uint8 (n, 1, 8, 8)."""
    levels = np.rint(np.clip(latents, 0, 1) * np.float32(255)).astype(np.uint8).reshape(-1, 1, 2, 2)
    return levels.repeat(4, 2).repeat(4, 3)


def toy_image(*levels: int) -> Image.Image:
    """Return a picture of four flat quadrants with these grey levels."""
    return Image.fromarray(np.array(levels, np.uint8).reshape(2, 2).repeat(4, 0).repeat(4, 1))


def picture(path: str | Path) -> Image.Image:
    """Open a picture file, all of it in memory."""
    return Image.open(io.BytesIO(Path(path).read_bytes()))


def toy_graphs() -> dict[str, bytes]:
    """Return encoder.onnx and decoder.onnx."""
    pick = np.zeros((64, 4), np.float32)
    fill = np.zeros((4, 64), np.float32)
    for k, (y, x) in enumerate(QUADRANTS):
        pick[y * 8 + x, k] = 1
        mask = np.zeros((8, 8), np.float32)
        mask[y - 2 : y + 2, x - 2 : x + 2] = 1
        fill[k] = mask.ravel()
    return picking_graphs(pick, fill, SPEC.channels)


def picking_graphs(pick: npt.NDArray[np.float32], fill: npt.NDArray[np.float32], channels: int) -> dict[str, bytes]:
    """Return encoder.onnx and decoder.onnx of 8x8 images: latents = flat images @ pick, images = latents @ fill."""
    encoder = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "pick"], ["latents"]),
    ]
    decoder = [
        helper.make_node("MatMul", ["latents", "fill"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["square"]),
        helper.make_node("Clip", ["square", "zero", "one"], ["images"]),
    ]
    constants = {"fill": fill, "shape": np.array([-1, channels, 8, 8]), "zero": np.float32(0), "one": np.float32(1)}
    image, latent = ("images", ["n", channels, 8, 8]), ("latents", ["n", pick.shape[1]])
    return {
        "encoder.onnx": onnx_graph(encoder, image, latent, {"pick": pick}),
        "decoder.onnx": onnx_graph(decoder, latent, image, constants),
    }


def onnx_graph(nodes, source, target, constants) -> bytes:
    """Return a graph from a tensor to another, each a name and its sizes, with constants by name."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (source, target)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "toy", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def toy_manifest() -> Manifest:
    """Return the manifest of the toy bundle."""
    latents = np.array([[0, 0.25, 0.5, 1]], np.float32)
    images = latents.reshape(1, 1, 2, 2).repeat(4, 2).repeat(4, 3)
    return Manifest(
        image=SPEC,
        latent_size=4,
        classes=CLASSES,
        architecture={"name": "toy", "options": {}},
        layers=[
            {"part": "decoder", "layer": "ConvTranspose2d", "input": [8, 4, 4], "output": [1, 8, 8],
             "kernel": [4, 4], "stride": [2, 2], "padding": [1, 1], "parameters": 513},
        ],
        dataset={"name": "toy", "sha256": "0" * 64, "train": 12, "test": 12},
        training={"command": "none", "epochs": 0, "steps": 0, "batch_size": 1, "seconds": 0.0},
        exported="2026-01-01T00:00:00+00:00",
        distortion={"train": 0.0, "test": 0.0, "pca": 0.0, "psnr": 0.0, "ssim": 1.0, "quantiles": [0.0] * 101},
        parity={"batches": [1], "found": {"latents": 0.0, "images": 0.0, "distortion": 0.0}, "bounds": {}},
        golden=Golden(latents, images, latents),
    )  # fmt: skip


def write_toy(path: Path) -> Path:
    """Write the toy bundle to the folder `path` and return it."""
    manifest = toy_manifest()
    files = toy_graphs() | {"bank.npz": write_bank(toy_bank()), "bundle.json": manifest.to_json()}
    write(path, files, card(path.name, "0" * 16, manifest, True), replace=False)
    return path
