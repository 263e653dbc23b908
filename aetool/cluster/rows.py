"""Many pictures on an engine: Daft reads, splits, retries and writes Parquet, on this machine or on a Ray cluster.

A row is a picture: path, class, latent (`fixed_size_list<float32>[k]`), model, error; of scored pictures also mse,
percentile and distance. A picture that cannot be used is a row with an error and without a latent. Latents are those
of `Model.encode` to the bit, since the class UDF `Rows` calls the same functions on every worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, batched, to_images
from aetool.cluster.engine import engine, error_of, is_url
from aetool.errors import AetoolError, InvalidInput, LimitExceeded, UsageError
from aetool.images.decode import failure_of
from aetool.images.files import ImageFile, new_guesses, pixels_or_sheet, read_batches
from aetool.images.tiles import Sheet
from aetool.metrics import mse
from aetool.model.keys import warn_of
from aetool.model.model import Model, load
from aetool.runtime.codec import Codec
from aetool.system.limits import LIMITS, Limits
from aetool.system.quiet import silenced
from aetool.system.reading import MAX_FILE

if TYPE_CHECKING:
    from aetool.bundle.bundle import Graphs
    from aetool.bundle.scoring import Scoring
    from aetool.latents.distance import Reference

Figures = dict[str, npt.NDArray[Any]]
"""What a step gives of n images: "latent" (n, k), and scores (n,)."""
Step = Callable[[Codec, Images], Figures]
Word = Callable[[AetoolError], str]
"""A function that words an error."""
Note = Callable[[int, Iterable[str], Iterable[Sheet]], None]
"""A function of the number of pictures that a worker has done, of its new guesses of levels, and of new sheets."""
AT_ONCE = 64
"""Pictures of a call of the class UDF whose bytes it is given: they are in memory, of several calls at a time."""
NAMES_AT_ONCE = 256
"""Pictures of a call that is given names: each call costs 2.5 ms, and the last ones of a job run alone."""
SCORES = ("mse", "percentile", "distance")


def warned(_done: int, guesses: Iterable[str], _sheets: Iterable[Sheet]) -> None:
    """Warn of guesses, where a worker has no other way to tell them."""
    warn_of(guesses)


def encoder(model: str | Path | Model = "mnist", device: str = "auto") -> Any:
    """Return a Daft function of a column of pictures: the bytes of their files, or their paths or URLs.

    It gives a struct of `latent` (null for a picture that cannot be used) and `error` (null for any other). A sheet
    counts as one picture.
    """
    opened = model if isinstance(model, Model) else load(model, device)
    types, size = engine().DataType, opened.bundle.manifest.latent_size
    fields = {"latent": types.fixed_size_list(types.float32(), size), "error": types.string()}
    return _function(Pictures, types.struct(fields), (opened.bundle.graphs, opened.codec.device))


def rows(work: Work) -> Any:
    """Return a Daft function of columns path, place, folder and content (see `Rows`), that gives lists of rows."""
    types, model = engine().DataType, work.model
    latent = {
        "path": types.string(),
        "latent": types.fixed_size_list(types.float32(), model.bundle.manifest.latent_size),
    }
    fields = latent | dict.fromkeys(work.figures, types.float64()) | {"error": types.string()}
    given = (model.bundle.graphs, model.codec.device, work.step, model.limits, work.whole, work.word, work.note)
    return _function(Rows, types.list(types.struct(fields)), given, work.at_once)


def _function(kind: type, returned: Any, given: tuple[Any, ...], at_once: int = AT_ONCE) -> Any:
    """Return the Daft function of a class UDF, made in a process of each worker from what is `given`.

    In threads of one process workers would wait for each other, since Python runs one of them at a time.
    """
    daft = engine()

    def call(self: Any, *columns: Any) -> Any:
        return kind.__call__(self, *columns)

    marked = daft.method.batch(return_dtype=returned, batch_size=at_once)(call)
    return daft.cls(type(kind.__name__, (kind,), {"__call__": marked}), use_process=True)(*given)


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with pictures: a model, its step with the names of its scores, and how errors are worded.

    A call is given `at_once` pictures, and calls `note` in the end.
    """

    model: Model
    step: Step
    figures: tuple[str, ...] = ()
    whole: bool = False
    word: Word = str
    at_once: int = AT_ONCE
    note: Note = warned


def encoding(model: Model, whole: bool = False, word: Word = str) -> Work:
    """Return the work of encoding pictures."""
    return Work(model, latents_of, (), whole, word)


def scoring(model: Model, whole: bool = False, word: Word = str) -> Work:
    """Return the work of encoding and scoring pictures; raises `BundleError` (see `aetool.model.scores`)."""
    from aetool.latents.distance import reference
    from aetool.model.scores import scoring_of

    return Work(model, Scores(reference(model.bundle.bank()), scoring_of(model.bundle.manifest)), SCORES, whole, word)


def latents_of(codec: Codec, images: Images) -> Figures:
    """Return the latents of images."""
    return {"latent": codec.encode(images)}


@dataclass(frozen=True, eq=False)
class Scores:
    """A step: the latents of images, and how unusual the images are (see `aetool.model.scores`)."""

    known: Reference
    scoring: Scoring

    def __call__(self, codec: Codec, images: Images) -> Figures:
        """Return latents and scores of images (n, c, h, w)."""
        latents = codec.encode(images)
        errors, distances = mse(images, codec.decode(latents)), self.known.distances(latents)
        percentiles = self.scoring.percentiles(errors, distances)
        return {"latent": latents} | dict(zip(SCORES, (errors, percentiles, distances), strict=True))


class Worker:
    """A codec at work on a worker: the graphs travel there, and no bundle is needed."""

    def __init__(
        self, graphs: Graphs, device: str, step: Step = latents_of, limits: Limits = LIMITS, whole: bool = True,
        word: Word = str, note: Note = warned,
    ) -> None:  # fmt: skip
        self.codec, self.step, self.limits, self.whole = Codec(graphs, device), step, limits, whole
        self.word, self.note, self.guesses, self.done = word, note, new_guesses(limits), 0
        self.sheets: list[Sheet] = []

    def lists(self, files: list[ImageFile]) -> Any:
        """Return the rows of each file, as an Arrow array of lists."""
        import pyarrow as pa

        counts, parts = np.zeros(len(files) + 1, np.int32), []
        with silenced(1, 2):  # libraries speak of bad pictures, and Daft takes that for output
            for chunk in batched(self._each(files), self.codec.batch):
                np.add.at(counts, [number + 1 for number, *_ in chunk], 1)
                parts.append(self._structs([row for _, *row in chunk]))
        self.done += len(files)
        self.note(self.done, self.guesses.new(), self.sheets)
        self.sheets.clear()
        parts = parts or [self._structs([])]
        return pa.ListArray.from_arrays(pa.array(counts.cumsum(), pa.int32()), pa.concat_arrays(parts))

    def _each(self, files: list[ImageFile]) -> Iterator[tuple[int, str, Images | None, str | None]]:
        """Yield the number of each file with the name and the image, or the error, of each of its pictures."""
        for number, file in enumerate(files):
            try:
                found = pixels_or_sheet(_filled(file), self.codec.spec, self.limits, self.guesses)
                if not isinstance(found, bytes):
                    yield number, file.relative, to_images(found), None
                    continue
                sheet = ImageFile(file.relative, file.relative, data=found)
                for batch in read_batches([sheet], self.codec.spec, self.codec.batch, self.limits):
                    for one, image in zip(batch.files, batch.value, strict=True):
                        yield number, one.path, image, None
                    self.sheets += batch.sheets
                    for failure in batch.failures:
                        yield number, failure.path, None, self.word(failure.error)
            except Exception as error:  # of whatever kind: one picture never stops the others
                yield number, file.relative, None, self.word(failure_of(error))

    def _structs(self, found: list[Any]) -> Any:
        """Return names with images or errors as an Arrow array of rows."""
        import pyarrow as pa

        images = [image for _, image, _ in found if image is not None]
        figures = self.step(self.codec, np.stack(images) if images else np.empty((0, *self.codec.spec.shape), "f4"))
        bad = np.array([image is None for _, image, _ in found], bool)
        columns = {name: _column(values, bad) for name, values in figures.items()}
        texts = {name: pa.array([row[at] for row in found], pa.string()) for name, at in (("path", 0), ("error", 2))}
        named = {"path": texts["path"]} | columns | {"error": texts["error"]}
        return pa.StructArray.from_arrays(list(named.values()), names=list(named))


class Rows(Worker):
    """A class UDF: for each picture of a batch the list of its rows: one, or several of a sheet that aetool made."""

    def __call__(self, paths: Any, places: Any, folders: Any, contents: Any) -> Any:
        """Return a column of lists of rows for n names, where to read them, their walked folders, and their bytes.

        A null place is the name itself; null bytes are still to be read.
        """
        columns = (column.to_pylist() for column in (paths, places, folders, contents))
        return self.lists([
            ImageFile(os.fsdecode(place or path or ""), path or "", data=content, whole=self.whole,
                      folder=folder and os.fsdecode(folder))
            for path, place, folder, content in zip(*columns, strict=True)
        ])  # fmt: skip


class Pictures(Worker):
    """A class UDF: latent and error of each picture, a sheet as one picture."""

    def __call__(self, pictures: Any) -> Any:
        """Return a column of structs for pictures, as bytes or names; raises `UsageError` for any other column."""
        import pyarrow as pa

        given = pictures.to_pylist()
        wrong = next((value for value in given if not isinstance(value, bytes | str | None)), None)
        if wrong is not None:
            raise UsageError(f"pictures are bytes, paths or URLs, not {type(wrong).__name__}")
        named = [(value, None) if isinstance(value, str) else ("", value) for value in given]
        rows = self.lists([ImageFile(name, name, data=data, whole=True) for name, data in named]).values
        latents, errors = rows.field("latent"), rows.field("error")
        known = pa.FixedSizeListArray.from_arrays(latents.values, latents.type.list_size, mask=errors.is_valid())
        return pa.StructArray.from_arrays([known, errors], names=["latent", "error"])


def _column(values: npt.NDArray[Any], bad: npt.NDArray[np.bool_]) -> Any:
    """Return values (n, k) or (n,) as an Arrow array; rows that are bad are NaN in lists, else null.

    pyarrow, and what reads Parquet with it, cannot read null lists of a fixed size.
    """
    import pyarrow as pa

    spaced = np.full((len(bad), *values.shape[1:]), np.nan, values.dtype)
    spaced[~bad] = values
    if values.ndim == 1:
        return pa.array(spaced, mask=np.isnan(spaced))
    return pa.FixedSizeListArray.from_arrays(pa.array(spaced.ravel()), values.shape[1])


def _filled(file: ImageFile) -> ImageFile:
    """Return a file, with its bytes where it is a URL that Daft could not read; raises what is wrong."""
    if file.data is None and not file.path:
        raise InvalidInput("there is no picture in this row")
    if file.data is not None or not is_url(file.path):
        return file
    import daft

    once = daft.io.IOConfig(  # Daft tried longer before
        s3=daft.io.S3Config(num_tries=1, connect_timeout_ms=5000),
        http=daft.io.HTTPConfig(num_tries=1, connect_timeout_ms=5000),
    )
    try:
        with daft.File(file.path, once).open() as stream:
            if stream.size() > MAX_FILE:
                raise LimitExceeded(f"it is larger than the {MAX_FILE >> 20} MiB accepted")
            return replace(file, data=stream.read())
    except Exception as error:
        raise error_of(error) from error
