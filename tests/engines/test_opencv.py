"""OpenCV's dnn: the current version, the first one that reads Clip, and the one of Debian 12."""

from __future__ import annotations

import onnx
import pytest

from aetool.training.architectures.options import ARCHITECTURES
from tests.engines.agreement import Reference, reference
from tests.engines.engine import HERE, Arrays, Engine, Missing, Refused, apart, package
from tests.engines.made import made

DEBIAN = "4.6.0.66"
OLD = ("4.7.0.72", DEBIAN)
"""Versions: the first one that reads a Clip whose limits are inputs, and the one before it, which Debian 12 has."""


def run(graph: str, batches: Arrays) -> Arrays:
    import cv2

    cv2.setNumThreads(1)  # its threads spin: beside other programs two of them are slower than one
    network = cv2.dnn.readNetFromONNX(graph)
    outputs = []
    for batch in batches:
        network.setInput(batch)
        outputs.append(network.forward().copy())
    return outputs


def old(version: str) -> Engine:
    """Return the engine of a version in a folder of its own."""
    place = HERE / "build" / f"opencv-{version}"

    def found() -> str:
        if not (place / "cv2").is_dir():
            raise Missing(f"OpenCV {version}: bash .ci/engines")
        return version

    return Engine("OpenCV dnn", "Python", found, apart(__name__, str(place)))


ENGINE = Engine("OpenCV dnn", "Python", package("opencv-python-headless"), apart(__name__))
ENGINES = {version: old(version) for version in OLD}


def clips(found: Reference) -> bool:
    """Return whether the decoder has a Clip."""
    return "Clip" in {node.op_type for node in onnx.load(found.path / "decoder.onnx").graph.node}


def test_opencv_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)


@pytest.mark.parametrize("version", OLD)
def test_old_versions_give_the_same_pictures_unless_they_cannot_read_clip(agrees, there, model, version):
    there(ENGINES[version])
    if version == DEBIAN and clips(model):
        with pytest.raises(Refused, match="Clip"):
            ENGINES[version].run(model.path / "decoder.onnx", [model.latents])
    else:
        agrees(ENGINES[version], model)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_new_export_of_every_architecture_is_read_by_the_version_of_debian(agrees, there, tmp_path, name):
    there(ENGINES[DEBIAN])
    found = made(name, (3, 33, 20), tmp_path)
    assert not clips(found)
    agrees(ENGINES[DEBIAN], found)


def test_a_new_bundle_clips_without_clip(digits):
    """So that OpenCV of Debian 12 reads the bundle; this holds also where that is not installed to prove it."""
    assert not clips(reference(digits))
