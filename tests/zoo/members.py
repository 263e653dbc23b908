"""The members of the zoo: shapes of images, what the import guesses of the numbers of each, and data to import with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aetool import import_graphs
from aetool.training.foreign.imported import Ends
from tests.zoo.pictures import rectangles

ZOO = Path(__file__).parent / "graphs"
STATISTICS = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]
SHAPES = {
    "torch-conv-old": (1, 28, 28), "torch-conv-dynamo": (1, 28, 28), "torch-leaky-old": (3, 16, 16),
    "torch-leaky-open": (3, 16, 16), "torch-dense-dynamo": (1, 12, 12), "torch-pooled-free": (1, 16, 16),
    "torch-pooled-dynamo": (1, 16, 16), "torch-odd-old": (3, 14, 19), "torch-odd-dynamo": (3, 14, 19),
    "torch-columns-old": (1, 14, 14), "torch-columns-open": (1, 14, 14), "keras-blog-dense": (1, 28, 28),
    "torch-gelu-aged": (3, 16, 16), "torch-gelu-dynamo": (3, 16, 16),
    "keras-blog-conv": (1, 28, 28), "keras-transposed": (3, 20, 16), "flax-conv": (1, 20, 20),
}  # fmt: skip
GUESSES = {
    "torch-gelu-aged": "-1..1", "torch-gelu-dynamo": "-1..1",
    "torch-leaky-old": "-1..1", "torch-leaky-open": "-1..1", "keras-transposed": "0..255",
    "torch-odd-old": "mean 0.485,0.456,0.406 std 0.229,0.224,0.225",
    "torch-odd-dynamo": "mean 0.485,0.456,0.406 std 0.229,0.224,0.225",
}  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """The folder of a member's bundle, and what the import said of it."""

    path: Path
    said: str


def imported(name: str, place: Path) -> Imported:
    """Import a member of the zoo into a bundle in the folder `place`."""
    statistics = [tuple(float(number) for number in STATISTICS[at].split(",")) for at in (1, 3)]
    ends = Ends(mean=statistics[0], std=statistics[1]) if "odd" in name else Ends()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        path = import_graphs(*graphs(name), array(place / "shapes.npz", SHAPES[name]), place / name, ends)
    return Imported(path, "\n".join(str(one.message) for one in said))


def graphs(name: str) -> list[str]:
    return [str(ZOO / name / f"{part}.onnx") for part in ("encoder", "decoder")]


def array(path: Path, shape: tuple[int, int, int], n: int = 200, classes: int = 2) -> str:
    np.savez(path, images=rectangles(n, *shape, seed=5), labels=np.arange(n) % classes)
    return str(path)
