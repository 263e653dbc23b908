"""aetool: train small image autoencoders, and make new images from their latents.

The Python API mirrors the commands:

    import aetool

    run = aetool.train("photos")                    # a run folder, runs/photos
    path = aetool.export(run)                       # a bundle, models/photos
    model = aetool.load(path)                       # or a name, as "mnist"
    eights = aetool.load("mnist").sample("8", n=16, seed=0)
    eights.sheet()                                  # a Pillow image; eights.pixels, eights.latents

Every name is imported on first use, so `import aetool` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle as Bundle
    from aetool.model.model import Model as Model
    from aetool.model.model import load as load
    from aetool.model.pictures import Pictures as Pictures
    from aetool.runtime.codec import Codec as Codec
    from aetool.training.config import TrainConfig as TrainConfig
    from aetool.training.export.write import export as export
    from aetool.training.foreign.imported import Ends as Ends
    from aetool.training.foreign.imported import import_graphs as import_graphs
    from aetool.training.page import explore_page as explore_page
    from aetool.training.session import train as train

__version__ = "0.2.0"

HOMES = {
    "Bundle": "aetool.bundle.bundle",
    "Codec": "aetool.runtime.codec",
    "Ends": "aetool.training.foreign.imported",
    "Model": "aetool.model.model",
    "Pictures": "aetool.model.pictures",
    "TrainConfig": "aetool.training.config",
    "explore_page": "aetool.training.page",
    "export": "aetool.training.export.write",
    "import_graphs": "aetool.training.foreign.imported",
    "load": "aetool.model.model",
    "train": "aetool.training.session",
}
"""The module of each public name."""

__all__ = [
    "Bundle", "Codec", "Ends", "Model", "Pictures", "TrainConfig", "__version__", "explore_page", "export",
    "import_graphs", "load", "train",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module 'aetool' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
