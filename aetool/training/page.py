"""The page of a model from Python, as `aetool explore` writes it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from aetool.explore.make import Settings, page_of, typed_name
from aetool.explore.runtime import runtime_at
from aetool.model import keys
from aetool.model.keys import Source, image_files
from aetool.model.model import Model, load
from aetool.system.atomic import write_file
from aetool.system.progress import Report
from aetool.training.mapping import kept_map


def explore_page(
    model: Model | str | Path | None,
    output: str | Path,
    pictures: Source | Iterable[Source] | None = None,
    bank: bool = True,
    runtime: str | Path | None = None,
    progress: Report = lambda *_: None,
) -> Path:
    """Write a page to look into a model, with pictures of your own among its training images, and return its path.

    `model` is a model or what `load` takes; without `bank` the page holds no latents of training images; `runtime` is
    the package onnxruntime-web or a folder with it, None for that of the cache, which npm fetches once. Raises
    `BundleError`, `InvalidInput`, `ReadWriteError`.
    """
    opened = model if isinstance(model, Model) else load(model)
    engine = runtime_at(None if runtime is None else str(runtime), progress)
    name = typed_name(None if isinstance(model, Model) or model is None else str(model), opened.bundle)
    settings = Settings(name, bank, partial(kept_map, report=progress))
    own = None if pictures is None else opened.each_image(image_files(keys.listed(pictures)))
    batches = None if own is None else keys.values(opened.encoded(own))
    write_file(Path(output), page_of(opened, engine, settings, batches))
    return Path(output)
