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
from torch.nn.functional import cross_entropy

from aetool.arrays import Labels
from aetool.errors import AetoolError, InvalidInput
from aetool.metrics import Features
from aetool.system.atomic import write_file
from aetool.system.paths import cache_folder
from aetool.system.progress import Report
from aetool.training import augment
from aetool.training.architectures.geometry import halvings
from aetool.training.architectures.layers import down, same
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import AnyPixels, whole
from aetool.training.schedule import one_cycle

VERSION = 1
"""Version of the judge, raised with every change of its weights."""
FEATURES = 128
WIDTHS = (32, 64, 128)
BATCH, LR, STEPS, EPOCHS = 128, 4e-3, 1500, 12
"""At least STEPS steps and EPOCHS epochs."""
SHIFT, ELASTIC = 2, 0.8


class Judge(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> logits (n, classes), by way of `FEATURES` features."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = shape[0]
        steps = halvings(*shape[1:])
        for step, after in zip(steps, (*WIDTHS, *[WIDTHS[-1]] * len(steps)), strict=False):
            layers += [*down(step, width, after), *same(after), *same(after)]
            width = after
        small = steps[-1].small
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.4))
        linear = nn.Linear(width * small[0] * small[1], FEATURES, bias=False)
        self.features = nn.Sequential(linear, nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(FEATURES, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.features(self.body(images)))
        return logits


def judgements(judge: Judge, pixels: AnyPixels) -> tuple[Features, Labels]:
    """Return the features (n, 128) of uint8 images, and their recognised classes (n,)."""
    features, labels = [], []
    judge.eval()
    with torch.inference_mode():
        for start in range(0, len(pixels), 500):
            part = torch.from_numpy(pixels[start : start + 500])
            found = judge.features(judge.body(part.float().div_(255)))
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
    """Train a fresh judge on the training images, moved and bent at random."""
    pixels, labels = torch.from_numpy(whole(dataset.train.pixels)), torch.from_numpy(dataset.train.labels)
    per_epoch = max(1, len(pixels) // BATCH)
    steps = per_epoch * max(EPOCHS, math.ceil(STEPS / per_epoch))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=LR, weight_decay=1e-2)
    generator = torch.Generator().manual_seed(0)
    judge.train()
    for step, rows in enumerate(_batches(len(pixels), steps, generator)):
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(step, steps, LR)
        images = augment.shifted(pixels[rows], min(SHIFT, pixels.shape[-1] // 14), generator).float().div_(255)
        images = augment.elastic(images, ELASTIC * pixels.shape[-1] / 28, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=_fast_bfloat16()):
            logits = judge(images.contiguous(memory_format=torch.channels_last))
        loss = cross_entropy(logits.float(), labels[rows], label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 10 == 0:
            report("training a judge", step, steps, f"loss {loss.item():.3f}")


def _fast_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 matrices in hardware; emulation would be slower."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))


def _batches(n: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the rows of `steps` batches, every image once an epoch."""
    while True:
        order = torch.randperm(n, generator=generator)
        for start in range(0, max(1, n - BATCH + 1), BATCH):
            if not steps:
                return
            steps -= 1
            yield order[start : start + BATCH]


def accuracy(judge: Judge, dataset: Dataset) -> float:
    """Return the accuracy of the judge on the test images."""
    known = dataset.test.labels >= 0
    _, judged = judgements(judge, dataset.test.pixels[known])
    return float((judged == dataset.test.labels[known]).mean())
