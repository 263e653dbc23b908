"""The rows of a page: the latents on its map, of the bank, or drawn from its statistics where it has none to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from aetool.arrays import Latents, OneLine
from aetool.generation.stored import completed
from aetool.latents.bank import Bank, make_bank
from aetool.latents.placing import FLAT, Positions, own_places
from aetool.model import keys
from aetool.model.model import Model

DRAWN = 2000
"""Latents drawn for a map without a bank, of all classes together."""
SEED = 0

Mapping = Callable[[Latents], Positions]
"""Latents (n, k) -> their places (n, 2) on a map."""


@dataclass(frozen=True, eq=False, repr=False)
class Rows(OneLine):
    """The rows of a map: a bank with positions, and what made the map: `t-SNE`, `latents` or `samples`."""

    bank: Bank
    kind: str


def rows_of(model: Model, shown: bool, mapping: Mapping) -> Rows:
    """Return the rows of the bank of a model, or drawn ones where it has none, or `shown` is False.

    `mapping` makes the places that the bank does not store.
    """
    bank = model.bundle.bank()
    if shown and len(bank.latents):
        return Rows(_placed(completed(bank) if bank.edges is None else bank, mapping), _kind(bank.latents, "t-SNE"))
    return Rows(_placed(_drawn(model), mapping), "samples")


def _placed(bank: Bank, mapping: Mapping) -> Bank:
    if bank.latents.shape[1] <= FLAT or not len(bank.latents):
        return replace(bank, positions=own_places(bank.latents[:, :FLAT]))
    return bank if bank.positions is not None else replace(bank, positions=mapping(bank.latents))


def _kind(latents: Latents, otherwise: str) -> str:
    return "latents" if latents.shape[1] <= FLAT else otherwise


def _drawn(model: Model) -> Bank:
    """Return a bank of latents drawn from the mixtures of a bank, or its normal distributions; of no image, no rows."""
    bank = model.bundle.bank()
    known = bank.known_classes() or ((None,) if bank.counts[-1] else ())
    method = "gmm" if bank.mixtures.weights.size else "gaussian"
    labels = model.labels(known)
    each = max(1, DRAWN // max(1, len(labels)))
    batches = list(model.sampled(labels, each, SEED, method)) if known else []
    latents = keys.joined(batches).latents if batches else np.empty((0, bank.means.shape[1]), np.float32)
    numbers = [-1 if labels[name] is None else labels[name] for batch in batches for name in batch.classes]
    found = make_bank(latents, np.array(numbers, np.int64), [""] * len(latents), bank.classes, SEED)
    return replace(completed(found), counts=bank.counts, means=bank.means, covariances=bank.covariances)
