"""Agreement: an engine gives what ONNX Runtime gives, within rounding. The one assertion of all engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool import Bundle, Codec
from aetool.arrays import to_images, to_pixels
from tests.engines.engine import Arrays, Engine

Values = npt.NDArray[np.float32]
BATCHES = (1, 2, 7, 64)
LATENTS, IN_ORDER = 1e-5, 2e-5
"""Largest difference of latents, in units of their spread; and of an engine that adds the products of a sum one after
another, which rounds more: `blend` adds 12,288 for an image of 64x64 in colour, of pixels less their mean. Sums of 768,
by a convolution in groups, bring tract's difference of the linear layer from 1.6e-5 to 1.4e-6, but such a layer takes
three times as long at a batch of 64, since its weights are read anew for every image."""
IMAGES = 2e-6
"""Largest difference of images, in units of white."""
PIXELS = 1e-4
"""Largest share of 8-bit values that differ, each by one level."""


@dataclass(frozen=True)
class Reference:
    """The folder of two graphs, with inputs, the outputs of ONNX Runtime, and the unit of differences of latents."""

    path: Path
    images: Values
    latents: Values
    encoded: Values
    decoded: Values
    scale: float


def reference(path: Path) -> Reference:
    """Return the reference of a bundle: 64 latents of its bank, and the pictures of 8 bits decoded from them."""
    bundle = Bundle.read(path)
    codec = Codec(bundle, "cpu")
    bank = bundle.bank().latents
    latents = bank[np.linspace(0, len(bank) - 1, max(BATCHES)).astype(int)]
    decoded = codec.decode(latents)
    images = to_images(to_pixels(decoded))
    encoded = codec.encode(images)
    spread = float(np.sqrt(encoded.var(axis=0).mean()))
    return Reference(path, images, latents, encoded, decoded, spread)


def differences(engine: Engine, found: Reference, batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """Return the largest differences of latents (in units of the scale) and images, and of the 8-bit values."""
    latents = _outputs(engine, found.path / "encoder.onnx", found.images, batches)
    images = _outputs(engine, found.path / "decoder.onnx", found.latents, batches)
    pairs = [(_alike(z, found.encoded), found.encoded[: len(z)]) for z in latents]
    shown = [(_alike(x, found.decoded), found.decoded[: len(x)]) for x in images]
    levels = [abs(to_pixels(ours).astype(int) - to_pixels(theirs)) for ours, theirs in shown]
    return {
        "latents": _largest(pairs) / found.scale,
        "images": _largest(shown),
        "differ": sum(int((each > 0).sum()) for each in levels),
        "values": sum(each.size for each in levels),
        "levels": max(int(each.max()) for each in levels),
    }


def assert_agrees(figures: dict[str, Any], in_order: bool = False) -> None:
    """Assert that the differences are those of rounding."""
    assert figures["latents"] <= (IN_ORDER if in_order else LATENTS), figures
    assert figures["images"] <= IMAGES, figures
    assert figures["differ"] <= PIXELS * figures["values"] and figures["levels"] <= 1, figures


def _outputs(engine: Engine, graph: Path, values: Values, batches: Sequence[int]) -> Arrays:
    found = engine.run(graph, [values[:size] for size in batches])
    assert len(found) == len(batches)
    return found


def _alike(ours: Values, theirs: Values) -> Values:
    """Return `ours` in the shape of the reference, of which it may have lost all but the first axis."""
    assert ours.dtype == np.float32 and np.isfinite(ours).all()
    return ours.reshape(len(ours), *theirs.shape[1:])


def _largest(pairs: list[tuple[Values, Values]]) -> float:
    return max(float(abs(ours - theirs).max()) for ours, theirs in pairs)
