"""Latents of any number into .npz or .npy, in bounded memory.

The header of an array says how many rows there are, so they wait in a nameless file until all have come.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from aetool.errors import UsageError
from aetool.files import Output
from aetool.latents import LatentBatch


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
        """Take batches in; raises `UsageError` where they differ in size."""
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
        """Write what has come as an .npz, or as an .npy of the latents alone."""
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
        _header(stream, "<f4", (self.count, self.size))
        self._rows.seek(0)
        shutil.copyfileobj(self._rows, stream, 1 << 20)

    def _write_texts(self, stream: IO[bytes], place: int) -> None:
        kind = f"<U{self._widths[place]}"
        _header(stream, kind, (self.count,))
        for texts in self._kept_texts():
            stream.write(np.array(texts[place], kind).tobytes())

    def _kept_texts(self) -> Iterator[tuple[tuple[str, ...], ...]]:
        end = self._texts.tell()
        self._texts.seek(0)
        while self._texts.tell() < end:
            yield pickle.load(self._texts)


def _header(stream: Output | IO[bytes], kind: str, shape: tuple[int, ...]) -> None:
    fields: dict[str, Any] = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
