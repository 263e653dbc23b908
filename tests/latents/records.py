"""Latents as bytes of every form, to be read back."""

from __future__ import annotations

import io

import numpy as np

from aetool.latents.files import LatentBatch, Spool, read_latents
from aetool.system.limits import LIMITS, Limits


def batch(array, sources=None, classes=None, model: str | None = "0123456789abcdef") -> LatentBatch:
    array = np.asarray(array, np.float32)
    n = len(array)
    return LatentBatch(array, tuple(sources or (f"{i}.png" for i in range(n))), tuple(classes or [None] * n), model)


def read(data: bytes, size: int | None = None, limits: Limits = LIMITS) -> list[LatentBatch]:
    return list(read_latents(io.BytesIO(data), "file", size, limits))


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(saved=np.savez, **arrays) -> bytes:
    stream = io.BytesIO()
    saved(stream, **arrays)
    return stream.getvalue()


def to_arrays(batches, suffix: str, size: int) -> bytes:
    stream = io.BytesIO()
    with Spool(None, size) as spool:
        spool.add(batches)
        spool.write(stream, suffix)
    return stream.getvalue()


def same(found: list[LatentBatch], expected: LatentBatch) -> bool:
    """Return whether batches hold the same records, the numbers to the bit."""
    numbers = np.concatenate([part.latents for part in found])
    assert numbers.dtype == np.float32
    assert np.array_equal(numbers.view(np.uint32), expected.latents.view(np.uint32))
    assert sum((part.sources for part in found), ()) == expected.sources
    assert sum((part.classes for part in found), ()) == expected.classes
    assert {part.model for part in found} == {expected.model}
    return True
