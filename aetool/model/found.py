"""What was found, as pictures: each query first, then its nearest, with their distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aetool.images.labels import Words, can_draw, legible
from aetool.images.layout import Layout
from aetool.latents.bank import Bank
from aetool.latents.files import LatentBatch
from aetool.latents.search import Hit
from aetool.model.labels import stem
from aetool.model.named_keys import TABLE


def found_latents(
    queries: LatentBatch, hits: Sequence[Sequence[Hit]], known: Sequence[LatentBatch] | Bank
) -> LatentBatch:
    """Return the latents of each query and of what was found for it among the latents `known`, by their indices."""
    rows = known.latents if isinstance(known, Bank) else np.concatenate([batch.latents for batch in known])
    parts, names, classes = [], [], []
    for number, found in enumerate(hits):
        parts += [queries.latents[number : number + 1], rows[[hit.index for hit in found]]]
        names += [queries.titles[number], *(hit.source for hit in found)]
        classes += [queries.classes[number], *(hit.label for hit in found)]
    return LatentBatch(np.concatenate(parts), tuple(names), tuple(classes), None)


def found_layout(
    queries: Sequence[str], hits: Sequence[Sequence[Hit]], classes: Sequence[str], labels: bool
) -> tuple[Layout, tuple[str, ...]]:
    """Return a layout with a row a query, and the names of which the font lacks characters: numbers stand for these.

    Below a query stands what it is called, below what was found its class and its distance.
    """
    columns = 1 + max(map(len, hits))
    if not labels or not can_draw():
        return Layout(columns, strip=len(queries) == 1), ()
    asked, lacking = legible([stem(query) for query in queries], [f"query {i + 1}" for i in range(len(queries))])
    known = list(dict.fromkeys(hit.label for found in hits for hit in found if hit.label is not None))
    shown, unknown = legible(known, [str(classes.index(name)) if name in classes else "" for name in known])
    named = dict(zip(known, shown, strict=True))
    words = [
        word
        for query, found in zip(asked, hits, strict=True)
        for word in (
            _asked(query, len(asked), classes),
            *(f"{named.get(hit.label or '', '')} \u00b7 {hit.distance:.3g}".strip() for hit in found),
        )
    ]
    return Layout(columns, strip=len(queries) == 1, labels=Words(tiles=tuple(words))), lacking + unknown


def _asked(name: str, queries: int, classes: Sequence[str]) -> str:
    """Return what a query is called: a file alone "query", one of several by its name, unless that is a class too."""
    if name.startswith(tuple(TABLE)):
        return name
    return "query" if queries == 1 else f"query {name}" if name in classes else name
