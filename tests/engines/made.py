"""Graphs of untrained networks, as `aetool export` writes them: every architecture, at sizes of every kind."""

from __future__ import annotations

from pathlib import Path

import torch

from aetool.bundle.bundle import Graphs
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ARCHITECTURES
from aetool.training.export.graphs import to_onnx
from aetool.training.export.parity import scale
from tests.engines.agreement import BATCHES, Reference

LATENT_SIZE = 6


def made(name: str, shape: tuple[int, int, int], place: Path) -> Reference:
    """Return the reference of an architecture for images of `shape`, its graphs in the folder `place`.

    The decoder gives values below 0 and above 1 before it clips them. Latents of an untrained encoder hardly vary, so
    their differences count in units of their size.
    """
    torch.manual_seed(0)
    network = build(name, ARCHITECTURES[name], shape, LATENT_SIZE)
    if hasattr(network.decoder, "logit"):
        torch.nn.init.zeros_(network.decoder.logit)  # the convolutions count as much as the linear part
    for _ in range(3):
        network(torch.rand(16, *shape))  # something to fold
    latents = torch.randn(max(BATCHES), LATENT_SIZE) * 4
    images = torch.rand(max(BATCHES), 1, 1, 1) * torch.rand(max(BATCHES), *shape)
    encoder = to_onnx(network.encoder, images[:2], "images", "latents")
    decoder = to_onnx(network.decoder, latents[:2], "latents", "images")
    (place / "encoder.onnx").write_bytes(encoder)
    (place / "decoder.onnx").write_bytes(decoder)
    codec = Codec(Graphs(encoder, decoder, ImageSpec(*shape), LATENT_SIZE), "cpu")
    values = images.numpy(), latents.numpy()
    encoded = codec.encode(values[0])
    return Reference(place, *values, encoded, codec.decode(values[1]), scale(encoded))
