"""Keys of a command: images, folders, latent files, class means and stdin, in the order they were named, as latents."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aetool.cli.choice import choose_bundle, matching, open_codec
from aetool.cli.report import Talk
from aetool.cli.sinks import LATENT_SUFFIXES, Target, keep_inputs
from aetool.cli.sources import Failures, holds_latents, image_files, open_input, stdin
from aetool.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    from aetool.arrays import Latents
    from aetool.images.files import Failure, ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.runtime.codec import Codec

    Key: TypeAlias = str | ImageFile | LatentBatch

CLASS = "class:"


@dataclass(frozen=True, eq=False)
class Keys:
    """Latents (m, k), where each comes from, what pictures of it are called below a folder, and its class."""

    latents: Latents
    sources: tuple[str, ...]
    names: tuple[str, ...]
    classes: tuple[str | None, ...]


def keep_keys(target: Target, names: Iterable[str]) -> None:
    """Raise `UsageError` where the output is one of these keys, and remember them as inputs of `target`."""
    for name in names:
        if name != "-" and not name.startswith(CLASS):
            keep_inputs(target, [name])
            target.inputs.add(name)


def read_keys(
    names: list[str], model: str | None, device: str, cores: int | None, talk: Talk, named: str | None = None
) -> tuple[Codec, Keys]:
    """Return the codec to work with, and all that the keys stand for; an error in one of them ends the command.

    `named` is the identity of the model where the keys do not name one, nor -m.
    """
    import numpy as np

    codec, parts = stream_keys(names, model, device, cores, talk, None, named)
    keys = list(parts)
    if not keys:
        raise InvalidInput("no keys came; expected images, latents, or class:NAME")
    columns = (tuple(v for part in keys for v in getattr(part, column)) for column in ("sources", "names", "classes"))
    return codec, Keys(np.concatenate([part.latents for part in keys]), *columns)


def stream_keys(
    names: list[str],
    model: str | None,
    device: str,
    cores: int | None,
    talk: Talk,
    failures: Failures | None,
    named: str | None = None,
    alone: bool = False,
) -> tuple[Codec, Iterator[Keys]]:
    """Return the codec to work with, and what the keys stand for as it is read; images that cannot be go to `failures`.

    Latent files are read first, since they may say which model is meant. `alone` encodes images in this process, for
    commands that decode on `cores` meanwhile.
    """
    from aetool.latents.files import LatentBatch

    keys: list[Key] = [key for name in names for key in _read(name)]
    batches = [key for key in keys if isinstance(key, LatentBatch)]
    identity = next((batch.model for batch in batches), named)
    codec = open_codec(choose_bundle(model, talk, identity), device, cores)
    for _ in matching(batches, codec.bundle, talk):
        pass
    return codec, _all(keys, codec, failures, 1 if alone else cores)


def _read(name: str) -> list[Key]:
    """Return what one name stands for, read as far as it can be without a model."""
    from aetool.latents.files import read_latents

    if name.startswith(CLASS):
        return [name]
    if name == "-":
        return list(read_latents(stdin(), "stdin", None)) if holds_latents(stdin()) else list(image_files(["-"]))
    if os.path.splitext(name)[1].lower() in LATENT_SUFFIXES:  # noqa: PTH122
        with open_input(name) as stream:
            return list(read_latents(stream, name, None))
    return list(image_files([name]))


def _all(keys: list[Key], codec: Codec, failures: Failures | None, cores: int | None) -> Iterator[Keys]:
    """Yield the keys in order, neighbouring images encoded together."""
    from aetool.images.files import ImageFile
    from aetool.latents.files import LatentBatch

    for key, group in itertools.groupby(keys, lambda key: ImageFile if isinstance(key, ImageFile) else key):
        if isinstance(key, LatentBatch):
            yield Keys(key.latents, key.sources, key.sources, key.classes)
        elif isinstance(key, str):
            yield from (_class_mean(key, codec) for _ in group)
        else:
            yield from _encoded((file for file in group if isinstance(file, ImageFile)), codec, failures, cores)


def _class_mean(key: str, codec: Codec) -> Keys:
    bank, name = codec.bundle.bank(), key.removeprefix(CLASS)
    label = bank.class_index(name)
    if not bank.counts[-1 if label is None else label]:
        raise UsageError(f"there was no training image of class «{name}», so it has no mean")
    return Keys(bank.mean(label)[None], (key,), (key,), (name,))


def _encoded(files: Iterable[ImageFile], codec: Codec, failures: Failures | None, cores: int | None) -> Iterator[Keys]:
    from aetool.runtime.codec import Codec
    from aetool.runtime.parallel import over_files

    for batch in over_files(files, codec, Codec.encode, cores):
        if failures is None:
            _raise_first(batch.failures)
        else:
            failures.add(batch.failures)
        if batch.files:
            columns = zip(*((file.path, file.relative, file.label) for file in batch.files), strict=True)
            yield Keys(batch.value, *columns)


def _raise_first(failed: Iterable[Failure]) -> None:
    for failure in failed:
        text = str(failure.error)
        raise type(failure.error)(text if failure.path in text else f"{failure.path} cannot be used: {text}")
