"""The configuration of a training run from the options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aetool.cli.listing import warn_of_namesake
from aetool.cli.process import POOLS, can_start
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.cli.console import Console
    from aetool.cli.options import Inputs
    from aetool.training.config import TrainConfig


def configured(dataset: str | None, given: dict[str, Any], inputs: Inputs, console: Console) -> TrainConfig:
    """Return the configuration of the `given` settings; a folder with the name of a data set is told.

    Raises `UsageError` for settings that do nothing, or that the run to start with has otherwise.
    """
    from aetool.system.processes import all_cores
    from aetool.training.config import TrainConfig
    from aetool.training.data.settings import check_settings, of_pictures
    from aetool.training.start import refuse_others, taken

    files_from, layout = inputs.files_from, inputs.layout
    if dataset and files_from:
        raise UsageError(f"{dataset} and --files-from both name the images; give one")
    warn_of_namesake(dataset, console)
    data = dataset or TrainConfig().dataset
    if not files_from:
        check_settings(data, [*given, *(["layout"] if layout else [])])
    begun = taken(given["start"], bool(files_from) or of_pictures(data)) if "start" in given else {}
    given = _read(given, begun)
    refuse_others(begun, given)
    given |= begun | {"dataset": data, "files_from": files_from, "layout": layout}
    threads = all_cores() if can_start(POOLS * (all_cores() - 1)) else 1
    return TrainConfig(**{"threads": threads, **given})


def _read(given: dict[str, Any], begun: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the architecture's options and the size as values; `begun` are those taken over."""
    from aetool.cli.settings import configure
    from aetool.errors import lookup
    from aetool.training.architectures.options import ARCHITECTURES
    from aetool.training.config import TrainConfig

    architecture = given.get("architecture", begun.get("architecture", TrainConfig().architecture))
    kind = lookup(ARCHITECTURES, architecture, "architecture")
    if architecture == begun.get("architecture"):
        kind = begun["options"]
    read = given | {"options": configure(kind, given.get("settings", []))}
    read.pop("settings", None)
    return read | ({"size": _sides(given["size"])} if "size" in given else {})


def _sides(size: str) -> tuple[int, int]:
    """Return (height, width) of "64" or "48x64"."""
    sides = size.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(f'--size takes pixels a side, as 64, or height and width, as 48x64, not "{size}"')
    return int(sides[0]), int(sides[-1])
