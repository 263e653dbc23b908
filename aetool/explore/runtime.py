"""ONNX Runtime for browsers: two files of the package onnxruntime-web, pinned, never part of aetool."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from aetool.arrays import OneLine
from aetool.errors import InvalidInput, ReadWriteError, printable, reason
from aetool.system.atomic import write_file
from aetool.system.downloads import Pinned, check_content, if_allowed, unpack
from aetool.system.paths import cache_folder
from aetool.system.progress import Report

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
SCRIPT = Pinned("ort.wasm.bundle.min.mjs", 73054, "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90")
WASM = Pinned(
    "ort-wasm-simd-threaded.wasm", 14239897, "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
)
FILES = (SCRIPT, WASM)
PLACES = ("", "dist", f"{PACKAGE}/dist", f"node_modules/{PACKAGE}/dist")
"""Where the files lie in a folder: in itself, in the package, in node_modules, or beside them."""
PATIENCE = 600
"""Seconds for npm to fetch 33 MB."""


@dataclass(frozen=True, eq=False, repr=False)
class Runtime(OneLine):
    """The runtime: the text of a module that sets `globalThis.ort`, and its WebAssembly, gzip-compressed."""

    script: str
    wasm: bytes


def runtime_at(named: str | None, report: Report) -> Runtime:
    """Return the runtime from `named`, else from the cache, else by npm, which the cache keeps.

    `named` is a package of `npm pack` (.tgz), the package unpacked, or a folder with node_modules. Raises
    `InvalidInput` for another content, `ReadWriteError`.
    """
    packed = _cached() if named is None else None
    if packed is None:
        contents = _fetched(report) if named is None else _contents(Path(named))
        packed = {name: gzip.compress(data, 9, mtime=0) for name, data in contents.items()}
        if named is None:
            _keep(packed)
    return Runtime(_with_global(gzip.decompress(packed[SCRIPT.name]).decode()), packed[WASM.name])


def _contents(place: Path) -> dict[str, bytes]:
    """Return the two files of a package, packed or not."""
    if place.is_dir():
        folder = next((place / inner for inner in PLACES if (place / inner / SCRIPT.name).is_file()), None)
        if folder is None:
            raise InvalidInput(f"{printable(str(place))} holds no {PACKAGE}: {SCRIPT.name} is not there", "runtime")
        return {pin.name: unpack(folder / pin.name, pin) for pin in FILES}
    try:
        with tarfile.open(place) as archive:
            return {pin.name: _member(archive, pin, place) for pin in FILES}
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{printable(str(place))} is no package of npm (.tgz)", "runtime") from error
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(str(place))}: {reason(error)}") from error


def _member(archive: tarfile.TarFile, pin: Pinned, place: Path) -> bytes:
    try:
        stream = archive.extractfile(f"package/dist/{pin.name}")
    except KeyError:
        stream = None
    if stream is None:
        raise InvalidInput(f"{printable(str(place))} holds no {pin.name}", "runtime")
    try:
        return check_content(stream.read(pin.size + 1), pin)
    except InvalidInput as error:
        raise InvalidInput(f"{pin.name} in {printable(str(place))} {error}", "runtime") from error


def _folder() -> Path:
    return cache_folder() / f"{PACKAGE}-{VERSION}"


def _cached() -> dict[str, bytes] | None:
    """Return the packed files of the cache, None where one is missing or damaged."""
    try:
        for pin in FILES:
            unpack(_folder() / f"{pin.name}.gz", pin)
        return {pin.name: (_folder() / f"{pin.name}.gz").read_bytes() for pin in FILES}
    except (InvalidInput, OSError):
        return None


def _keep(packed: dict[str, bytes]) -> None:
    """Keep packed files in the cache, unless nothing may be written there."""
    for name, data in packed.items():
        path = _folder() / f"{name}.gz"
        with if_allowed(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, data)


def _fetched(report: Report) -> dict[str, bytes]:
    """Return the two files of the package that npm fetches; raises `ReadWriteError`."""
    npm = shutil.which("npm")
    if npm is None:
        raise ReadWriteError(f"the page needs {PACKAGE} {VERSION}, and npm, which fetches it, is not installed", "npm")
    report(f"fetching {PACKAGE} {VERSION} by npm, once (33 MB)", 0, None, "")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        words = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
        try:
            done = subprocess.run(words, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReadWriteError(f"npm could not fetch {PACKAGE} {VERSION}: {error}", "npm-failed") from error
        found = sorted(Path(place).glob("*.tgz"))
        if done.returncode or not found:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
            raise ReadWriteError(f"npm could not fetch {PACKAGE} {VERSION}: {printable(_telling(said))}", "npm-failed")
        return _contents(found[0])


def _telling(lines: list[str]) -> str:
    """Return the line of npm that says most: the first that is no number of an error."""
    texts = [re.sub(r"^npm (error|ERR!) ?", "", line) for line in lines]
    return next((text for text in texts if text and not text.startswith(("code ", "errno ", "syscall "))), texts[0])


def _with_global(script: str) -> str:
    """Return the text of a module without its exports, which become `globalThis.ort`.

    Its address, and the origin that Firefox does not have for a file, are those of a page in a file.
    """
    script = script.replace("import.meta.url", "location.href").replace("location.origin", '"file://"')
    script = re.sub(r"\n//# sourceMappingURL=.*", "", script).rstrip()
    match = re.search(r"export\{([^{}]*)\};?$", script)
    if match is None:
        raise InvalidInput(f"{SCRIPT.name} has no exports at its end")
    names = (pair.partition(" as ")[::2] for pair in match[1].split(","))
    return script[: match.start()] + "globalThis.ort={" + ",".join(f"{new}:{old}" for old, new in names) + "};"
