"""Training steps: random changes of a batch, its loss, and one change of the weights.

On CUDA a step is some 1,500 small kernels, whose launches take far longer than they run: after the first steps their
whole sequence is recorded once as a CUDA graph, and launched as one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from aetool.training import augment
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.config import TrainConfig
from aetool.training.data.stored import AnyPixels
from aetool.training.optimiser import Optimisers, make_optimisers
from aetool.training.ranks import Ranks, Share
from aetool.training.shared_norm import share_norms

EAGER = 3
"""Steps before the recording: in them the libraries of CUDA choose their kernels and take their memory."""


class Steps:
    """The steps of a training: `images()` gives a batch, `changed()` changes it at random, `step()` learns from it.

    Of several ranks each has its share of the batch, and all learn from the whole.
    """

    optimisers: Optimisers

    def __init__(
        self,
        network: Autoencoder,
        config: TrainConfig,
        device: torch.device,
        pixels: AnyPixels,
        ranks: Ranks,
        share: Share,
    ) -> None:
        self.network, self.config, self.device = network, config, device
        self.ranks, self.share = ranks, share
        if not ranks.alone:
            share_norms(network, ranks, share.weight)
        self.pixels: AnyPixels | Tensor = pixels
        if device.type == "cuda" and isinstance(pixels, np.ndarray):
            self.pixels = torch.from_numpy(pixels).to(device)
        self.renew()

    def renew(self) -> None:
        """Forget the state of the optimisers."""
        self.optimisers = make_optimisers(self.network, self.config, self.device)
        self._eager = EAGER
        self._recorded: Recorded | None = None

    def images(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return this rank's share of a batch of training images, uint8 (n, c, h, w), on the device."""
        rows = rows[self.share.rows]
        if isinstance(self.pixels, Tensor):
            return self.pixels[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(self.pixels[rows]).to(self.device)

    def changed(self, batch: Tensor, step: int, settling: bool) -> Tensor:
        """Return a batch as float images in [0, 1], changed at random as the configuration asks.

        The random numbers follow from seed and step. Images are not bent, turned or scaled while the network settles.
        """
        config, share = self.config, None if self.ranks.alone else self.share
        generator = torch.Generator().manual_seed((2**62 + config.seed * 1_000_003 + step) % 2**63)  # not as the order
        if config.shift:
            batch = augment.shifted(batch, config.shift, generator, share)
        images = batch.float().div_(255)
        if (config.elastic or config.affine) and not settling:
            images = augment.warped(images, config.elastic, config.affine, generator, share)
        return images.contiguous(memory_format=torch.channels_last)

    def step(self, images: Tensor, rate: float) -> Tensor:
        """Change the weights by the loss of float images at a learning rate, and return the loss."""
        self.optimisers.set_rate(rate)
        if self._recorded and self._recorded.images.shape == images.shape:
            return self._recorded.replay(images)
        records = self.device.type == "cuda" and self.ranks.alone
        if records and self._eager <= 0 and self._recorded is None:
            self._recorded = Recorded(self, images)
            return self._recorded.replay(images)
        self._eager -= 1
        return self.learn(images)

    def learn(self, images: Tensor) -> Tensor:
        """Change the weights by the loss of float images at the rate that is set, and return the loss."""
        loss = self.gradients(images)
        self.optimisers.step()
        return loss

    def gradients(self, images: Tensor) -> Tensor:
        """Compute the gradients of the loss of float images, of those of all ranks, and return the loss."""
        loss = self.loss(images)
        if self.ranks.alone:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        loss = loss * self.share.weight
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        self.ranks.sum([loss, *(p.grad for p in self.network.parameters() if p.grad is not None)])
        return loss

    def loss(self, images: Tensor) -> Tensor:
        """Return the mean squared error of the reconstructions of float images."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            reconstructions = self.network(images)
        return mse_loss(reconstructions.float(), images)


class Recorded:
    """A step recorded as a CUDA graph, for batches of one shape; recording changes no weight."""

    def __init__(self, steps: Steps, images: Tensor) -> None:
        self.images = images.clone(memory_format=torch.preserve_format)
        self._graph = torch.cuda.CUDAGraph()
        steps.network.train()
        with torch.cuda.graph(self._graph):
            self._loss = steps.learn(self.images)

    def replay(self, images: Tensor) -> Tensor:
        """Change the weights by the loss of float images, and return the loss, which the next replay overwrites."""
        self.images.copy_(images)
        self._graph.replay()
        return self._loss
