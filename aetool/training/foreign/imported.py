"""Import: the bundle of a stranger's pair of graphs, on images like those that the pair was made for."""

from __future__ import annotations

import contextlib
import hashlib
import math
import shlex
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from aetool.arrays import Images, to_images
from aetool.bundle.golden import golden_pictures
from aetool.bundle.manifest import Manifest
from aetool.choices import LAYOUTS
from aetool.errors import BundleError, UsageError, lookup
from aetool.runtime.codec import Codec
from aetool.system.paths import safe_name
from aetool.system.processes import all_cores
from aetool.system.progress import Report
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions
from aetool.training.data.settings import of_pictures
from aetool.training.export import parity
from aetool.training.export.assemble import Exported, bank_of, distortion_of, exported, finished, golden_values
from aetool.training.export.scoring import held_out
from aetool.training.export.write import Written, write_made
from aetool.training.foreign import forms, pair
from aetool.training.foreign.forms import Form, Scaling, Shape
from aetool.training.foreign.guessing import Guess, guess
from aetool.training.foreign.pair import Pair
from aetool.training.foreign.source import Source, read_source
from aetool.training.pca import pca_mse

BOUNDS = {"latents": 1e-5, "images": 1e-6, "reconstructions": 1e-4, "distortion": 1e-6}
"""Largest differences from the source, as those of `parity.BOUNDS`, on images clipped to [0, 1]."""
GUESSED = 64
"""Images by which range and layout are guessed."""
SEED = 0
"""The seed of the split and of the statistics."""


@dataclass(frozen=True)
class Ends:
    """What the user says of the images at the two ends of a pair; None is left to a guess.

    ranges      the range at the encoder and, if another, that at the decoder
    layout      a key of `LAYOUTS`
    mean, std   of images in [0, 1], in place of a range: one number, or one for each channel
    """

    ranges: tuple[str, ...] | None = None
    layout: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for names that there are not, and for a mean without a standard deviation."""
        if self.layout is not None:
            lookup(LAYOUTS, self.layout, "layout")
        for name in self.ranges or ():
            lookup(forms.RANGES, name, "range")
        if self.ranges is not None and len(self.ranges) not in (1, 2):
            raise UsageError("a range is one for both ends, or two: that of the encoder, then that of the decoder")
        if (self.mean is None) != (self.std is None) or (self.mean is not None and self.ranges is not None):
            raise UsageError("mean and standard deviation come together, and in place of a range")

    def scalings(self, channels: int) -> tuple[list[Scaling], list[Scaling]]:
        """Return the scalings at the encoder and at the decoder, one where it was said."""
        if self.mean is not None and self.std is not None:
            own = forms.of_statistics(self.mean, self.std, channels)
            return [own], [own, forms.of_range("0..1")]
        if self.ranges is not None:
            return [forms.of_range(self.ranges[0])], [forms.of_range(self.ranges[-1])]
        every = [forms.of_range(name) for name in forms.RANGES]
        return every, every


def import_graphs(
    encoder: str | Path,
    decoder: str | Path,
    data: str | Path,
    output: str | Path | None = None,
    ends: Ends | None = None,
    bank: bool = True,
    force: bool = False,
    progress: Report = lambda *_: None,
) -> Path:
    """Write the bundle of a stranger's encoder.onnx and decoder.onnx and return its folder.

    `data` are images like those that the pair was made for: the name of a data set, a folder or a file, as `train`
    takes it. The other words are those of `export`. Raises `BundleError` for graphs that cannot become a bundle, or
    whose bundle would not compute the same; nothing is written then.
    """
    written = write_import((encoder, decoder), str(data), output, ends or Ends(), bank, force, progress)
    for note in written.notes:
        warnings.warn(note, stacklevel=2)
    return written.path


def write_import(
    graphs: tuple[str | Path, str | Path],
    data: str,
    output: str | Path | None,
    ends: Ends,
    bank: bool,
    force: bool,
    progress: Report,
) -> Written:
    """Write a bundle as `import_graphs` does, and return its folder with what is to be said of it."""
    paths = Path(graphs[0]), Path(graphs[1])
    return write_made(lambda: make_import(paths, data, ends, bank, progress), output, bank, force)


def make_import(paths: tuple[Path, Path], data: str, ends: Ends, rows: bool, report: Report) -> Exported:
    """Return the bundle of the graphs in two files; raises as `import_graphs`."""
    encoder, decoder = read_source(paths[0], "encoder"), read_source(paths[1], "decoder")
    with _told_if_swapped(encoder, decoder):
        dataset = load(data, SEED, None, report, _options(encoder, data, ends), all_cores())
        shown = dataset.test.pixels if len(dataset.test.pixels) else dataset.train.pixels
        report("rewriting the graphs", 0, None, "")
        guessed, certain = _forms(encoder, decoder, ends, dataset.spec.shape, to_images(shown[:GUESSED]))
        graphs, layers = guessed.pair.rewritten(dataset.spec)
    report("comparing with the source", 0, None, "")
    images = to_images(shown[np.arange(sum(parity.batches_for(dataset.spec))) % len(shown)])
    both = "the imported graphs and the bundle"
    proof = parity.compared(guessed.pair.reference, Codec(graphs, "cpu"), [images], BOUNDS, both)
    report("encoding the images", 0, None, "")
    codec = Codec(graphs, "cpu")
    bank = bank_of(codec, dataset, SEED, rows)
    report("measuring", 0, None, "")
    floor = pca_mse(dataset.train.pixels, dataset.test.pixels, graphs.latent_size, SEED)
    manifest = Manifest(
        image=dataset.spec,
        latent_size=graphs.latent_size,
        classes=dataset.classes,
        architecture=_architecture(guessed.pair),
        layers=layers,
        dataset={"name": dataset.name, "sha256": dataset.sha256, "train": len(dataset.train.labels),
                 "test": len(dataset.test.labels)},
        training=_origin(paths, data, ends, guessed.pair),
        exported=datetime.now(UTC).isoformat(timespec="seconds"),
        distortion=distortion_of(codec, dataset, None if math.isnan(floor) else floor),
        parity=proof | {"images": "held-out" if len(dataset.test.pixels) else "training"},
        golden=golden_values(codec, bank.mean(None), bank.covariance(None), SEED),
        scoring=held_out(codec, bank, dataset.test.pixels),
        pictures=golden_pictures(dataset.spec) if of_pictures(data) else None,
    )  # fmt: skip
    bundle = finished(safe_name(dataset.name), graphs, bank, manifest)
    notes = () if certain else (guessed.told(min(GUESSED, len(shown))),)
    notes = (*notes, *_reservations(bundle.manifest, images))
    return exported(bundle, bundle.name, notes)


@contextlib.contextmanager
def _told_if_swapped(encoder: Source, decoder: Source) -> Iterator[None]:
    """Ask for the order of the files where a pair is refused whose encoder enlarges and whose decoder does not."""
    try:
        yield
    except BundleError as error:
        larger, again = encoder.grows(), decoder.grows()
        if larger is not False and again is not True and (larger or again is False):
            raise BundleError(str(error), fix="swapped") from error
        raise


def _options(encoder: Source, data: str, ends: Ends) -> FolderOptions:
    """Return how the pictures of a folder are prepared: with the channels and sides that the encoder takes."""
    if not of_pictures(data):
        return FolderOptions(layout=None)
    dims = encoder.input.dims[1:]
    flat = forms.square(dims[0]) if len(dims) == 1 else None
    found: tuple[int | None, ...] = flat or next((shape for _, shape in forms.shapes_of(dims, ends.layout)), ())
    if len(dims) == 1 and flat is None:
        raise BundleError(f"the encoder takes {dims[0] or 'any count of'} numbers, of no square image", fix="flat")
    if not found:
        shown = " x ".join("?" if size is None else str(size) for size in dims)
        raise BundleError(f"the encoder takes {shown or 'no declared sizes'}, and images have channels and two sides")
    channels, height, width = found
    return FolderOptions(channels, (height, width) if height and width else None)


def _forms(encoder: Source, decoder: Source, ends: Ends, shape: Shape, images: Images) -> tuple[Guess, bool]:
    """Return the pair with its forms, guessed where the user does not say them, and whether nothing was guessed.

    The graphs are rewritten before they are run, so that only graphs of allowed operators are run.
    """
    inner_scalings, outer_scalings = ends.scalings(shape[0])
    dims = encoder.input.dims[1:]
    layouts = forms.layouts_for(dims, shape, ends.layout, "encoder")
    inner = [
        Form(shape, scaling, layout, _sizes(dims, shape, layout)) for scaling in inner_scalings for layout in layouts
    ]
    first = pair.rewritten_encoder(encoder, inner[0])
    given = pair.latent_sizes(decoder, first.sizes)
    second = pair.rewritten_decoder(decoder, given, None)
    layouts = forms.layouts_for(second.sizes, shape, ends.layout, "decoder")
    outer = [Form(shape, scaling, layout, second.sizes) for scaling in outer_scalings for layout in layouts]
    whole = Pair(encoder, decoder, (inner[0], outer[0]), (first.batch, second.batch), given)
    return guess(whole, inner, outer, images), len(inner) == len(outer) == 1


def _sizes(dims: Sequence[int | None], shape: Shape, layout: str) -> tuple[int, ...]:
    """Return the sizes of an item that holds images of a shape in a layout, as flat as declared."""
    if len(dims) == 1:
        return (math.prod(shape),)
    if len(dims) == 2:
        return shape[1:]
    return shape if layout == "nchw" else (*shape[1:], shape[0])


def _architecture(both: Pair) -> dict[str, Any]:
    inner, outer = map(str, both.forms)
    return {"name": "imported", "options": {"made by": both.encoder.made_by, "images in": inner, "images out": outer}}


def _origin(paths: tuple[Path, Path], data: str, ends: Ends, both: Pair) -> dict[str, Any]:
    """Return where a bundle comes from, in the place of a training: the command and the sha256 of the source."""
    words = [*(path.name for path in paths), "--data", data if not Path(data).exists() else Path(data).name]
    inner, outer = (form.scaling.name for form in both.forms)
    if ends.mean is not None and ends.std is not None:
        words += [f"--mean={','.join(map(str, ends.mean))}", f"--std={','.join(map(str, ends.std))}"]
    else:
        words.append(f"--range={inner}" if inner == outer else f"--range={inner},{outer}")
    if both.forms[0].layout == both.forms[1].layout and both.forms[0].shape[0] > 1:
        words += ["--layout", both.forms[0].layout]
    digests = {one.part: hashlib.sha256(one.data).hexdigest() for one in (both.encoder, both.decoder)}
    return {
        "command": f"aetool import {shlex.join(words)}", "epochs": 0, "steps": 0, "batch_size": 1, "seconds": 0.0,
        "seed": SEED, "imported": {"made_by": both.encoder.made_by, "sha256": digests},
    }  # fmt: skip


def _reservations(manifest: Manifest, images: Images) -> list[str]:
    """Return what a user should know before trusting the model."""
    test = manifest.distortion["test"]
    blank = float(images.var(axis=0).mean())
    if test is None:
        return ["no image of the data is held out: score will not work"]
    if test > blank:
        return [
            f"the mse of {test:.2g} is larger than that of one mean image, {blank:.2g}: data, range or layout differ"
        ]
    return []
