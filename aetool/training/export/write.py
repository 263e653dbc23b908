"""Export: the bundle of a training run, written to a folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aetool.bundle.about import About, about
from aetool.bundle.card import card
from aetool.bundle.folder import check_free, write
from aetool.errors import ReadWriteError, UsageError, lookup
from aetool.system.paths import numbered
from aetool.system.progress import Report
from aetool.training import run_folder
from aetool.training.export.assemble import Exported
from aetool.training.export.run import make_bundle
from aetool.training.export.weights import KINDS


@dataclass(frozen=True)
class Written:
    """A written bundle: its folder, and sentences for the user."""

    path: Path
    notes: tuple[str, ...]


def export(
    run: str | Path | None = None,
    output: str | Path | None = None,
    bank: bool = True,
    force: bool = False,
    data: str | Path | None = None,
    progress: Report = lambda *_: None,
    weights: str = "float32",
    license: str | None = None,
    author: str | None = None,
    description: str | None = None,
    map: bool = False,
) -> Path:
    """Write the bundle of a run, the newest by default, and return its folder: `output`, or a free models/NAME.

    Without `bank` the bundle holds no latents of training images; `force` replaces a bundle at `output`; `data` is the
    present place of the run's images, if these were moved; `weights` is float32, or float16 for half the bytes.
    Licence, author and description are for the card (see `About`); `map` asks for the map of `aetool explore` also
    where it takes long, of more than 2,000 latents. Raises `BundleError` where torch and ONNX Runtime differ, or
    float16 changes the pictures, `InvalidInput` where no image of the run is found, `UsageError`.
    """
    said = about(license, author, description)
    written = write_bundle(run, output, bank, force, data, progress, weights, said, map)
    for note in written.notes:
        warnings.warn(note, stacklevel=2)
    return written.path


def write_bundle(
    run: str | Path | None,
    output: str | Path | None,
    bank: bool,
    force: bool,
    data: str | Path | None,
    progress: Report,
    weights: str,
    said: About | None = None,
    placed: bool = False,
) -> Written:
    """Write a bundle as `export` does, and return its folder with what is to be said of it."""
    lookup(dict.fromkeys(KINDS), weights, "kind of weights")
    if placed and not bank:
        raise UsageError("a map is of the latents that a bundle without a bank leaves out", fix="no-map")
    found = run_folder.find(None if run is None else str(run), trained=True)
    place = None if data is None else str(data)
    made = partial(make_bundle, found, bank, place, progress, kind=weights, about=said, placed=placed)
    return write_made(made, output, bank, force)


def write_made(make: Callable[[], Exported], output: str | Path | None, bank: bool, force: bool) -> Written:
    """Write the bundle that `make` returns to `output`, or to a free models/NAME, after a look whether that is free."""
    if str(output) == "-":
        raise UsageError("a bundle is a folder, and stdout takes none; name a folder")
    path = None if output is None else Path(output)
    if path is not None:
        check_free(path, force)
    made = make()
    if path is None:
        return Written(_write_new(made, bank), made.notes)
    try:
        _write(made, path, bank, force)
    except ReadWriteError:
        check_free(path, force)  # another export may have been faster
        raise
    return Written(path, made.notes)


def _write_new(made: Exported, bank: bool) -> Path:
    """Write a bundle to the first free models/NAME, also if other processes do so at the same time."""
    for path in numbered(Path("models"), made.name):
        if not os.path.lexists(path):
            try:
                _write(made, path, bank, force=False)
                return path
            except ReadWriteError:
                if not path.exists():
                    raise
    raise AssertionError("the numbers do not end")


def _write(made: Exported, path: Path, bank: bool, force: bool) -> None:
    text = card(path.name, made.identity, made.manifest, bank, made.counts, made.samples is not None)
    write(path, made.files, text, force, made.samples)
