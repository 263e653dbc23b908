"""What report.html shows of the best network: reconstructions of held-out images, and new images of each class."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from aetool.arrays import Latents, OneLine, Pixels, to_images, to_pixels
from aetool.generation.sampling import SAMPLERS, rng_for
from aetool.images.spec import PICTURED
from aetool.latents.bank import Bank, make_bank
from aetool.model.drawing import class_key
from aetool.training import distortion
from aetool.training.data.dataset import Split

if TYPE_CHECKING:
    from aetool.training.loop import Trainer

LOOKED_AT, ENCODED = 1000, 1000
"""Most images that are compared with their reconstructions, and most that new images are made of."""
VALUES = 1 << 22
"""Most values of these images; of images of one size this or 32 of them, whichever is more."""
PAIRS = 6
"""Most images of a group: of the best, of the median and of the worst."""
SAMPLES, EACH = 240, 8
"""Most new images, and most of one class."""
MOST_CLASSES = 120
"""Most classes of which new images are shown: the first."""
SAMPLER = "local"


@dataclass(frozen=True, eq=False, repr=False)
class Pair(OneLine):
    """An image and its reconstruction, uint8 (c, h, w), c 1 or 3: its name, class ("" for none), and mse."""

    name: str
    label: str
    mse: float
    image: Pixels
    again: Pixels


@dataclass(frozen=True, eq=False, repr=False)
class Shown(OneLine):
    """What a network makes of images.

    pairs       by title ("Best", "Median", "Worst")
    looked_at   number of images that these were chosen from
    held_out    whether these were held out
    samples     new images, uint8 (n, c, h, w), by class; of all together under "" where there are no classes
    """

    pairs: dict[str, list[Pair]]
    looked_at: int
    held_out: bool
    samples: dict[str, Pixels]


def shown(trainer: Trainer) -> Shown:
    """Return what the best network so far makes of held-out images, and new images; the trainer stays as it is."""
    network, data = _best(trainer), trainer.dataset
    split = data.test if len(data.test.labels) else data.train
    pairs, count = _pairs(network, split, data.classes, trainer.device)
    return Shown(pairs, count, split is data.test, _samples(network, trainer))


def _best(trainer: Trainer) -> nn.Module:
    """Return a copy of the network with the best weights so far: the one in training is not touched."""
    network: nn.Module = copy.deepcopy(trainer.network)
    if trainer.best:
        network.load_state_dict(trainer.best)
    return network.eval()


def _few(pixels: int, most: int) -> int:
    """Return how many images of so many values are looked at."""
    return min(most, max(32, VALUES // pixels))


def _pairs(
    network: nn.Module, split: Split, classes: tuple[str, ...], device: torch.device
) -> tuple[dict[str, list[Pair]], int]:
    """Return images of the least, the median and the largest mse, and the number of those looked at."""
    count = min(len(split.labels), _few(math.prod(split.pixels.shape[1:]), LOOKED_AT))
    rows = np.linspace(0, len(split.labels) - 1, count).astype(np.intp)
    images = split.pixels[rows]
    again = distortion.reconstruct(network, images, device).numpy()
    errors = np.square(again - to_images(images)).reshape(count, -1).mean(1, dtype=np.float64)
    order = np.argsort(errors, kind="stable")

    def pair(i: int) -> Pair:
        label = split.labels[rows[i]]
        name = classes[label] if label >= 0 else ""
        both = to_picture(images[i]), to_picture(to_pixels(again[i]))
        return Pair(split.sources[rows[i]], name, float(errors[i]), *both)

    few = max(1, min(PAIRS, count // 3))
    middle = (count - few) // 2
    groups = {"Best": order[:few], "Median": order[middle : middle + few], "Worst": order[::-1][:few]}
    return {title: [pair(i) for i in group.tolist()] for title, group in groups.items()}, count


def to_picture(pixels: Pixels) -> Pixels:
    """Return an image (c, h, w) as a picture: of other channels than 1 or 3 the first three, of two the first."""
    return pixels if len(pixels) in PICTURED else pixels[: 3 if len(pixels) > 3 else 1]


def _samples(network: nn.Module, trainer: Trainer) -> dict[str, Pixels]:
    """Return new images of each class, made as `aetool sample` makes them, of latents of fewer images."""
    bank = _bank(network, trainer)
    names = bank.known_classes()[:MOST_CLASSES] or ("",)
    each = min(EACH, max(2, _few(math.prod(trainer.dataset.spec.shape), SAMPLES) // len(names)))
    drawn = []
    for name in names:
        label, rng = (bank.classes.index(name) if name else None), rng_for(trainer.config.seed, class_key(name))
        drawn.append(SAMPLERS[SAMPLER].draw(bank, label, each, rng))
    made = to_pixels(_decoded(network, np.concatenate(drawn), trainer))
    pictures = np.stack([to_picture(one) for one in made])
    return {name: pictures[i * each : (i + 1) * each] for i, name in enumerate(names)}


def _bank(network: nn.Module, trainer: Trainer) -> Bank:
    """Return a bank of the latents of some training images, of each class about the same number."""
    split, classes = trainer.dataset.train, trainer.dataset.classes
    rows = _rows_of_classes(split.labels, _few(math.prod(split.pixels.shape[1:]), ENCODED))
    latents, size = [], distortion.batch_for(split.pixels)
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            images = torch.from_numpy(to_images(split.pixels[rows[start : start + size]])).to(trainer.device)
            latents.append(network.encoder(images).float().cpu().numpy())  # type: ignore[operator]
    return make_bank(np.concatenate(latents), split.labels[rows], [""] * len(rows), classes, trainer.config.seed)


def _rows_of_classes(labels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.intp]:
    """Return at most about `most` rows, sorted: of each class an equal share of rows at regular places, at least 2."""
    known = np.unique(labels)
    share = max(2, most // len(known))
    groups = (np.flatnonzero(labels == label) for label in known)
    chosen = [group[np.linspace(0, len(group) - 1, min(share, len(group))).astype(np.intp)] for group in groups]
    return np.sort(np.concatenate(chosen))


def _decoded(network: nn.Module, latents: Latents, trainer: Trainer) -> npt.NDArray[np.float32]:
    """Return the images of latents (n, k), in batches."""
    parts = torch.split(torch.from_numpy(latents), distortion.batch_for(trainer.dataset.train.pixels))
    with torch.inference_mode():
        images = [network.decoder(part.to(trainer.device)).float().cpu() for part in parts]  # type: ignore[operator]
    made: npt.NDArray[np.float32] = torch.cat(images).numpy()
    return made
