"""Values of a bank that are computed once, at export, so that commands start fast."""

from __future__ import annotations

from dataclasses import replace

from aetool.generation.neighbour_graph import stored_edges
from aetool.generation.sampling import stored_variances
from aetool.latents.bank import Bank


def completed(bank: Bank) -> Bank:
    """Return the bank with the edges of its neighbour graph and the local variances of its classes."""
    return replace(bank, edges=stored_edges(bank), local_variances=stored_variances(bank))
