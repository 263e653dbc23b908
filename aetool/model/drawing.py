"""Drawing: new latents of classes, in blocks of bounded memory, and the bank of a reader's own pictures."""

from __future__ import annotations

import itertools
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from aetool.bundle.bundle import Bundle
from aetool.choices import IMAGE_SUFFIXES
from aetool.errors import InvalidInput, UsageError
from aetool.generation.arithmetic import check_sigma, plane, with_noise
from aetool.generation.sampling import Sampler, rng_for
from aetool.latents.bank import Bank, make_bank
from aetool.latents.files import LatentBatch
from aetool.metrics import symmetric_root
from aetool.system.paths import digits

BLOCKS = (16, 64, 256, 1024, 4096, 10_000)
"""Latents per draw: of the first blocks, and last of all further blocks. Other sizes give other latents for a seed."""


def fresh_seed() -> int:
    """Return an unpredictable seed, from 0 to 2^32 - 1."""
    return secrets.randbelow(2**32)


def numbered(name: str, count: int) -> Iterator[str]:
    """Yield `count` names of pictures, "NAME-0001" and so on, all of the same width."""
    width = digits(count)
    return (f"{name}-{i:0{width}}" for i in range(1, count + 1))


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """Yield the size of each block, and how many of it are wanted: all, of the last block the rest of `count`.

    A block is always drawn whole, so that the first latents of a seed do not depend on the count.
    """
    for size in itertools.chain(BLOCKS, itertools.repeat(BLOCKS[-1])):
        if count <= 0:
            return
        yield size, min(size, count)
        count -= size


def drawn(
    sampler: Sampler, bank: Bank, labels: Mapping[str | None, int | None], count: int, seed: int
) -> Iterator[LatentBatch]:
    """Yield `count` latents of each class, a block at a time; `labels` maps class names to class numbers.

    The random numbers of a block depend on the seed, the name of the class in the bank and the number of the block:
    neither on the count nor on the other classes.
    """
    for name, label in labels.items():
        names, key = numbered(name or "new", count), class_key("" if label is None else bank.classes[label])
        for block, (size, wanted) in enumerate(blocks(count)):
            latents = sampler.draw(bank, label, size, rng_for(seed, key, block))[:wanted]
            yield LatentBatch(latents, tuple(itertools.islice(names, wanted)), (name,) * wanted, None)


def class_key(name: str) -> int:
    """Return the part of the seed that stands for a class, 0 for the whole bank (the name "")."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))


def perturbed(batches: Iterable[LatentBatch], bank: Bank, sigma: float, count: int, seed: int) -> Iterator[LatentBatch]:
    """Yield `count` variations of each latent, a block at a time.

    The random numbers of a block depend on the seed, the place of the latent among all, and the number of the block:
    not on the count or the sizes of the batches.
    """
    check_sigma(sigma)
    root, places = symmetric_root(bank.covariance(None)), itertools.count()
    for batch in batches:
        for latent, title, label in zip(batch.latents, batch.titles, batch.classes, strict=True):
            names, place = numbered(_stem(title), count), next(places)
            for block, (size, wanted) in enumerate(blocks(count)):
                varied = with_noise(latent[None], root, sigma, size, rng_for(seed, place, block))
                yield LatentBatch(varied[:wanted], tuple(itertools.islice(names, wanted)), (label,) * wanted, None)


def _stem(name: str) -> str:
    """Return the name of a picture file without its suffix."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def bank_of(batches: Iterable[LatentBatch]) -> Bank:
    """Return the bank of pictures unknown to the model: the reader's own class.

    Raises `InvalidInput` for fewer than two pictures.
    """
    parts = list(batches)
    sources = [source for part in parts for source in part.sources]
    if len(sources) == 1:
        raise InvalidInput("there is one usable image; at least two are needed to combine")
    if not sources:
        raise InvalidInput("there is no usable image; at least two are needed to combine")
    latents = np.concatenate([part.latents for part in parts])
    return make_bank(latents, np.full(len(sources), -1), sources, (), seed=0)


def plane_of(bundle: Bundle, rows: int, columns: int) -> LatentBatch:
    """Return the plane of the latents of a bundle (see `plane`), named by rows from above and columns.

    Raises `UsageError` for latents of other than two numbers.
    """
    size = bundle.manifest.latent_size
    if size != 2:
        raise UsageError(f"a plane has two numbers a latent, and {bundle.name} has {size}", fix="plane")
    bank, (down, across) = bundle.bank(), (digits(rows), digits(columns))
    latents = plane(bank.mean(None), bank.covariance(None), rows, columns)
    names = tuple(f"{y:0{down}}-{x:0{across}}" for y in range(1, rows + 1) for x in range(1, columns + 1))
    return LatentBatch(latents, names, (None,) * len(names), None)
