"""The options of each architecture, without torch, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aetool.errors import UsageError


def _check(name: str, widths: tuple[int, ...], what: str, count: int, hidden: int = 0) -> None:
    """Raise `UsageError` for options of no possible network; `what` is counted by `count`."""
    if not widths or min(widths) < 1 or max(widths) > 4096 or not 0 <= count <= 64:
        raise UsageError(f"{name} needs widths from 1 to 4096 and {what} from 0 to 64")
    if not 0 <= hidden <= 1 << 16:
        raise UsageError(f"{name} needs a hidden size from 0 to 65,536")


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
        _check("conv", self.widths, "a depth", self.depth)


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
        _check("residual", self.widths, "blocks", self.blocks, self.hidden)


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
        _check("blend", self.widths, "a depth", self.depth, self.hidden)


ArchitectureConfig: TypeAlias = BlendConfig | ConvConfig | ResidualConfig

ARCHITECTURES: dict[str, ArchitectureConfig] = {
    "blend": BlendConfig(), "conv": ConvConfig(), "residual": ResidualConfig()
}  # fmt: skip
"""Architectures by name with their default options; the networks are in the file of the name."""
