"""Latents in files and pipes: JSON Lines, .npz and .npy, read and written as streams of batches.

A record is one line, `{"source", "class"?, "model", "latent": […]}`; .npz holds the same as arrays `latents`,
`sources`, `classes` and `model`. A bare list on a line, or an .npy of shape (n, k), has no source and names no model.
"""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine, batched, check_latents
from aetool.errors import InvalidInput, LimitExceeded, UsageError
from aetool.system.atomic import Output, replacing, writing
from aetool.system.limits import LIMITS, Limits
from aetool.system.npz import NpzError, NpzTooLarge, parse_npy, read_npz, write_header
from aetool.system.paths import LEAST_DIGITS, digits
from aetool.system.special import spool_folder

SUFFIXES = frozenset({".jsonl", ".npz", ".npy"})
BATCH = 256
"""Records per batch from JSON Lines."""
MAX_LINE = 1 << 24
"""Bytes of the longest accepted line."""


@dataclass(frozen=True, eq=False, repr=False)
class LatentBatch(OneLine):
    """Latents (n, k) with their n sources and classes, and the identity of their model.

    `names` are the n names of picture files made from the latents; None where the sources serve.
    """

    latents: Latents
    sources: tuple[str, ...]
    classes: tuple[str | None, ...]
    model: str | None
    names: tuple[str, ...] | None = None

    @property
    def titles(self) -> tuple[str, ...]:
        """The names of picture files made from the latents."""
        return self.sources if self.names is None else self.names


def to_jsonl(batch: LatentBatch) -> bytes:
    """Return the records of a batch, one line each; nine digits give back every float32 exactly."""
    numbers = "[" + ", ".join(["%.9g"] * batch.latents.shape[1]) + "]"
    model = json.dumps(batch.model)
    lines = []
    for row, source, label in zip(batch.latents.tolist(), batch.sources, batch.classes, strict=True):
        shown = f'"class": {json.dumps(label)}, ' if label is not None else ""
        latent = numbers % tuple(row)
        lines.append(f'{{"source": {json.dumps(source)}, {shown}"model": {model}, "latent": {latent}}}\n')
    return "".join(lines).encode()


def read_latents(stream: BinaryIO, name: str, size: int | None, limits: Limits = LIMITS) -> Iterator[LatentBatch]:
    """Yield the records of a stream in any of the three forms, told apart by its first bytes; never seeks.

    `name` stands for the stream in errors and as source of bare lists; `size` is the expected k, None for any. Raises
    `InvalidInput` or `LimitExceeded`.
    """
    head = stream.read(6)
    if head.startswith(b"\x93NUMPY"):
        array = _parse_npy(_whole(head, stream, name, limits), name)
        if array.ndim in (3, 4):
            raise InvalidInput(f"{name} is of shape {array.shape}, as images are; latents are (n, k)", fix="images")
        yield _bare(array, name, size)
    elif head.startswith(b"PK"):
        yield _read_npz(_whole(head, stream, name, limits), name, size, limits)
    else:
        first = (head + stream.readline(MAX_LINE)).splitlines(keepends=True)
        yield from _read_lines(itertools.chain(first, _lines(stream)), name, size)


def holds_latents(start: bytes) -> bool:
    """Return whether a stream with these first 8 bytes or more holds latents (JSON, .npz, .npy); no picture does."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text[:1] in (b"{", b"[") or start.startswith((b"PK", b"\x93NUMPY"))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE):
        yield line


def _whole(head: bytes, stream: BinaryIO, name: str, limits: Limits) -> bytes:
    data = head + stream.read(limits.bytes)
    if len(data) > limits.bytes:
        raise LimitExceeded(f"{name} is larger than the {limits.bytes >> 20} MiB accepted", fix="bytes")
    return data


def _parse_npy(data: bytes, name: str) -> npt.NDArray[Any]:
    try:
        return parse_npy(memoryview(data))
    except Exception as error:  # whatever NumPy raises for a damaged or foreign file
        raise InvalidInput(f"{name} is not a NumPy array of numbers") from error


def _bare(array: npt.NDArray[Any], name: str, size: int | None) -> LatentBatch:
    latents = check_latents(array, size)
    count, width = len(latents), digits(len(latents))
    sources, names = (tuple(f"{name}#{i:0{w}}" for i in range(count)) for w in (1, width))
    return LatentBatch(latents, sources, (None,) * count, None, names)


def _read_npz(data: bytes, name: str, size: int | None, limits: Limits) -> LatentBatch:
    try:
        arrays = read_npz(data, limits.bytes)
    except NpzTooLarge as error:
        raise LimitExceeded(f"{name} unpacks to more than is accepted of a file of its size: {error}") from None
    except NpzError as error:
        fault = f"{error.member} in {name} is not a NumPy array of numbers" if error.member else None
        raise InvalidInput(fault or f"{name} is a damaged .npz file") from error
    if "latents" not in arrays:
        if "images" in arrays:
            raise InvalidInput(f"{name} holds images, not latents", fix="images")
        raise InvalidInput(f'{name} holds no array "latents"')
    bare = _bare(arrays["latents"], name, size)
    columns = [arrays[key] for key in ("sources", "classes") if key in arrays]
    if any(column.ndim != 1 for column in columns):
        raise InvalidInput(f"the sources and classes in {name} must be one text a latent")
    if any(len(column) != len(bare.latents) for column in columns):
        raise InvalidInput(f"{name} has {len(bare.latents)} latents and another number of sources or classes")
    sources = tuple(map(str, arrays["sources"].tolist())) if "sources" in arrays else bare.sources
    classes = tuple(str(c) or None for c in arrays["classes"].tolist()) if "classes" in arrays else bare.classes
    model = str(arrays["model"]) if "model" in arrays else None
    return LatentBatch(bare.latents, sources, classes, model or None, None if "sources" in arrays else bare.names)


def _read_lines(lines: Iterable[bytes], name: str, size: int | None) -> Iterator[LatentBatch]:
    numbered = ((i, line) for i, line in enumerate(lines, 1) if line.strip())
    for chunk in batched(numbered, BATCH):
        records = [_parse(line, i, name) for i, line in chunk]
        lengths = {len(latent) for latent, _, _, _ in records}
        if len(lengths) > 1:
            raise InvalidInput(f"{name} mixes latents of {' and '.join(map(str, sorted(lengths)))} numbers")
        models = {model for _, _, _, model in records}
        if len(models) > 1:
            raise InvalidInput(f"{name} mixes latents of several models")
        latents = check_latents(np.array([latent for latent, _, _, _ in records], np.float64), size)
        sources, names = (
            tuple(record[1] or f"{name}#{i:0{w}}" for (i, _), record in zip(chunk, records, strict=True))
            for w in (1, LEAST_DIGITS)
        )
        classes = tuple(label for _, _, label, _ in records)
        yield LatentBatch(latents, sources, classes, models.pop(), None if names == sources else names)


def _whole_number(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)


def _parse(line: bytes, number: int, name: str) -> tuple[list[float], str | None, str | None, str | None]:
    """Return latent, source, class and model of one line."""
    try:
        record = json.loads(line, parse_int=_whole_number)
    except (ValueError, RecursionError):
        raise InvalidInput(
            f"line {number} of {name} is not JSON; expected latents, one record a line, as encode writes (jq: -c)"
        ) from None
    if isinstance(record, list):
        record = {"latent": record}
    latent = record.get("latent") if isinstance(record, dict) else None
    if not isinstance(latent, list) or not latent or not all(type(v) in (int, float) for v in latent):
        raise InvalidInput(f'line {number} of {name} has no "latent", a list of numbers')
    texts = [record.get("source"), record.get("class"), record.get("model")]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise InvalidInput(f"line {number} of {name}: source, class and model must be text")
    try:
        return [float(v) for v in latent], texts[0], texts[1], texts[2]
    except OverflowError:
        raise InvalidInput(f"line {number} of {name} has a number beyond float32") from None


class Spool:
    """Batches on their way into an array file, kept in `folder` until `write`.

    `size` is k, for no records; `count` is how many have come.
    """

    def __init__(self, folder: Path | None, size: int) -> None:
        self.count, self.size, self.model = 0, size, ""
        self._widths = [1, 1]
        self._rows = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._texts = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def __enter__(self) -> Spool:
        """Return itself; leaving gives the space back."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the space back."""
        self._rows.close()
        self._texts.close()

    def add(self, batches: Iterable[LatentBatch]) -> None:
        """Add batches; raises `UsageError` for batches of different sizes."""
        for batch in batches:
            if self.count and batch.latents.shape[1] != self.size:
                raise UsageError("latents of different sizes do not fit into one array")
            self.size = batch.latents.shape[1]
            self._rows.write(batch.latents.astype("<f4").tobytes())
            texts = batch.sources, tuple(label or "" for label in batch.classes)
            self._widths = [max(w, *map(len, part)) for w, part in zip(self._widths, texts, strict=True)]
            pickle.dump(texts, self._texts)
            self.count += len(batch.latents)
            self.model = self.model or batch.model or ""

    def write(self, stream: Output, suffix: str) -> None:
        """Write the added batches as an .npz, or the latents alone as an .npy."""
        if suffix == ".npy":
            self._write_latents(stream)
            return
        with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
            with archive.open("latents.npy", "w", force_zip64=True) as member:
                self._write_latents(member)
            for place, name in enumerate(("sources", "classes")):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    self._write_texts(member, place)
            with archive.open("model.npy", "w") as member:
                np.lib.format.write_array(member, np.array(self.model))

    def _write_latents(self, stream: Output | IO[bytes]) -> None:
        write_header(stream, "<f4", (self.count, self.size))
        self._rows.seek(0)
        shutil.copyfileobj(self._rows, stream, 1 << 20)

    def _write_texts(self, stream: IO[bytes], place: int) -> None:
        kind = f"<U{self._widths[place]}"
        write_header(stream, kind, (self.count,))
        for texts in self._kept_texts():
            stream.write(np.array(texts[place], kind).tobytes())

    def _kept_texts(self) -> Iterator[tuple[tuple[str, ...], ...]]:
        end = self._texts.tell()
        self._texts.seek(0)
        while self._texts.tell() < end:
            yield pickle.load(self._texts)


def write_latents(path: Path, batches: Iterable[LatentBatch], size: int) -> int:
    """Write latents (n, size) to a .jsonl, .npz or .npy file, and return n; arrays only where n is above 0.

    The file is the old file or complete. Raises `ReadWriteError`, and the errors of the batches.
    """
    if path.suffix.lower() in (".npz", ".npy"):
        return _write_array(path, batches, size)
    count = 0
    with replacing(path) as stream:
        for batch in batches:
            stream.write(to_jsonl(batch))
            count += len(batch.latents)
    return count


def _write_array(path: Path, batches: Iterable[LatentBatch], size: int) -> int:
    with writing(path), Spool(spool_folder(path), size) as spool:
        spool.add(batches)
        if spool.count:
            with replacing(path) as stream:
                spool.write(stream, path.suffix.lower())
        return spool.count
