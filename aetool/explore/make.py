"""The making of a page: the rows of a model's map, its graphs, and the reader's own pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from aetool.bundle.address import called
from aetool.bundle.bundle import Bundle
from aetool.bundle.lookup import find_identity
from aetool.explore.assembly import page
from aetool.explore.content import content
from aetool.explore.graphs import page_graphs
from aetool.explore.rows import Mapping, rows_of
from aetool.explore.runtime import Runtime
from aetool.latents.files import LatentBatch
from aetool.model import keys
from aetool.model.model import Model


def typed_name(given: str | None, bundle: Bundle) -> str:
    """Return what a command line calls a model that was `given` so: of an absolute path, the name of the folder."""
    if given and not os.path.isabs(given):  # noqa: PTH117
        return given
    path = find_identity(bundle.identity)
    return bundle.name if path is None else called(path)


@dataclass(frozen=True)
class Settings:
    """What a page is made with.

    argument   what a command line calls the model
    bank       False for a page without latents of training images
    mapping    makes the places that a bank does not store
    """

    argument: str
    bank: bool
    mapping: Mapping


def page_of(model: Model, engine: Runtime, settings: Settings, pictures: Iterable[LatentBatch] | None = None) -> bytes:
    """Return the page of a model as HTML; `pictures` are latents of the reader's own, shown among its rows."""
    files = None if pictures is None else keys.joined(pictures)
    rows = rows_of(model, settings.bank, settings.mapping)
    graphs, weights = page_graphs(model.codec, rows.bank.latents)
    return page(content(model.bundle, settings.argument, rows, files, weights), graphs, engine)
