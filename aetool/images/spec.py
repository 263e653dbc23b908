"""The image spec of a model: size and channels of every prepared picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSpec:
    """How any picture becomes an image of the model: part of every bundle.

    channels     1 (grey) or 3 (RGB)
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
