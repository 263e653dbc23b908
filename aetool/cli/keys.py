"""Keys of a command: images, folders, latent files, classes and stdin, read as far as possible without a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aetool.cli.console import Console
from aetool.cli.inputs import stdin
from aetool.cli.listing import tell
from aetool.cli.model import open_model
from aetool.cli.target import Target
from aetool.system.limits import Limits

if TYPE_CHECKING:
    from aetool.cli.options import ModelOptions
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
) -> tuple[Model, list[Part]]:
    """Return the model and the parts of all keys; latent files are read first, since latents may name the model.

    No key is replaced by `target`. `identity` names the model where neither keys nor -m name a model.
    """
    from aetool.images.walk import Listing
    from aetool.model.keys import model_of, read_parts
    from aetool.system.names import existing

    names, listing = [existing(name) for name in names], Listing()
    for name in names:
        if target is not None and name != "-" and not name.startswith(CLASS):
            target.add_input(name)
    parts = read_parts((key for name in names for key in _keys(name, limits)), limits, listing)
    tell(listing, console)
    model = open_model(options, console, limits, model_of(parts) or identity)
    _check(parts, model, console)
    return model, parts


def _keys(name: str, limits: Limits) -> Iterable[Key]:
    """Return the keys of a name; - is a picture or latents from stdin."""
    if name != "-":
        return [name]
    from aetool.images.files import ImageFile
    from aetool.latents.files import holds_latents, read_latents

    start: bytes = stdin().peek(8)  # type: ignore[attr-defined]
    if not start or holds_latents(start):
        return list(read_latents(stdin(), "stdin", None, limits))
    return [ImageFile("-", "stdin", data=stdin().read())]


def _check(parts: Iterable[Part], model: Model, console: Console) -> None:
    """Refuse latents of another model before any picture is encoded, and warn where latents name no model."""
    from aetool.cli.model import own_latents
    from aetool.latents.files import LatentBatch

    for _ in own_latents((part for part in parts if isinstance(part, LatentBatch)), model, console):
        pass
