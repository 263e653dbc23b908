"""The lookup of bundles by name: a folder, ./models, a shipped bundle, or an address on a hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aetool import choices
from aetool.bundle.address import cached, is_address, kept
from aetool.bundle.folder import MAX_BYTES, identity
from aetool.errors import AetoolError, BundleError, did_you_mean, printable, some
from aetool.system.names import existing
from aetool.system.progress import Report
from aetool.system.reading import read_own

SHIPPED = tuple(choices.SHIPPED)
"""Names of the shipped bundles."""


def find_path(name: str, report: Report = lambda *_: None, offline: bool = False) -> Path:
    """Return the folder of the model `name`: a folder with a bundle.json, ./models/NAME, or a shipped NAME.

    A name that begins with "hf:" is an address on a hub, downloaded if need be; with `offline`, or where
    $HF_HUB_OFFLINE asks for it, it is looked for in the cache alone. Raises `BundleError`, for addresses also
    `UsageError` and `ReadWriteError`.
    """
    if is_address(name):
        if offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            return kept(name)
        from aetool.bundle.hub import located  # imports what reaches a network

        return located(name, report)
    for path in (Path(existing(name)), Path(existing(os.path.join("models", name)))):  # noqa: PTH118
        if os.path.isfile(path / "bundle.json"):  # noqa: PTH113 (which raises where it may not look)
            return path
    if name in SHIPPED:
        return shipped_path(name)
    known = list(dict.fromkeys(path.name for path in candidates()))  # one of ours may lie in ./models too
    there = f"there is {some(known)}" if known else "make one with: aetool train && aetool export"
    raise BundleError(f'no model "{printable(name)}"{did_you_mean(name, known)}; {there}')


def shipped_path(name: str) -> Path:
    """Return where a shipped bundle is: inside the installed package, else in the checkout."""
    installed = Path(__file__).parents[1] / "models" / name
    return installed if installed.is_dir() else Path(__file__).parents[2] / "models" / name


def own_models() -> list[Path]:
    """Return the bundles under ./models, except shipped bundles, by name."""
    shipped = {shipped_path(name).resolve() for name in SHIPPED}
    try:
        return sorted(p.parent for p in Path("models").glob("*/bundle.json") if p.parent.resolve() not in shipped)
    except OSError:
        return []


def candidates() -> list[Path]:
    """Return all models with a name: own models under ./models, then the shipped models."""
    shipped = [shipped_path(name) for name in SHIPPED]
    return own_models() + [path for path in shipped if (path / "bundle.json").is_file()]


def default_path(report: Report = lambda *_: None, offline: bool = False) -> tuple[Path, str]:
    """Return the folder of the default model, and the reason for the choice.

    $AETOOL_MODEL, else the newest own model under ./models by export time, else the shipped mnist.
    Raises as `find_path`.
    """
    named = os.environ.get("AETOOL_MODEL")
    if named:
        try:
            return find_path(named, report, offline), "from $AETOOL_MODEL"
        except AetoolError as error:
            raise type(error)(f"$AETOOL_MODEL: {error}", error.fix) from error
    dated = sorted(_dated(own_models()))
    return (dated[-1][1], "the newest under ./models") if dated else (find_path("mnist"), "the shipped model")


def _dated(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the export time of each bundle whose manifest can be read."""
    from aetool.bundle.manifest import Manifest  # imports NumPy, which completion does without

    for path in paths:
        try:
            yield Manifest.from_json(read_own(path / "bundle.json", MAX_BYTES["bundle.json"]) or b"").exported, path
        except (OSError, BundleError):
            continue


def find_identity(wanted: str) -> Path | None:
    """Return the folder of the model with the given identity, None for an unknown identity.

    Models of a hub are found too where they are in the cache: latents never use a network.
    """
    for path in [*candidates(), *cached()]:
        try:
            graphs = {name: read_own(path / name, MAX_BYTES[name]) or b"" for name in ("encoder.onnx", "decoder.onnx")}
        except OSError:
            continue
        if identity(graphs) == wanted:
            return path
    return None
