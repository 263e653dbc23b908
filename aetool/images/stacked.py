"""Images of stacks among picture files: each is read as if it were a file, named NAME[0], NAME[1] and so on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aetool.arrays import OneLine, Pixels
from aetool.errors import AetoolError, InvalidInput
from aetool.images.decode import decode_picture, failure_of
from aetool.images.scaled import scaled
from aetool.images.sheet import to_pil
from aetool.images.spec import PICTURED, ImageSpec
from aetool.images.stacks import STARTS, Stack, holds_stack, open_stack
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import composed
from aetool.system.paths import digits

if TYPE_CHECKING:
    from aetool.images.files import ImageFile


@dataclass(frozen=True, eq=False, repr=False)
class Stacked(OneLine):
    """An image of a stack, uint8 (c, h, w), or the error of a stack that cannot be used; `note` as of `Stack`."""

    pixels: Pixels | AetoolError
    note: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return 0 if isinstance(self.pixels, AetoolError) else self.pixels.nbytes


def unstacked(
    files: Iterable[ImageFile], spec: ImageSpec, limits: Limits = LIMITS, layout: str | None = None
) -> Iterator[ImageFile]:
    """Yield picture files for a model with `spec`; in place of a stack each of its images, or its error.

    A stack is a file named by the user that ends with .npz or .npy, or the bytes of one. `layout` is that of
    `open_stack`.
    """
    for file in files:
        is_stack = file.data.startswith(STARTS) if file.data is not None else file.named and holds_stack(file.path)
        if not is_stack:
            yield file
            continue
        try:
            yield from _images(file, spec, limits, layout)
        except Exception as error:  # of whatever kind: one input never stops the others
            yield replace(file, data=None, stacked=Stacked(failure_of(error)))


def _images(file: ImageFile, spec: ImageSpec, limits: Limits, layout: str | None) -> Iterator[ImageFile]:
    source = file.path if file.data is None else file.data
    channels = None if spec.channels in PICTURED else spec.channels
    with open_stack(source, limits, layout, channels, name=file.path) as stack:
        if channels is None and stack.shape[1] not in PICTURED:
            raise InvalidInput(f"images of {stack.shape[1]} channels, where {spec.channels} are expected")
        labels = label_names(stack)
        stem, width, number = os.path.splitext(file.relative)[0], digits(len(stack)), 0  # noqa: PTH122
        for block in stack.blocks():
            for pixels in block:
                named = f"{file.path}[{number}]", f"{stem}-{number:0{width}}", labels[number] if labels else None
                path, relative, label = named
                image = Stacked(pixels, None if number else stack.note)
                yield replace(file, path=path, relative=relative, label=label, data=None, stacked=image)
                number += 1


def label_names(stack: Stack) -> list[str] | None:
    """Return the class of each image by its label, None for a stack without labels; raises `InvalidInput`."""
    labels = stack.labels
    if labels is None:
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS" or len(labels) != len(stack):
        raise InvalidInput(f"the labels in {stack.name} must be one whole number or text an image")
    try:
        return [composed(one.decode() if isinstance(one, bytes) else str(one)) for one in labels.tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the labels in {stack.name} are no UTF-8") from error


def prepared(stacked: Stacked, spec: ImageSpec, limits: Limits) -> Pixels:
    """Return an image of a stack as uint8 (c, h, w) of `spec`, prepared as a picture; raises the error of the stack."""
    pixels = stacked.pixels
    if isinstance(pixels, AetoolError):
        raise pixels
    if pixels.shape == spec.shape:
        return pixels
    if spec.channels in PICTURED and len(pixels) in PICTURED:
        return decode_picture(to_pil(pixels), spec, limits)
    return fitted(pixels, spec)


def fitted(bands: Pixels, spec: ImageSpec) -> Pixels:
    """Return bands (c, h, w) scaled and cropped to the size of `spec`; raises `InvalidInput` for another c."""
    if len(bands) != spec.channels:
        raise InvalidInput(f"an image of {len(bands)} channels, where {spec.channels} are expected")
    if bands.shape == spec.shape:
        return bands
    return np.stack([np.asarray(scaled(Image.fromarray(band), spec)) for band in bands])
