"""Stored values of a bank, computed once at export for a fast start of commands."""

from __future__ import annotations

from dataclasses import replace

from aetool.generation.neighbour_graph import stored_edges
from aetool.generation.sampling import stored_variances
from aetool.latents.bank import Bank


def completed(bank: Bank) -> Bank:
    """Return the bank with the edges of its neighbour graph and the local variances of its classes."""
    return replace(bank, edges=stored_edges(bank), local_variances=stored_variances(bank))
