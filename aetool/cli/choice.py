"""Which model a command works with, and latents that must be of that model."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aetool.cli.report import Talk
from aetool.errors import InvalidInput

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle
    from aetool.latents.files import LatentBatch
    from aetool.runtime.codec import Codec


def choose_bundle(name: str | None, talk: Talk, named_by_latents: str | None = None) -> Bundle:
    """Read the model -m names, else $AETOOL_MODEL, else that of the latents, else the newest, else the shipped one.

    A choice made for the user is said on stderr.
    """
    from aetool.bundle.bundle import Bundle
    from aetool.bundle.lookup import default_path, find_identity

    if name:
        return Bundle.find(name)
    path = None
    if named_by_latents and not os.environ.get("AETOOL_MODEL"):
        path, why = find_identity(named_by_latents), "named by the latents"
    if path is None:
        path, why = default_path()
    talk.note(f"model {path.name}, {why}; -m chooses another")
    return Bundle.read(path)


def open_codec(bundle: Bundle, device: str, cores: int | None) -> Codec:
    """Return the codec for work on `cores` (None: all): by processes of one thread on the CPU, by threads elsewhere."""
    from aetool.runtime.codec import Codec

    return Codec(bundle, device, 1 if device in ("auto", "cpu") else cores or 1)


def first_model(batches: Iterable[LatentBatch]) -> tuple[str | None, Iterator[LatentBatch]]:
    """Return the identity that the first latents carry, and all batches from the first on."""
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        return None, iter(())
    return first.model, itertools.chain([first], iterator)


def matching(batches: Iterable[LatentBatch], bundle: Bundle, talk: Talk) -> Iterator[LatentBatch]:
    """Yield the batches if they are of this model; raises `InvalidInput` otherwise, and warns where they do not say."""
    warned = False
    for batch in batches:
        if batch.model is not None and batch.model != bundle.identity:
            raise InvalidInput(
                f"these latents are of model {batch.model}, not of {bundle.name} ({bundle.identity}); "
                "name theirs with -m"
            )
        size = bundle.manifest.latent_size
        if batch.latents.shape[1] != size:
            raise InvalidInput(f"{bundle.name} has latents of {size} numbers, these have {batch.latents.shape[1]}")
        if batch.model is None and not warned:
            talk.warn(f"these latents do not say which model made them; taken as {bundle.name}'s")
            warned = True
        yield batch
