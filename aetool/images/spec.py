"""The image spec of a model: size and channels of every prepared picture."""

from __future__ import annotations

from dataclasses import dataclass

from aetool.errors import UsageError

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
    """

    channels: int
    height: int
    width: int
    background: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.channels, self.height, self.width


def not_pictured(channels: int) -> UsageError:
    """Return the error of images that make no picture: their channels are neither 1 nor 3."""
    return UsageError(f"a picture has 1 channel or 3, and these images have {channels}", fix="show")
