"""The folder of a bundle: its files and their sums, read whole, checked, and written whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Thread

from aetool.bundle.address import called, is_address
from aetool.errors import BundleError, LimitExceeded, UsageError, printable, reason
from aetool.system.atomic import write_folder
from aetool.system.reading import read_own

FILES = ("bank.npz", "bundle.json", "decoder.onnx", "encoder.onnx")
SUMS = "SHA256SUMS"
CARD = "README.md"
SAMPLES = "samples.png"
"""A picture for the card, as optional as the card; no command reads either."""
SAMPLES_BYTES = 1 << 21
LINKED = "is a link, and a bundle holds files alone (cp -rL makes them)"
MAX_BYTES = {
    "bank.npz": 3 << 27, "bundle.json": 1 << 23, "decoder.onnx": 1 << 27, "encoder.onnx": 1 << 27, SUMS: 1 << 10,
}  # fmt: skip
"""Bytes of the largest file of each name: the files of a stranger's bundle stay below 1 GiB."""


def identity(files: Mapping[str, bytes]) -> str:
    """Return the identity of the model whose graphs are among `files`."""
    digest = hashlib.sha256(files["encoder.onnx"])
    digest.update(files["decoder.onnx"])
    return digest.hexdigest()[:16]


def canonical_sums(files: Mapping[str, bytes]) -> bytes:
    """Return SHA256SUMS of `files`: a line for each file, as sha256sum writes, in the order of names."""
    return _sums({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


def _sums(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def hashed(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return SHA256SUMS and the identity of `files`, each byte hashed once but for the decoder, in two threads."""
    digests: dict[str, str] = {}

    def others() -> None:
        digests.update({name: hashlib.sha256(files[name]).hexdigest() for name in files if name != "encoder.onnx"})

    second = Thread(target=others)
    try:
        second.start()
    except RuntimeError:  # the system starts no more threads
        others()
    encoder = hashlib.sha256(files["encoder.onnx"])
    both = encoder.copy()
    both.update(files["decoder.onnx"])
    if second.ident is not None:
        second.join()
    return _sums(digests | {"encoder.onnx": encoder.hexdigest()}), both.hexdigest()[:16]


def write(path: Path, files: Mapping[str, bytes], card: str, replace: bool, samples: bytes | None = None) -> None:
    """Write a bundle to the folder `path`, whole or not at all; raises `ReadWriteError`, `LimitExceeded`.

    `samples` is samples.png, which the card shows.
    """
    for name, data in files.items():
        if len(data) > MAX_BYTES[name]:
            raise LimitExceeded(f"{name} of this bundle would be {len(data) >> 20} MiB, over {MAX_BYTES[name] >> 20}")
    beside = {CARD: card.encode("utf-8", "backslashreplace")} | ({} if samples is None else {SAMPLES: samples})
    write_folder(path, {**files, SUMS: canonical_sums(files), **beside}, replace)


def read_files(path: Path) -> tuple[dict[str, bytes], bytes]:
    """Return the listed files and SHA256SUMS; refuses missing, extra and too large files."""
    wanted = {*FILES, SUMS}
    try:
        links = {entry.name: entry.is_symlink() for entry in os.scandir(path) if not entry.name.startswith(".")}
        found = links.keys() - {CARD, SAMPLES}
        _refuse(path, wanted - found, "is missing")
        _refuse(path, found - wanted, "does not belong there")
        _refuse(path, {name for name in wanted if links[name]}, LINKED)
        contents = {name: read_own(path / name, MAX_BYTES[name]) for name in sorted(wanted)}
        _refuse(path, {name for name in wanted if contents[name] is None}, "is no file of acceptable size")
        files = {name: data for name, data in contents.items() if data is not None}
        return files, files.pop(SUMS)
    except OSError as error:
        raise BundleError(f"the bundle {printable(str(path))} cannot be read: {reason(error)}") from error


def _refuse(path: Path, names: set[str], fault: str) -> None:
    if names:
        shown = printable(", ".join(sorted(names)[:5])) + (" and more" if len(names) > 5 else "")
        anew = "delete this folder, and it is downloaded again" if is_address(called(path)) else "get or export it anew"
        raise BundleError(f"the bundle {printable(str(path))} is refused: {shown} {fault}; {anew}")


def check_sums(path: Path, expected: bytes, sums: bytes) -> None:
    """Raise `BundleError` where the bytes `sums` of SHA256SUMS differ from the expected bytes."""
    if sums != expected:
        lines = set(sums.splitlines())
        changed = {line.split(b"  ")[1].decode() for line in expected.splitlines() if line not in lines}
        _refuse(path, changed or {SUMS}, "is not what SHA256SUMS says" if changed else "is not in canonical form")


def check_free(path: Path, force: bool) -> None:
    """Raise `UsageError` where an export to `path` would replace anything but a bundle, or a bundle without `force`."""
    known = {*FILES, SUMS, CARD, SAMPLES}
    if path.exists() and not (
        (path / "bundle.json").is_file() and {e.name for e in path.iterdir() if e.name[0] != "."} <= known
    ):
        raise UsageError(f"{printable(str(path))} exists and is no bundle", fix="another-output")
    if path.exists() and not force:
        raise UsageError(f"{printable(str(path))} exists", fix="bundle-exists")
