"""The bundle: a folder with a trained model and its description.

    bundle.json    the manifest            encoder.onnx, decoder.onnx   the graphs
    bank.npz       latents of training images and their statistics
    SHA256SUMS     of the files above      README.md, samples.png   the model card and its picture, outside the sums

Every file is hashed before use, and exactly the hashed bytes are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aetool.arrays import OneLine
from aetool.bundle.address import called
from aetool.bundle.folder import check_sums, hashed, read_files
from aetool.bundle.lookup import default_path, find_path
from aetool.bundle.manifest import Manifest
from aetool.errors import BundleError, printable
from aetool.images.spec import ImageSpec

if TYPE_CHECKING:
    from aetool.latents.bank import Bank


@dataclass(frozen=True, eq=False, repr=False)
class Graphs(OneLine):
    """Encoder and decoder as ONNX graphs, for images of `spec` and latents of `latent_size` numbers."""

    encoder: bytes
    decoder: bytes
    spec: ImageSpec
    latent_size: int


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as read from its folder.

    name       what the folder is called, or the address of a model of a hub
    manifest   the content of bundle.json
    files      the hashed bytes of every listed file
    identity   first 16 hex digits of the sha256 of encoder.onnx followed by decoder.onnx
    """

    name: str
    manifest: Manifest
    files: Mapping[str, bytes]
    identity: str

    def __repr__(self) -> str:
        """Return one line."""
        shape = " x ".join(map(str, self.manifest.image.shape))
        size = sum(map(len, self.files.values()))
        latents = f"latents of {self.manifest.latent_size}"
        return f"<bundle {printable(self.name)} {self.identity}: images of {shape}, {latents}, {size:,} bytes>"

    @classmethod
    def find(cls, name: str | None = None) -> Bundle:
        """Read the model called `name`, or the default model of `default_path`; raises `BundleError`."""
        return cls.read(find_path(name) if name else default_path()[0])

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """Read the bundle in the folder `path` and check every byte of it; raises `BundleError`."""
        files, sums = read_files(path)
        expected, identity = hashed(files)
        check_sums(path, expected, sums)
        try:
            manifest = Manifest.from_json(files["bundle.json"])
        except BundleError as error:
            raise BundleError(f"the bundle {printable(str(path))} is refused: {error}") from error
        return cls(called(path), manifest, files, identity)

    @property
    def graphs(self) -> Graphs:
        """Encoder and decoder, with the sizes of their tensors."""
        m = self.manifest
        return Graphs(self.files["encoder.onnx"], self.files["decoder.onnx"], m.image, m.latent_size)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for workers, without the parsed bank."""
        return {name: value for name, value in self.__dict__.items() if name != "_bank"}

    def bank(self) -> Bank:
        """Return the bank of the bundle, parsed once; raises `BundleError`."""
        return self._bank

    @cached_property
    def _bank(self) -> Bank:
        from aetool.latents.bank_file import read_bank

        try:
            return read_bank(self.files["bank.npz"], self.manifest.classes, self.manifest.latent_size)
        except BundleError as error:
            raise BundleError(f"the bundle {printable(self.name)} is refused: {error}", error.fix) from error
