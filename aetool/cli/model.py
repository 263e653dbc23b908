"""The model of a command: the model of -m, or a default, named on stderr."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aetool.cli.console import Console
from aetool.system.limits import LIMITS, Limits

if TYPE_CHECKING:
    from pathlib import Path

    from aetool.bundle.bundle import Bundle
    from aetool.cli.options import ModelOptions
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model
    from aetool.runtime.codec import Codec


def choose_path(name: str | None, console: Console, identity: str | None = None, flag: str = "-m") -> Path:
    """Return the folder of the model `name`, else of $AETOOL_MODEL, of the latents, the newest, or the shipped one.

    `identity` is the identity of the model in the latents. A choice that the user did not make is printed on stderr.
    """
    from aetool.bundle.address import called
    from aetool.bundle.lookup import default_path, find_identity

    if name or os.environ.get("AETOOL_MODEL"):
        return named_path(name, console)
    path = None
    if identity:
        path, why = find_identity(identity), "named by the latents"
    if path is None:
        path, why = default_path()
    console.note(f"model {called(path)}, {why}; {flag} chooses another")
    return path


def named_path(name: str | None, console: Console) -> Path:
    """Return the folder of the model `name`, None for that of $AETOOL_MODEL; tells and shows a download."""
    from aetool.bundle.lookup import default_path, find_path

    with console.stages() as stages:

        def report(title: str, done: int, total: int | None, text: str) -> None:
            if text:
                stages(title, done, total, text)
            else:  # a sentence, and no work that a bar would show
                console.note(title)

        return find_path(name, report) if name else default_path(report)[0]


def choose_bundle(name: str | None, console: Console, identity: str | None = None) -> Bundle:
    """Read the bundle of the model from `choose_path`."""
    from aetool.bundle.bundle import Bundle

    return Bundle.read(choose_path(name, console, identity))


def open_model(options: ModelOptions, console: Console, limits: Limits = LIMITS, identity: str | None = None) -> Model:
    """Return the model of the options."""
    from aetool.model.model import Model

    bundle = choose_bundle(options.model, console, identity)
    model = Model(bundle, options.device, options.threads, limits)
    note_device(model.codec, console)
    return model


def open_codec(bundle: Bundle, device: str, threads: int, console: Console) -> Codec:
    """Return the codec of a bundle on a device."""
    from aetool.runtime.codec import Codec

    codec = Codec(bundle, device, threads)
    note_device(codec, console)
    return codec


def note_device(codec: Codec, console: Console) -> None:
    """Say that a device is slow that was chosen for other reasons."""
    from aetool.runtime.devices import NUMPY

    if codec.device == NUMPY:
        console.note("NumPy computes the graphs, 2 to 7 times slower than ONNX Runtime")


def first_model(batches: Iterable[LatentBatch]) -> tuple[str | None, Iterator[LatentBatch]]:
    """Return the model identity of the first latents, and all batches."""
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        return None, iter(())
    return first.model, itertools.chain([first], iterator)


def own_latents(batches: Iterable[LatentBatch], model: Model, console: Console) -> Iterator[LatentBatch]:
    """Yield latents of the model; warns about latents without a model, raises `InvalidInput` for another model."""
    warned = False
    for batch in model.own(batches):
        if batch.model is None and not warned:
            console.warn(f"these latents do not say which model made them; taken as {model.bundle.name}'s")
            warned = True
        yield batch
