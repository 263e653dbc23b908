"""Keys of a command: images, folders, latent files, classes and stdin, read as far as possible without a model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from aetool.choices import KEY_STARTS
from aetool.cli.console import Console
from aetool.cli.inputs import is_pipe, open_input, stdin_pictures
from aetool.cli.listing import tell
from aetool.cli.model import open_model
from aetool.cli.stdin import check_stdin, stdin
from aetool.cli.target import Target
from aetool.errors import LimitExceeded
from aetool.system.limits import Limits

if TYPE_CHECKING:
    from aetool.cli.options import ModelOptions
    from aetool.images.files import ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.model.keys import Key, Part
    from aetool.model.model import Model

MEAN = "mean:"


def open_keys(
    names: list[str],
    options: ModelOptions,
    limits: Limits,
    console: Console,
    target: Target | None = None,
    identity: str | None = None,
    whole: bool = False,
) -> tuple[Model, list[Part]]:
    """Return the model and the parts of all keys; latent files are read first, since latents may name the model.

    No key is replaced by `target`. `identity` names the model where neither keys nor -m name a model. A sheet among the
    keys stands for its tiles, unless `whole`.
    """
    from aetool.images.walk import Listing
    from aetool.model.keys import model_of, read_parts

    check_stdin(*(name.removeprefix(MEAN) for name in names))
    names, listing = [_existing(name) for name in names], Listing()
    for name in (name.removeprefix(MEAN) for name in names):
        if target is not None and name != "-" and not name.startswith(KEY_STARTS):
            target.add_input(name)
    parts = read_parts((key for name in names for key in _keys(name, limits)), limits, listing)
    tell(listing, console)
    model = open_model(options, console, limits, model_of(parts) or identity)
    _check(parts, model, console)
    return model, _taken_whole(parts) if whole else parts


def _existing(name: str) -> str:
    """Return a key with its file spelled as the file system has it."""
    from aetool.system.names import existing

    return MEAN + _existing(name.removeprefix(MEAN)) if name.startswith(MEAN) else existing(name)


def _taken_whole(parts: Iterable[Part]) -> list[Part]:
    from dataclasses import replace

    from aetool.images.files import ImageFile
    from aetool.model.keys import Mean

    whole: list[Part] = []
    for part in parts:
        if isinstance(part, Mean):
            whole.append(Mean(part.name, tuple(_taken_whole(part.of))))
        else:
            whole.append(replace(part, whole=True) if isinstance(part, ImageFile) else part)
    return whole


def key_latents(parts: list[Part], model: Model, console: Console) -> LatentBatch:
    """Return the latents of all keys; raises the error of the first unusable key, and tells of sheets and guesses."""
    from aetool.cli.failures import Failures
    from aetool.model.keys import joined, raise_first

    failures, found = Failures(console), []
    for batch in model.batches(parts):
        raise_first(batch.failures)
        failures.tell(batch.sheets)
        failures.guessed(batch.guesses)
        found.append(batch.value)
    return joined(found)


def _keys(name: str, limits: Limits) -> Iterable[Key]:
    """Return the keys of a name; - and open streams hold pictures or latents."""
    if name.startswith(MEAN):
        from aetool.model.keys import Mean

        return [Mean(name, tuple(_keys(name.removeprefix(MEAN), limits)))]
    if is_pipe(name):
        with open_input(name) as pipe:
            return list(_of_stream(pipe, name, os.path.basename(name), limits))  # noqa: PTH119
    return [name] if name != "-" else _of_stream(stdin(), name, "stdin", limits)


def _of_stream(stream: BinaryIO, name: str, file_name: str, limits: Limits) -> Iterable[Key]:
    """Return the latents or the pictures in a stream, told apart by its first bytes."""
    from aetool.latents.files import holds_latents, read_latents

    start: bytes = stream.peek(8)  # type: ignore[attr-defined]
    if not start or holds_latents(start):
        return list(read_latents(stream, file_name, None, limits))
    return _bounded(stdin_pictures(stream, name, file_name))


def _bounded(pictures: Iterable[ImageFile]) -> Iterator[ImageFile]:
    """Yield pictures of stdin, which are held all at once; raises `LimitExceeded` where they are too large together."""
    from aetool.system.reading import MAX_FILE

    size = 0
    for picture in pictures:
        size += len(picture.data or b"")
        if size > MAX_FILE:
            raise LimitExceeded(f"the pictures on stdin are larger than the {MAX_FILE >> 20} MiB accepted of keys")
        yield picture


def _check(parts: Iterable[Part], model: Model, console: Console) -> None:
    """Refuse latents of another model before any picture is encoded, and warn where latents name no model."""
    from aetool.cli.model import own_latents
    from aetool.latents.files import LatentBatch
    from aetool.model.keys import flat

    for _ in own_latents((part for part in flat(parts) if isinstance(part, LatentBatch)), model, console):
        pass
