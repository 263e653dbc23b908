"""The options of each architecture, without torch, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aetool.errors import UsageError


@dataclass(frozen=True)
class ConvConfig:
    """Options of the architecture `conv`.

    widths   channels after each halving, outermost first; the last serves all further halvings
    depth    3x3 convolutions at the innermost resolution, in encoder and decoder each
    """

    widths: tuple[int, ...] = (32, 64, 128)
    depth: int = 1

    def __post_init__(self) -> None:
        """Raise `UsageError` for options of no possible network."""
        if not self.widths or min(self.widths) < 1 or max(self.widths) > 4096 or not 0 <= self.depth <= 64:
            raise UsageError("conv needs widths from 1 to 4096 and a depth from 0 to 64")


@dataclass(frozen=True)
class ResidualConfig:
    """Options of the architecture `residual`.

    widths   channels after each halving, outermost first; the last serves all further halvings
    blocks   residual blocks at the innermost resolution, in encoder and decoder each
    hidden   size of a linear layer between the innermost resolution and the latents, 0 for none
    """

    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    hidden: int = 256

    def __post_init__(self) -> None:
        """Raise `UsageError` for options of no possible network."""
        if not self.widths or min(self.widths) < 1 or max(self.widths) > 4096 or not 0 <= self.blocks <= 64:
            raise UsageError("residual needs widths from 1 to 4096 and blocks from 0 to 64")
        if not 0 <= self.hidden <= 1 << 16:
            raise UsageError("residual needs a hidden size from 0 to 65,536")


@dataclass(frozen=True)
class BlendConfig:
    """Options of the architecture `blend`: those of the network beside the linear pair.

    widths   channels after each halving, outermost first; the last serves all further halvings
    depth    3x3 convolutions at the innermost resolution, in encoder and decoder each
    hidden   size of a linear layer between the innermost resolution and the latents, 0 for none
    """

    widths: tuple[int, ...] = (32, 64, 128)
    depth: int = 1
    hidden: int = 0

    def __post_init__(self) -> None:
        """Raise `UsageError` for options of no possible network."""
        if not self.widths or min(self.widths) < 1 or max(self.widths) > 4096 or not 0 <= self.depth <= 64:
            raise UsageError("blend needs widths from 1 to 4096 and a depth from 0 to 64")
        if not 0 <= self.hidden <= 1 << 16:
            raise UsageError("blend needs a hidden size from 0 to 65,536")


ArchitectureConfig: TypeAlias = BlendConfig | ConvConfig | ResidualConfig

ARCHITECTURES: dict[str, ArchitectureConfig] = {
    "blend": BlendConfig(), "conv": ConvConfig(), "residual": ResidualConfig()
}  # fmt: skip
"""Architectures by name with their default options; the networks are in the file of the name."""
