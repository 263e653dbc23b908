"""Labels of a command's sheet: whether there are any, and what is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aetool.errors import some

if TYPE_CHECKING:
    from aetool.cli.console import Console
    from aetool.cli.options import LayoutOptions
    from aetool.cli.target import Target
    from aetool.images.labels import Words


def wanted(target: Target, options: LayoutOptions) -> bool:
    """Return whether a sheet at the target has labels: a picture or a preview, unless --no-labels."""
    return target.kind in ("picture", "terminal") and not options.no_labels


def told(made: tuple[Words | None, tuple[str, ...]], console: Console) -> Words | None:
    """Return labels, and note the texts for which there are numbers."""
    labels, lacking = made
    if lacking:
        what = some([f'"{text}"' for text in lacking])
        console.note(f"labels: the font lacks characters of {what}; there are numbers instead")
    return labels
