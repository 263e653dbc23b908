"""Bundles: a folder that holds a trained model and everything said about it; found, read, verified, written.

    bundle.json    the manifest            encoder.onnx, decoder.onnx   the graphs
    bank.npz       latents of training images and their statistics
    SHA256SUMS     of the files above      README.md   the model card, outside the sums

Nothing is loaded before every file has been hashed, and what is loaded is the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aetool.errors import BundleError, LimitExceeded, UsageError, did_you_mean, printable, reason
from aetool.latents.bank import Bank, read_bank
from aetool.manifest import Manifest
from aetool.system.atomic import write_folder
from aetool.system.reading import read_own

FILES = ("bank.npz", "bundle.json", "decoder.onnx", "encoder.onnx")
SUMS = "SHA256SUMS"
CARD = "README.md"
SHIPPED = ("mnist", "sign_digits")
"""Names of the bundles that come with aetool."""
MAX_BYTES = {
    "bank.npz": 3 << 27, "bundle.json": 1 << 23, "decoder.onnx": 1 << 27, "encoder.onnx": 1 << 27, SUMS: 1 << 10,
}  # fmt: skip
"""Bytes of the largest file of each name: what is read of a stranger's bundle stays below 1 GiB."""


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
        files, sums = _read_files(path)
        _check_sums(path, files, sums)
        try:
            manifest = Manifest.from_json(files["bundle.json"])
        except BundleError as error:
            raise BundleError(f"the bundle {printable(str(path))} is refused: {error}") from error
        return cls(path.name if path.name not in ("", "..") else path.resolve().name, manifest, files, identity(files))

    def bank(self) -> Bank:
        """Return the bank of the bundle; raises `BundleError`."""
        return read_bank(self.files["bank.npz"], self.manifest.classes, self.manifest.latent_size)


def identity(files: Mapping[str, bytes]) -> str:
    """Return the identity of the model whose graphs are among `files`."""
    digest = hashlib.sha256(files["encoder.onnx"])
    digest.update(files["decoder.onnx"])
    return digest.hexdigest()[:16]


def canonical_sums(files: Mapping[str, bytes]) -> bytes:
    """Return SHA256SUMS of `files`: one line each as sha256sum writes it, in the order of their names."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def write(path: Path, files: Mapping[str, bytes], card: str, replace: bool) -> None:
    """Write a bundle to the folder `path`, whole or not at all; raises `ReadWriteError`, `LimitExceeded`."""
    for name, data in files.items():
        if len(data) > MAX_BYTES[name]:
            raise LimitExceeded(f"{name} of this bundle would be {len(data) >> 20} MiB, over {MAX_BYTES[name] >> 20}")
    write_folder(path, {**files, SUMS: canonical_sums(files), CARD: card.encode("utf-8", "backslashreplace")}, replace)


def _read_files(path: Path) -> tuple[dict[str, bytes], bytes]:
    """Return the listed files and SHA256SUMS; refuses a missing, an extra or a too large one."""
    wanted = {*FILES, SUMS}
    try:
        found = {entry.name for entry in os.scandir(path) if not entry.name.startswith(".")} - {CARD}
        _refuse(path, wanted - found, "is missing")
        _refuse(path, found - wanted, "does not belong there")
        contents = {name: read_own(path / name, MAX_BYTES[name]) for name in sorted(wanted)}
        _refuse(path, {name for name in wanted if contents[name] is None}, "is no file of acceptable size")
        files = {name: data for name, data in contents.items() if data is not None}
        return files, files.pop(SUMS)
    except OSError as error:
        raise BundleError(f"the bundle {printable(str(path))} cannot be read: {reason(error)}") from error


def _refuse(path: Path, names: set[str], fault: str) -> None:
    if names:
        shown = printable(", ".join(sorted(names)[:5])) + (" and more" if len(names) > 5 else "")
        raise BundleError(f"the bundle {printable(str(path))} is refused: {shown} {fault}; get or export it anew")


def _check_sums(path: Path, files: Mapping[str, bytes], sums: bytes) -> None:
    expected = canonical_sums(files)
    if sums != expected:
        lines = set(sums.splitlines())
        changed = {line.split(b"  ")[1].decode() for line in expected.splitlines() if line not in lines}
        _refuse(path, changed or {SUMS}, "is not what SHA256SUMS says" if changed else "is not in canonical form")


def find_path(name: str) -> Path:
    """Return the folder of the model `name`: a folder with a bundle.json, ./models/NAME, or a shipped NAME."""
    for path in (Path(name), Path("models") / name):
        if os.path.isfile(path / "bundle.json"):  # noqa: PTH113 (which raises where it may not look)
            return path
    if name in SHIPPED:
        return shipped_path(name)
    known = list(dict.fromkeys(path.name for path in candidates()))  # one of ours may lie in ./models too
    there = f"there is {', '.join(known)}" if known else "make one with: aetool train && aetool export"
    raise BundleError(f"no model «{printable(name)}»{did_you_mean(name, known)}; {there}")


def shipped_path(name: str) -> Path:
    """Return where a shipped bundle is: inside the installed package, else in the checkout."""
    installed = Path(__file__).parent / "models" / name
    return installed if installed.is_dir() else Path(__file__).parents[1] / "models" / name


def own_models() -> list[Path]:
    """Return the bundles under ./models that are not the shipped ones, by name."""
    shipped = {shipped_path(name).resolve() for name in SHIPPED}
    try:
        return sorted(p.parent for p in Path("models").glob("*/bundle.json") if p.parent.resolve() not in shipped)
    except OSError:
        return []


def candidates() -> list[Path]:
    """Return every model that can be found without a path: own ones under ./models, then the shipped."""
    shipped = [shipped_path(name) for name in SHIPPED]
    return own_models() + [path for path in shipped if (path / "bundle.json").is_file()]


def default_path() -> tuple[Path, str]:
    """Return the folder of the model to use where none was named, and why it is that one.

    $AETOOL_MODEL, else the newest own one under ./models by export time, else the shipped mnist. Raises `BundleError`.
    """
    named = os.environ.get("AETOOL_MODEL")
    if named:
        try:
            return find_path(named), "from $AETOOL_MODEL"
        except BundleError as error:
            raise BundleError(f"$AETOOL_MODEL: {error}") from error
    dated = sorted(_dated(own_models()))
    return (dated[-1][1], "the newest under ./models") if dated else (find_path("mnist"), "the shipped model")


def _dated(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the export time of each bundle whose manifest can be read."""
    for path in paths:
        try:
            yield Manifest.from_json(read_own(path / "bundle.json", MAX_BYTES["bundle.json"]) or b"").exported, path
        except (OSError, BundleError):
            continue


def find_identity(wanted: str) -> Path | None:
    """Return the folder of the model with this identity, if it can be found."""
    for path in candidates():
        try:
            graphs = {name: read_own(path / name, MAX_BYTES[name]) or b"" for name in ("encoder.onnx", "decoder.onnx")}
        except OSError:
            continue
        if identity(graphs) == wanted:
            return path
    return None


def check_free(path: Path, force: bool) -> None:
    """Raise `UsageError` where exporting to `path` would replace something that may not be replaced."""
    known = {*FILES, SUMS, CARD}
    if path.exists() and not (
        (path / "bundle.json").is_file() and {e.name for e in path.iterdir() if e.name[0] != "."} <= known
    ):
        raise UsageError(f"{printable(str(path))} exists and is no bundle; choose another -o")
    if path.exists() and not force:
        raise UsageError(f"{printable(str(path))} exists; choose another -o, or replace it with --force")
