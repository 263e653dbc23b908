"""`blend`: the pyramid of `conv` beside a linear pair that starts as PCA; the network takes over as far as that pays.

    z     = W (x - m) + b + e(x)
    x_hat = (1 - a) (V z + c) + a sigmoid(d(z))

e and d are encoder and decoder of the pyramid, m is the mean image. At the start W, V and c are those of PCA, b and the
last layer of e are zero and the share a is nearly so: the first reconstruction is that of PCA. W and V then learn
slowly, the share fast.
Where W would have more than `LINEAR_VALUES` numbers, images are averaged down before W and back behind V.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from aetool.arrays import Images
from aetool.training.architectures import averaging, pyramid
from aetool.training.architectures.conv import inner
from aetool.training.architectures.layers import clipped
from aetool.training.architectures.options import BlendConfig
from aetool.training.pca import Matrix, Pca

NARROW = 3
"""Sides of a matrix that gains nothing by orthogonal steps."""
LINEAR_VALUES = 24 << 20
"""Most numbers of W, and of V: 96 MiB of the 128 that a graph may have."""
SHARE = -11.0
"""The logit of the share a at the start: with a = 0.00002 the reconstruction is that of PCA to a part of 8 bits."""
SLOW, GENTLE, FAST = 0.005, 0.03, 20.0
"""Learning rates of the linear pair, of the last layer of e and of the share, in units of that of the network.

Faster, the first steps would take the latents away from those of PCA before the network pays for it."""


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    offset: Tensor

    def __init__(self, config: BlendConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        self.shape = shape
        self.network = pyramid.Encoder(shape, config.widths, inner(config.depth), latent_size, config.hidden)
        steps = averaging.steps_to_fit(shape, LINEAR_VALUES // latent_size)
        self.shrink = averaging.shrink(shape[0], steps)
        sides = steps[-1].small if steps else shape[1:]
        values = shape[0] * math.prod(sides)
        self.register_buffer("offset", torch.zeros(values))  # -m: sums of small numbers round little
        self.linear = nn.Linear(values, latent_size)
        self.matrices = inner_weights(self.network)
        last = f"network.layers.{len(self.network.layers) - 1}"
        self.rates = {"linear.weight": SLOW, "linear.bias": SLOW} | {f"{last}.{n}": GENTLE for n in ("weight", "bias")}

    def forward(self, images: Tensor) -> Tensor:
        """Return f(x)."""
        latents: Tensor = self.linear(self.shrink(images).flatten(1) + self.offset) + self.network(images)
        return latents

    def reduce(self, images: Images) -> Matrix:
        """Return images (n, c, h, w) in the size of the linear pair."""
        return averaging.reduced(self.shrink, images) if len(self.shrink) else images

    def start(self, pca: Pca) -> None:
        """Become the encoder of PCA, fitted on images of `reduce`; the latents have a mean square of 1 a number."""
        weights = torch.from_numpy(pca.components) / scale(pca)
        with torch.no_grad():
            self.linear.bias.zero_()
            whole = averaging.coverage(self.shrink, self.shape).flatten()
            self.linear.weight.copy_(weights / whole)
            self.offset.copy_(-torch.from_numpy(pca.mean) * whole)
            for parameter in self.network.layers[-1].parameters():
                parameter.zero_()


class Decoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w), in [0, 1] except during training."""

    def __init__(self, config: BlendConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        self.network = pyramid.Decoder(shape, config.widths, inner(config.depth), latent_size, config.hidden)
        steps = averaging.steps_to_fit(shape, LINEAR_VALUES // latent_size)
        self.enlarge = averaging.enlarge(shape[0], steps)
        self.small = (shape[0], *(steps[-1].small if steps else shape[1:]))
        self.linear = nn.Linear(latent_size, math.prod(self.small))
        self.logit = nn.Parameter(torch.tensor(SHARE))
        self.matrices = inner_weights(self.network)
        self.rates = {"linear.weight": SLOW, "linear.bias": SLOW, "logit": FAST}

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        share = self.logit.sigmoid()
        linear = self.enlarge(self.linear(latents).unflatten(1, self.small))
        images = linear * (1 - share) + self.network.layers(latents) * share
        return images if self.training else clipped(images)

    def folded(self) -> FoldedDecoder:
        """Return a decoder of the same images with the share inside the weights of V."""
        return FoldedDecoder(self)

    def start(self, pca: Pca) -> None:
        """Become the decoder of PCA but for the share of the network."""
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(pca.components).T * scale(pca))
            self.linear.bias.copy_(torch.from_numpy(pca.mean))


class FoldedDecoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]: `Decoder` as it is exported."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.share = float(decoder.logit.detach().sigmoid())
        self.linear, self.enlarge, self.small = decoder.linear, decoder.enlarge, decoder.small
        self.layers = decoder.network.layers
        with torch.no_grad():
            self.linear.weight.mul_(1 - self.share)
            self.linear.bias.mul_(1 - self.share)

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        linear = self.enlarge(self.linear(latents).unflatten(1, self.small))
        return clipped(linear + self.layers(latents) * self.share)


def inner_weights(network: pyramid.Encoder | pyramid.Decoder) -> list[str]:
    """Return the names of all weights of layers but those of the last layer and of very narrow ones."""
    weights = [(name, p) for name, p in network.named_parameters() if p.ndim > 1]
    return [f"network.{name}" for name, p in weights[:-1] if min(len(p), p[0].numel()) > NARROW]


def scale(pca: Pca) -> float:
    """Return the root mean square of the coefficients that vary, the unit of the latents; 1 where none does."""
    varying = pca.variances[pca.variances > 0]
    return float(varying.mean() ** 0.5) if len(varying) else 1.0
