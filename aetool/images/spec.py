"""The image spec of a model: size and channels of every prepared picture, and the version of the preparation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from aetool.errors import BundleError, UsageError


@dataclass(frozen=True, eq=False)
class Preparation:
    """How a picture file becomes pixels, in words; the version is what counts, and the code of each version stays."""

    version: int
    orientation: str
    alpha: str
    crop: str
    filter: str
    decoding_scale: str
    rounding: str
    range: str
    channel_order: str
    level_rule: str


FULL_SIZE = Preparation(
    version=1,
    orientation="turned upright by EXIF, else XMP; a TIFF by its tag",
    alpha="over the grey level of the background, before scaling",
    crop="the largest centred part with the sides of the image",
    filter="Lanczos with support 3, widened by the scale when the picture shrinks; horizontal first",
    decoding_scale="full size",
    rounding="to the nearest of 256 levels after each direction of the filter; grey is (299 R + 587 G + 114 B) / 1000",
    range="levels 0 to 255, divided by 255",
    channel_order="channels, height, width; red, green, blue",
    level_rule="more than 8 bits: 255 times a number by the number that is white, which the file says, or a guess",
)
PREPARATIONS = {
    1: FULL_SIZE,
    2: replace(
        FULL_SIZE,
        version=2,
        decoding_scale="full size; JPEG at the smallest of 1/8, 1/4, 1/2 and 1 with twice the sides of the image",
    ),
}
"""All preparations by version: models keep the one that they were trained with."""
FIRST, CURRENT = 1, 2
"""The version of everything that names none, and the version of new runs."""

PICTURED = (1, 3)
"""Channels of the images that are pictures: grey and RGB."""
MOST_CHANNELS = 16
"""The most channels of an image."""
SIDES = range(8, 513)
"""Heights and widths of the images of a model."""


@dataclass(frozen=True)
class ImageSpec:
    """How any picture becomes an image of the model: part of every bundle.

    channels     1 (grey), 3 (RGB), or any other number up to 16 (bands)
    height, width   the shorter side is scaled (Lanczos, antialiased) and the centre cropped
    background   grey level 0-255 behind transparent pixels
    preparation  version of the preparation, a key of `PREPARATIONS`
    """

    channels: int
    height: int
    width: int
    background: int = 0
    preparation: int = CURRENT

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.channels, self.height, self.width

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON values: "image", the numbers, and "preparation", with its words."""
        numbers = asdict(self)
        return {"image": numbers, "preparation": asdict(PREPARATIONS[numbers.pop("preparation")])}


def spec_of(fields: dict[str, Any]) -> ImageSpec:
    """Return the spec in `fields`, which may hold more than `ImageSpec.to_dict`; without a preparation, its first.

    Raises `KeyError`, `TypeError` for other fields, `BundleError` for a preparation of a later aetool.
    """
    version = fields["preparation"]["version"] if "preparation" in fields else FIRST
    if type(version) is not int or version < FIRST:
        raise TypeError("a version of the preparation expected")
    if version not in PREPARATIONS:
        raise BundleError(f"pictures are prepared by version {version}, which is not known here; update aetool")
    return ImageSpec(**fields["image"], preparation=version)


def not_pictured(channels: int) -> UsageError:
    """Return the error of images that make no picture: their channels are neither 1 nor 3."""
    return UsageError(f"a picture has 1 channel or 3, and these images have {channels}", fix="show")
