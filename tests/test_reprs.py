"""Objects of the library show themselves in one short line, whatever they hold."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import aetool
from aetool.arrays import brief
from aetool.bundle.bundle import Bundle
from aetool.generation.neighbour_graph import neighbour_graph
from aetool.images.files import FileBatch, ImageFile
from aetool.images.folder import picture_folder
from aetool.training.data.dataset import load
from aetool.training.data.files import Labelled

LONGEST = 640


@pytest.fixture(scope="module")
def model():
    return aetool.load("mnist")


def inside(value: Any) -> Iterator[Any]:
    """Yield a dataclass and all dataclasses that it holds."""
    if is_dataclass(value):
        yield value
        for field in fields(value):
            yield from inside(getattr(value, field.name))


def test_models_and_all_that_they_hold_show_one_line(model, tmp_path):
    bank = model.bundle.bank()
    pictures = model.sample("8", n=100, seed=1)
    labelled = Labelled(np.zeros((99, 1, 8, 8), np.uint8), np.zeros(99, np.int64), tuple(map(str, range(99))))
    file = ImageFile("a.png", "a.png", data=b"x" * 10_000)
    shown = [
        model, model.codec, *inside(model.bundle), model.bundle.graphs, *inside(bank), neighbour_graph(bank), pictures,
        pictures.batch, model.walked(bank.latents[:3], 40), *inside(load("digits", 0)), labelled, file,
        FileBatch(bank.latents, (file,) * 256),
    ]  # fmt: skip
    with picture_folder(tmp_path, b"x" * 10_000) as (place, write):
        [place(f"{i}") for i in range(1000)]
        shown += [place, write]
    for value in shown:
        assert "\n" not in repr(value) and len(repr(value)) < LONGEST, repr(value)


def test_what_matters_is_told(model):
    assert repr(model.bundle) == (
        f"<bundle mnist {model.bundle.identity}: images of 1 x 28 x 28, latents of 16, "
        f"{sum(map(len, model.bundle.files.values())):,} bytes>"
    )
    assert repr(model.codec) == "<codec on cpu: images of 1 x 28 x 28, latents of 16>"
    assert repr(model.bundle.bank()) == "<bank of 60,000 images, 10 classes: 20,000 latents of 16>"
    batch = model.sample("8", n=1, seed=1).batch
    assert repr(batch) == (
        "LatentBatch(latents=<float32 of shape (1, 16)>, sources=('8-0001'), classes=('8'), "
        f"model='{model.bundle.identity}', names=('8-0001'))"
    )


def test_names_with_line_breaks_stay_in_the_line(toy):
    odd = replace(Bundle.read(toy), name="a\nb")
    assert "\n" not in repr(odd) and "\n" not in repr(aetool.Model(odd))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.zeros((2, 3)), "<float64 of shape (2, 3)>"), (b"abc", "<3 bytes>"), ({1: 2}, "<1 items>"),
     ((1, "a"), "(1, 'a')"), (range(5000), "<5,000 items>"), ("x" * 100, "<str>"), ("a\nb", "'a\\nb'"), (None, "None")],
)  # fmt: skip
def test_values_are_brief(value, expected):
    assert brief(value) == expected


LARGE = re.compile(r"Latents|Images|Pixels|Labels|NDArray|Features|Rows|bytes|Tensor")


def test_every_dataclass_with_arrays_or_bytes_shows_one_line():
    """A new one becomes a `OneLine`, has a repr of its own, or leaves the field out."""
    names = [module.name for module in pkgutil.walk_packages(aetool.__path__, "aetool.")]
    found = 0
    for module in (importlib.import_module(name) for name in names if name != "aetool.__main__"):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and is_dataclass(kind):
                large = [f.name for f in fields(kind) if f.repr and LARGE.search(str(f.type))]
                found += bool(large)
                assert not large or not hasattr(kind.__repr__, "__wrapped__"), (name, large)  # that of dataclasses
    assert found > 15
