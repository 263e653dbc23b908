"""Pictures: images that a model made, with their latents, shown as a sheet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from aetool.arrays import Latents, Pixels
from aetool.choices import LATENT_SUFFIXES
from aetool.images.encode import encode_picture
from aetool.images.folder import picture_folder
from aetool.images.layout import Layout, encode_pictures, sheet_of
from aetool.images.sheet import to_pil
from aetool.latents.files import LatentBatch, write_latents
from aetool.system.atomic import flushing, write_file


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images that a model made.

    pixels   uint8 (n, c, h, w)
    batch    the n latents with their names and classes
    layout   rows of the sheet
    seed     seed of the random numbers, None where none were drawn
    """

    pixels: Pixels
    batch: LatentBatch
    layout: Layout = field(default_factory=Layout)
    seed: int | None = None

    @property
    def latents(self) -> Latents:
        """The latents, float32 (n, k)."""
        return self.batch.latents

    @property
    def names(self) -> tuple[str, ...]:
        """The n names that the files of a folder get."""
        return self.batch.titles

    def __len__(self) -> int:
        """Return n."""
        return len(self.pixels)

    def __getitem__(self, number: int) -> Image.Image:
        """Return picture `number` as a Pillow image at its own size."""
        return to_pil(self.pixels[number])

    def __repr__(self) -> str:
        """Return one line."""
        n, *shape = self.pixels.shape
        seeded = "" if self.seed is None else f", seed {self.seed}"
        return f"<{n} pictures of {' x '.join(map(str, shape))}{seeded}>"

    def _repr_png_(self) -> bytes:
        """Return the sheet as PNG: notebooks show it."""
        return encode_picture(sheet_of(self.pixels, self.layout))

    def sheet(self) -> Image.Image:
        """Return all pictures in one, laid out in rows."""
        return to_pil(sheet_of(self.pixels, self.layout))

    def save(self, path: str | Path) -> None:
        """Write a sheet (.png, .jpg), an animation (.gif, .webp, .apng), latents (.jsonl, .npz, .npy) or a folder.

        The bytes are those of the command with --no-metadata. A path without a known suffix is a folder of PNG files.
        Raises `ReadWriteError`, `LimitExceeded`.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix in LATENT_SUFFIXES:
            write_latents(target, [self.batch], self.latents.shape[1])
        elif suffix:
            write_file(target, encode_pictures(self.pixels, suffix, self.layout))
        else:
            with flushing(target), picture_folder(target, b"") as (place, write):
                write(self.pixels, [place(name) for name in self.names])
