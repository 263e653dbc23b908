"""The judge: a small classifier of images, trained separately from any autoencoder.

The judge measures generated images by their class, and by its features, for distances between sets of images.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from aetool.arrays import Labels, Pixels
from aetool.errors import AetoolError, InvalidInput
from aetool.metrics import Features
from aetool.system.atomic import write_file
from aetool.system.paths import cache_folder
from aetool.system.progress import Report
from aetool.training import augment
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import AnyPixels
from aetool.training.schedule import one_cycle

VERSION = 2
"""Version of the judge, raised with every change of its weights."""
FEATURES = 128
WIDTHS = (32, 64, 128, 128)
"""Channels after each convolution."""
SIDE = 64
"""Larger sides are averaged down by a whole number, before images are moved and bent."""
LIMITS = (16, 16, 7, 4)
"""Larger sides are halved: by the first convolution, by maxima before the second and third, by the fourth."""
EPOCHS, LARGE, POWER, MOST = 5, 60_000, 0.7, 100
"""Epochs on `LARGE` images, more on fewer images and fewer on more by this power, at most `MOST`."""
BATCH, BATCHES, LR = (16, 256), 32, 1e-2
"""The smallest and the largest batch, batches of a small epoch, and the peak learning rate with the largest batch."""
SHIFT, ELASTIC, SETTLE = 2, 0.8, 0.3
"""Largest move and random bending in pixels of 28, and the share of the last steps without bending."""
BENT = 10
"""Images are bent where they are seen in at least so many epochs: in fewer, bending costs more than it gains."""
DROP = 0.2
FEW, MANY = 16, 250
"""Images held at a time in their own size, and images judged at a time."""


class Judge(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> logits (n, classes), by way of `FEATURES` features.

    Sides above `SIDE` are averaged down first, by `reduced`.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.factors = math.ceil(height / SIDE), math.ceil(width / SIDE)
        smaller = math.ceil(height / self.factors[0]), math.ceil(width / self.factors[1])
        layers, size = _convolutions(channels, *smaller)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(DROP))
        linear = nn.Linear(size, FEATURES, bias=False)
        self.features = nn.Sequential(linear, nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(DROP), nn.Linear(FEATURES, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of reduced images."""
        logits: Tensor = self.head(self.features(self.body(images)))
        return logits

    def reduced(self, pixels: Pixels) -> Tensor:
        """Return uint8 images (n, c, h, w) as float images in [0, 1] with sides of at most `SIDE`."""
        if max(self.factors) == 1:
            return torch.from_numpy(pixels).float().div_(255)
        parts = [torch.from_numpy(pixels[i : i + FEW]).float().div_(255) for i in range(0, len(pixels), FEW)]
        return torch.cat([avg_pool2d(part, self.factors, ceil_mode=True) for part in parts])


def _convolutions(channels: int, height: int, width: int) -> tuple[list[nn.Module], int]:
    """Return the layers from images (channels, height, width) to the innermost resolution, and the values there."""
    layers: list[nn.Module] = []
    sides = height, width
    for i, (after, limit) in enumerate(zip(WIDTHS, LIMITS, strict=True)):
        steps = 1 + (sides[0] > limit), 1 + (sides[1] > limit)
        if pooled := i in (1, 2):
            layers += [nn.MaxPool2d(steps, ceil_mode=True)] if max(steps) > 1 else []
        kernel, stride = 3 if i else 5, (1, 1) if pooled else steps
        layers.append(nn.Conv2d(channels, after, kernel, stride, kernel // 2, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
        channels, sides = after, (math.ceil(sides[0] / steps[0]), math.ceil(sides[1] / steps[1]))
    return layers, channels * math.prod(sides)


def judgements(judge: Judge, pixels: AnyPixels) -> tuple[Features, Labels]:
    """Return the features (n, 128) of uint8 images, and their recognised classes (n,)."""
    features, labels = [], []
    judge.eval()
    with torch.inference_mode():
        for start in range(0, len(pixels), MANY):
            part = judge.reduced(pixels[start : start + MANY])
            found = judge.features(judge.body(part.contiguous(memory_format=torch.channels_last)))
            features.append(found.numpy())
            labels.append(judge.head(found).argmax(1).numpy())
    return np.concatenate(features), np.concatenate(labels)


def find_judge(dataset: Dataset, threads: int, report: Report) -> Judge:
    """Return the judge of a data set: from the cache, or trained (minutes on MNIST) and cached.

    Raises `InvalidInput` for a data set without at least two classes.
    """
    if len(dataset.classes) < 2:
        raise InvalidInput(f"{dataset.name} has no classes; there is nothing to judge by")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    judge = Judge(dataset.spec.shape, len(dataset.classes))
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    place = cache_folder() / "judges" / f"{_key(dataset)}.safetensors"
    if not _load(judge, place):
        train(judge, dataset, report)
        with contextlib.suppress(AetoolError, OSError):
            _save(judge, place)
    return judge


def _key(dataset: Dataset) -> str:
    """Return the cache key of the judge: a hash of all inputs of its weights, except the machine."""
    split = hashlib.sha256(dataset.train.labels.tobytes() + dataset.train.pixels[:64].tobytes()).hexdigest()
    return hashlib.sha256(f"{VERSION} {dataset.sha256} {split}".encode()).hexdigest()[:32]


def _load(judge: Judge, place: Path) -> bool:
    """Load cached weights and return True, False for a missing or unreadable file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        judge.load_state_dict(load(place.read_bytes()))
    except (OSError, SafetensorError, RuntimeError):
        return False
    return True


def _save(judge: Judge, place: Path) -> None:
    from safetensors.torch import save

    place.parent.mkdir(parents=True, exist_ok=True)
    write_file(place, save({name: tensor.contiguous() for name, tensor in judge.state_dict().items()}))


def train(judge: Judge, dataset: Dataset, report: Report) -> None:
    """Train a fresh judge on the training images with a class, moved and bent at random."""
    known = torch.from_numpy(np.flatnonzero(dataset.train.labels >= 0))
    pixels, labels = dataset.train.pixels, torch.from_numpy(dataset.train.labels)
    batch, steps = plan(len(known))
    bent = steps * (1 - SETTLE) if steps * batch >= BENT * len(known) else 0
    peak = LR * math.sqrt(batch / BATCH[1])
    optimiser = torch.optim.AdamW(judge.parameters(), lr=peak, weight_decay=1e-2, fused=True)
    generator = torch.Generator().manual_seed(0)
    judge.train()
    for step, rows in enumerate(_batches(known, batch, steps, generator)):
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(step, steps, peak)
        images = _changed(judge.reduced(pixels[rows.numpy()]), ELASTIC if step < bent else 0.0, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=_fast_bfloat16()):
            logits = judge(images)
        loss = cross_entropy(logits.float(), labels[rows], label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 10 == 0:
            report("training a judge", step, steps, f"loss {loss.item():.3f}")


def plan(n: int) -> tuple[int, int]:
    """Return the batch size and the steps for `n` training images."""
    batch = min(n, max(BATCH[0], min(BATCH[1], n // BATCHES)))
    epochs = min(MOST, EPOCHS * (LARGE / n) ** POWER)
    return batch, round(epochs * (n // batch))


def _changed(images: Tensor, elastic: float, generator: torch.Generator) -> Tensor:
    """Return a batch of images, each moved at random, and bent by `elastic`."""
    side = min(images.shape[2:])
    images = augment.shifted(images, min(SHIFT, side // 14), generator)
    if elastic:
        images = augment.warped(images, elastic * side / 28, 0.0, generator)
    return images.contiguous(memory_format=torch.channels_last)


def _fast_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 in hardware; emulation would be slower than float32."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "arm_bf16"))


def _batches(rows: Tensor, batch: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield `steps` batches of rows, every row at most once an epoch."""
    while True:
        order = rows[torch.randperm(len(rows), generator=generator)]
        for start in range(0, len(rows) - batch + 1, batch):
            if not steps:
                return
            steps -= 1
            yield order[start : start + batch]


def accuracy(judge: Judge, dataset: Dataset) -> float:
    """Return the accuracy of the judge on the test images."""
    known = dataset.test.labels >= 0
    _, judged = judgements(judge, dataset.test.pixels[known])
    return float((judged == dataset.test.labels[known]).mean())
