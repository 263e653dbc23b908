"""Keys of a command: images, folders, latent files, classes and stdin, read as far as possible without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from aetool.cli.console import Console
from aetool.cli.inputs import stdin_pictures
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

CLASS = "class:"


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
    from aetool.model.keys import model_of, read_parts

    check_stdin(*names)
    for name in names:
        if target is not None and name != "-" and not name.startswith(CLASS):
            target.add_input(name)
    parts = read_parts((key for name in names for key in _keys(name, limits)), limits)
    model = open_model(options, console, limits, model_of(parts) or identity)
    _check(parts, model, console)
    return model, _taken_whole(parts) if whole else parts


def _taken_whole(parts: Iterable[Part]) -> list[Part]:
    from dataclasses import replace

    from aetool.images.files import ImageFile

    return [replace(part, whole=True) if isinstance(part, ImageFile) else part for part in parts]


def key_latents(parts: list[Part], model: Model, console: Console) -> LatentBatch:
    """Return the latents of all keys; raises the error of the first unusable key, and tells of sheets."""
    from aetool.cli.failures import Failures
    from aetool.model.keys import joined, raise_first

    failures, found = Failures(console), []
    for batch in model.batches(parts):
        raise_first(batch.failures)
        failures.tell(batch.sheets)
        found.append(batch.value)
    return joined(found)


def _keys(name: str, limits: Limits) -> Iterable[Key]:
    """Return the keys of a name; - is a picture or latents from stdin."""
    if name != "-":
        return [name]
    from aetool.latents.files import read_latents

    stream = stdin()
    if _holds_latents(stream):
        return list(read_latents(stream, "stdin", None, limits))
    return _bounded(stdin_pictures(stream))


def _bounded(pictures: Iterable[ImageFile]) -> Iterator[ImageFile]:
    """Yield pictures of stdin, which are held all at once; raises `LimitExceeded` where they are too large together."""
    from aetool.system.reading import MAX_FILE

    size = 0
    for picture in pictures:
        size += len(picture.data or b"")
        if size > MAX_FILE:
            raise LimitExceeded(f"the pictures on stdin are larger than the {MAX_FILE >> 20} MiB accepted of keys")
        yield picture


def _holds_latents(stream: IO[bytes]) -> bool:
    """Return whether a stream starts like latents (JSON, .npz, .npy, or nothing at all), without reading from it."""
    start: bytes = stream.peek(8)  # type: ignore[attr-defined]
    return start.lstrip()[:1] in (b"{", b"[", b"") or start.startswith((b"PK", b"\x93NUMPY"))


def _check(parts: Iterable[Part], model: Model, console: Console) -> None:
    """Refuse latents of another model before any picture is encoded, and warn where latents name no model."""
    from aetool.cli.model import own_latents
    from aetool.latents.files import LatentBatch

    for _ in own_latents((part for part in parts if isinstance(part, LatentBatch)), model, console):
        pass
