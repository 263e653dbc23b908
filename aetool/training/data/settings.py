"""Settings of a run that count only for some kinds of data sets, and are refused for the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aetool.errors import UsageError
from aetool.images.stacks import holds_stack
from aetool.training.config import TrainConfig
from aetool.training.data.named import DATASETS

OF_PICTURES = ("channels", "size", "background")
"""Settings of how picture files are prepared."""
SEARCHED = ("mnist", "fashion-mnist")
"""Data sets of files, which are looked for."""


def of_pictures(dataset: str) -> bool:
    """Return whether the images of a data set are picture files, which are prepared as the user says."""
    return dataset not in DATASETS and not Path(dataset).is_file()


def check_settings(dataset: str, given: Iterable[str]) -> None:
    """Raise `UsageError` where a setting `given` does nothing for a data set; one that is missing is named later."""
    given = list(given)
    prepared = [name for name in OF_PICTURES if name in given]
    if prepared and not of_pictures(dataset):
        raise UsageError(f"{dataset} is no folder of images, and sets {_listed(prepared)} itself", fix="prepared")
    if "layout" in given and not holds_stack(dataset):
        raise UsageError(f"{dataset} is no array of images, and has no layout", fix="no-layout")
    if "data_dir" in given and dataset not in SEARCHED and (dataset in DATASETS or Path(dataset).exists()):
        raise UsageError(f"{dataset} is not looked for in another folder", fix="not-searched")


def check_config(config: TrainConfig) -> None:
    """Raise `UsageError` where a configuration has settings that do nothing for its data set."""
    default = TrainConfig()
    names = (*OF_PICTURES, "layout", "data_dir")
    check_settings(config.dataset, [name for name in names if getattr(config, name) != getattr(default, name)])


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
