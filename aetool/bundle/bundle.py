"""Bundles: a folder that holds a trained model and everything said about it.

    bundle.json    the manifest            encoder.onnx, decoder.onnx   the graphs
    bank.npz       latents of training images and their statistics
    SHA256SUMS     of the files above      README.md   the model card, outside the sums

Nothing is loaded before every file has been hashed, and what is loaded is the bytes that were hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aetool.bundle.folder import check_sums, identity, read_files
from aetool.bundle.lookup import default_path, find_path
from aetool.bundle.manifest import Manifest
from aetool.errors import BundleError, printable
from aetool.latents.bank import Bank, read_bank


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as read from its folder.

    name       what the folder is called
    manifest   what bundle.json says
    files      the bytes of every listed file, as they were hashed
    identity   first 16 hex digits of the sha256 of encoder.onnx followed by decoder.onnx
    """

    name: str
    manifest: Manifest
    files: Mapping[str, bytes]
    identity: str

    @classmethod
    def find(cls, name: str | None = None) -> Bundle:
        """Read the model called `name`, or the one that `default_path` chooses; raises `BundleError`."""
        return cls.read(find_path(name) if name else default_path()[0])

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """Read the bundle in the folder `path` and check every byte of it; raises `BundleError`."""
        files, sums = read_files(path)
        check_sums(path, files, sums)
        try:
            manifest = Manifest.from_json(files["bundle.json"])
        except BundleError as error:
            raise BundleError(f"the bundle {printable(str(path))} is refused: {error}") from error
        return cls(path.name if path.name not in ("", "..") else path.resolve().name, manifest, files, identity(files))

    def bank(self) -> Bank:
        """Return the bank of the bundle; raises `BundleError`."""
        return read_bank(self.files["bank.npz"], self.manifest.classes, self.manifest.latent_size)
