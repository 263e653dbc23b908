"""Bundles of other tools' graphs in other engines: what the import wrote runs there as what `aetool export` writes."""

from __future__ import annotations

import pytest

from tests.engines import test_mnn, test_opencv, test_openvino, test_tract
from tests.engines.agreement import Reference, reference
from tests.zoo.members import SHAPES, imported

ENGINES = {
    "openvino": test_openvino.ENGINE, "opencv": test_opencv.ENGINE, "opencv-debian": test_opencv.ENGINES["4.6.0.66"],
    "tract": test_tract.ENGINE, "mnn": test_mnn.ENGINE,
}  # fmt: skip
QUICK = ("torch-odd-dynamo",)
"""The member that the quick tests run: colour, odd sides, padding, a mean and a standard deviation."""

APART = {
    ("opencv-debian", "torch-odd-old"): "it reads no Clip with three inputs, which stands for ReLU6",
    ("opencv-debian", "torch-odd-dynamo"): "it reads no Clip with three inputs, which stands for ReLU6",
    ("opencv", "flax-conv"): "its tanh of numbers above 44 is no number (5.0.0)",
    ("mnn", "torch-gelu-aged"): "its erf is off by up to 4e-4",
    ("mnn", "keras-blog-conv"): "its sigmoid is off by up to 7e-6",
}
"""Engines whose own functions are off for a member, by their fault."""


@pytest.fixture(scope="session")
def zoo() -> dict[str, Reference]:
    """The references made so far, by name."""
    return {}


def marks(engine: str, name: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a member in an engine."""
    apart = APART.get((engine, name))
    slow = [] if name in QUICK else [pytest.mark.slow]
    return [*slow, pytest.mark.xfail(reason=apart, strict=True)] if apart else slow


@pytest.mark.parametrize(
    ("engine", "name"), [pytest.param(engine, name, marks=marks(engine, name)) for name in SHAPES for engine in ENGINES]
)
def test_imported_bundles_give_the_same_pictures(engine, name, agrees, there, zoo, tmp_path_factory):
    there(ENGINES[engine])
    if name not in zoo:
        zoo[name] = reference(imported(name, tmp_path_factory.mktemp("zoo")).path)
    agrees(ENGINES[engine], zoo[name])
