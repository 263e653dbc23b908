"""A short training of a variant of a small MNIST autoencoder with k = 16; prints a line of JSON per epoch.

python benchmarks/variants.py name=hidden hidden=256 epochs=10 >> benchmarks/results/variants.jsonl

The script has its own networks, for experiments beyond the options of `aetool train`; useful variants became options.
AETOOL_DATA is a folder with mnist/.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aetool.cli.settings import configure
from aetool.training import augment
from aetool.training.data.dataset import load
from aetool.training.schedule import one_cycle


@dataclass(frozen=True)
class Variant:
    """Settings of a variant.

    outer, inner    widths at 14x14 and 7x7
    depth, blocks   number of 3x3 convolutions and of residual blocks at 7x7
    hidden          width of a hidden linear layer, 0 for none
    augment         none, shift (1 pixel), elastic or affine (rotation, scale, shear)
    settle          last share of the steps, without augmentation
    ema             decay of an average of the weights, 0 for none
    """

    name: str = "plain"
    outer: int = 32
    inner: int = 64
    depth: int = 0
    blocks: int = 0
    hidden: int = 0
    activation: str = "relu"
    epochs: int = 10
    lr: float = 1e-2
    augment: str = "none"
    settle: float = 0.2
    strength: float = 0.8
    ema: float = 0.0
    precision: str = "bfloat16"
    threads: int = 1


class Block(nn.Module):
    """A residual block: x + F(x), then the activation."""

    def __init__(self, width: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(*normed(width), activation(), *normed(width))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.body(x))


def normed(width: int) -> list[nn.Module]:
    return [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]


def network(v: Variant) -> nn.Sequential:
    act = {"relu": nn.ReLU, "silu": nn.SiLU}[v.activation]
    a, b, size = v.outer, v.inner, 49 * v.inner

    def middle() -> list[nn.Module]:
        plain = [layer for _ in range(v.depth) for layer in (*normed(b), act())]
        return [*plain, *(Block(b, act) for _ in range(v.blocks))]

    def dense(before: int, after: int) -> list[nn.Module]:
        return [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), act()]

    encoder = [nn.Conv2d(1, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), act(), nn.Conv2d(a, b, 4, 2, 1, bias=False),
               nn.BatchNorm2d(b), act(), *middle(), nn.Flatten(), *(dense(size, v.hidden) if v.hidden else []),
               nn.Linear(v.hidden or size, 16)]  # fmt: skip
    decoder = [*(dense(16, v.hidden) if v.hidden else []), *dense(v.hidden or 16, size), nn.Unflatten(1, (b, 7, 7)),
               *middle(), nn.ConvTranspose2d(b, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), act(),
               nn.ConvTranspose2d(a, 1, 4, 2, 1), nn.Sigmoid()]  # fmt: skip
    return nn.Sequential(*encoder, *decoder)


def affine(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Rotate images by up to 0.15 rad, scale by up to 8 % and shear by up to 0.15, each times `strength`."""
    n = len(images)

    def uniform(size: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * size * strength

    angle, tall, shear, wide, zero = uniform(0.15), 1 + uniform(0.08), uniform(0.15), 1 + uniform(0.08), torch.zeros(n)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cosine * tall, shear - sine * tall, zero], 1),
        torch.stack([sine * wide, cosine * wide, zero], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def augmented(images: Tensor, v: Variant, generator: torch.Generator) -> Tensor:
    if v.augment == "elastic":
        return augment.elastic(images, v.strength, generator)
    if v.augment == "affine":
        return affine(images, v.strength, generator)
    return augment.shifted(images, 1, generator) if v.augment == "shift" else images


@torch.inference_mode()
def distortion(net: nn.Module, pixels: Tensor) -> float:
    net.eval()
    total = sum(float(((net(x) - x) ** 2).sum()) for x in (part.float() / 255 for part in pixels.split(500)))
    net.train()
    return total / pixels.numel()


def main() -> None:
    v = configure(Variant(), sys.argv[1:])
    torch.set_num_threads(v.threads)
    torch.manual_seed(0)
    data = load("mnist", 0)
    train, test = torch.from_numpy(data.train.pixels), torch.from_numpy(data.test.pixels)
    net = network(v).to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=v.lr, weight_decay=1e-4, fused=True)
    generator = torch.Generator().manual_seed(1)
    per_epoch = len(train) // 128
    steps, step, started = per_epoch * v.epochs, 0, time.time()
    for epoch in range(1, v.epochs + 1):
        order, total = torch.randperm(len(train), generator=generator), 0.0
        for i in range(per_epoch):
            images = train[order[i * 128 : (i + 1) * 128]].float().div_(255)
            if step < steps * (1 - v.settle):
                images = augmented(images, v, generator)
            images = images.contiguous(memory_format=torch.channels_last)
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(step, steps, v.lr)
            with torch.autocast("cpu", torch.bfloat16, enabled=v.precision == "bfloat16"):
                again = net(images)
            loss = F.mse_loss(again.float(), images)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.item()
            step += 1
            if v.ema:
                blend(average, net, v.ema)
        found = {"epoch": epoch, "train_mse": total / per_epoch, "test_mse": distortion(net, test),
                 "ema_mse": distortion(average, test) if v.ema else None,
                 "seconds": round(time.time() - started, 1)}  # fmt: skip
        weights = sum(p.numel() for p in net.parameters())
        print(json.dumps(asdict(v) | {"weights": weights} | found), flush=True)


@torch.no_grad()
def blend(average: nn.Module, net: nn.Module, decay: float) -> None:
    for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - decay)


if __name__ == "__main__":
    main()
