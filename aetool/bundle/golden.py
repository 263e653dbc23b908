"""Golden values of a bundle: what its graphs and its preparation gave at export, to compare with on every machine."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, Latents, OneLine, Pixels, check_images, check_latents, spread
from aetool.errors import printable
from aetool.images.spec import ImageSpec

WHOLE = 64 * 64 * 3
"""Values of the largest golden image that is kept whole."""
PLACES = 4096
"""Values that are kept of each larger golden image."""
PIXELS = 16_384
"""Pixels that are kept of each golden picture: all, of the size of a whole golden image."""


@dataclass(frozen=True, eq=False, repr=False)
class Samples(OneLine):
    """Of m images the values (m, `PLACES`) at fixed places in (c, h, w), and the mean of each channel (m, c)."""

    values: npt.NDArray[np.float32]
    means: npt.NDArray[np.float32]

    @classmethod
    def of(cls, images: Images) -> Samples:
        """Return the samples of images (m, c, h, w)."""
        flat = images.reshape(len(images), -1)
        means = images.mean((2, 3), dtype=np.float64).astype(np.float32)
        return cls(flat[:, spread(flat.shape[1], PLACES)], means)


@dataclass(frozen=True, eq=False, repr=False)
class Golden(OneLine):
    """Fixed latents (m, k), their decoded images, of large ones samples, and the encoded latents of the images."""

    latents: Latents
    images: Images | Samples
    encoded: Latents

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: numbers as lists, images and samples as base64 of little-endian float32."""
        images: dict[str, Any]
        if isinstance(self.images, Samples):
            images = {"values": _base64(self.images.values.astype("<f4")), "means": _numbers(self.images.means)}
        else:
            images = {"images": _base64(self.images.astype("<f4"))}
        return {"latents": _numbers(self.latents), **images, "encoded": _numbers(self.encoded)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], spec: ImageSpec, size: int) -> Golden:
        """Return the golden values of a model of `spec` and latents of `size`; raises `ValueError`, `KeyError`."""
        latents = check_latents(np.array(fields["latents"], np.float64), size)
        encoded = check_latents(np.array(fields["encoded"], np.float64), size)
        if latents.shape != encoded.shape:
            raise ValueError("golden values of another shape")
        sampled = "values" in fields
        shape = (PLACES,) if sampled else spec.shape
        raw = base64.b64decode(fields["values" if sampled else "images"], validate=True)
        if len(raw) != 4 * len(latents) * math.prod(shape) or (sampled and math.prod(spec.shape) <= WHOLE):
            raise ValueError("golden values of another shape")
        images = np.frombuffer(raw, "<f4").astype(np.float32).reshape(-1, *shape)
        if not sampled:
            return cls(latents, check_images(images, spec.shape), encoded)
        means = check_latents(np.array(fields["means"], np.float64), spec.channels)
        if len(means) != len(latents) or not all(((part >= 0) & (part <= 1)).all() for part in (images, means)):
            raise ValueError("golden values of another shape, or outside [0, 1]")
        return cls(latents, Samples(images, means), encoded)


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(OneLine):
    """The sha256 of the prepared pixels of a golden picture, and the pixels, of many only `PIXELS` spread over them."""

    sha256: str
    values: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, pixels: Pixels) -> Prepared:
        """Return what is kept of pixels (c, h, w)."""
        return cls(hashlib.sha256(pixels.tobytes()).hexdigest(), pixels.ravel()[spread(pixels.size, PIXELS)])

    def difference(self, other: Prepared) -> int:
        """Return the largest difference in levels, at least 1 where the sha256 differs."""
        if self.sha256 == other.sha256:
            return 0
        return max(1, int(abs(self.values.astype(int) - other.values).max()))


@dataclass(frozen=True, eq=False, repr=False)
class GoldenPictures(OneLine):
    """The golden pictures (see `images.golden`) by format, as the Pillow of a version prepared them at export."""

    pillow: str
    pictures: Mapping[str, Prepared]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, pixels as base64."""
        found = {name: {"sha256": one.sha256, "pixels": _base64(one.values)} for name, one in self.pictures.items()}
        return {"pillow": self.pillow, **found}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None, spec: ImageSpec) -> GoldenPictures | None:
        """Return the golden pictures of a manifest, None where it has none; raises `ValueError`, `KeyError`."""
        if fields is None:
            return None
        pictures = {name: _prepared(fields[name], spec) for name in ("png", "jpeg")}
        return cls(printable(str(fields["pillow"])[:20]), pictures)


def golden_pictures(spec: ImageSpec) -> GoldenPictures | None:
    """Return the golden pictures as they are prepared here; None for channels that PNG and JPEG do not have."""
    import PIL

    from aetool.images.golden import prepared

    if spec.channels not in (1, 3):
        return None
    return GoldenPictures(PIL.__version__, {name: Prepared.of(pixels) for name, pixels in prepared(spec).items()})


def _prepared(fields: Mapping[str, Any], spec: ImageSpec) -> Prepared:
    values = np.frombuffer(base64.b64decode(fields["pixels"], validate=True), np.uint8)
    if len(values) != min(PIXELS, math.prod(spec.shape)) or len(bytes.fromhex(fields["sha256"])) != 32:
        raise ValueError("golden pictures of another size")
    return Prepared(fields["sha256"].lower(), values)


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _numbers(array: npt.NDArray[np.float32]) -> list[list[float]]:
    """Return numbers as float64 with few digits, whose nearest float32 they are."""
    return [[float(str(number)) for number in row] for row in array]
