"""Keys of a command: images, latent files, class means and stdin, in the order they were named, as latents."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from aetool.cli.choice import choose_bundle, matching
from aetool.cli.report import Talk
from aetool.cli.sinks import LATENT_SUFFIXES
from aetool.cli.sources import holds_latents, image_files, open_input, stdin
from aetool.errors import InvalidInput

if TYPE_CHECKING:
    from aetool.images import ImageFile
    from aetool.latents import LatentBatch
    from aetool.runtime import Codec
    from aetool.types import Latents

    Key: TypeAlias = str | ImageFile | LatentBatch

CLASS = "class:"


def read_keys(names: list[str], model: str | None, device: str, threads: int, talk: Talk) -> tuple[Codec, Latents]:
    """Return the codec to work with, and the latents (m, k) that the keys stand for.

    Latent files are read first, since they may say which model is meant. Every key must be usable: an error in one ends
    the command.
    """
    import numpy as np

    from aetool.latents import LatentBatch
    from aetool.runtime import Codec

    keys: list[Key] = [key for name in names for key in _read(name)]
    identity = next((key.model for key in keys if isinstance(key, LatentBatch)), None)
    codec = Codec(choose_bundle(model, talk, identity), device, threads)
    batches = [key for key in keys if isinstance(key, LatentBatch)]
    for _ in matching(batches, codec.bundle, talk):
        pass
    latents = [_latents(key, codec) for key in keys]
    if not latents:
        raise InvalidInput("no keys came; expected images, latents, or class:NAME")
    return codec, np.concatenate(latents)


def _read(name: str) -> list[Key]:
    """Return what one name stands for, read as far as it can be without a model."""
    from aetool.latents import read_latents

    if name.startswith(CLASS):
        return [name]
    if name == "-":
        return list(read_latents(stdin(), "stdin", None)) if holds_latents(stdin()) else list(image_files(["-"]))
    if os.path.splitext(name)[1].lower() in LATENT_SUFFIXES:  # noqa: PTH122
        with open_input(name) as stream:
            return list(read_latents(stream, name, None))
    return list(image_files([name]))


def _latents(key: Key, codec: Codec) -> Latents:
    """Return the latents (m, k) of one key."""
    from aetool.images import read_batches
    from aetool.latents import LatentBatch

    if isinstance(key, LatentBatch):
        return key.latents
    if isinstance(key, str):
        bank = codec.bundle.bank()
        mean: Latents = bank.mean(bank.class_index(key.removeprefix(CLASS)))[None]
        return mean
    (batch,) = read_batches([key], codec.spec, 1)
    for failure in batch.failures:
        kind = type(failure.error)
        text = str(failure.error)
        raise kind(text if failure.path in text else f"{failure.path} cannot be used: {text}")
    return codec.encode(batch.images)
