"""The job: a frame of pictures becomes a folder of Parquet files with their rows, which a later job completes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aetool.cluster.engine import engine, is_url, literal
from aetool.cluster.rows import Work, rows
from aetool.errors import InvalidInput, UsageError, printable
from aetool.system.atomic import writing

FILE_BYTES = 4 << 20
"""Bytes of a Parquet file, about 100,000 rows: a job that is killed loses what is not in complete files."""
GROUP_BYTES = 1 << 18
"""Bytes of a row group, about 6,000 rows: they are in memory until it is complete."""


@dataclass(frozen=True)
class Done:
    """What a job did: the number of rows with a latent, of pictures left out, and name and error of the failed ones."""

    done: int
    skipped: int
    failures: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def run(work: Work, pictures: Any, folder: str, skip_existing: bool = False) -> Done:
    """Write the rows of a frame of pictures (see `sources`) to a folder here, or elsewhere by URL.

    With `skip_existing` pictures with a latent in the folder are left out, and those with an error are tried again.
    Raises `UsageError` for a folder with other rows, `InvalidInput` for rows of another model.
    """
    engine().set_execution_config(parquet_target_filesize=FILE_BYTES, parquet_target_row_group_size=GROUP_BYTES)
    known = _known(work, folder, skip_existing)
    if known is None:
        written = _write(_rows(work, pictures), folder)
        failed = _failed(written)
        return Done(written.count_rows() - len(failed), 0, tuple(dict(failed).items()))
    return _complete(work, pictures, folder, known)


def _complete(work: Work, pictures: Any, folder: str, known: Any) -> Done:
    """Write the rows that a folder lacks; a picture that fails again keeps the row that it has."""
    daft = engine()
    good = _names(known.where(_good()))
    missing = pictures.join(good, on="path", how="anti")
    count, left = pictures.count_rows(), missing.count_rows()
    if not left:
        return Done(0, count)
    before = known.where(~_good()).select("path").distinct().with_column("before", daft.lit(True))
    found = _rows(work, missing).join(before, on="path", how="left")
    new = found.where(_good() | daft.col("before").is_null()).exclude("before")
    written = _write(new, folder)
    done = written.count_rows() - len(_failed(written))
    now = daft.read_parquet(os.path.join(literal(folder), "*.parquet"), ignore_corrupt_files=True)  # noqa: PTH118
    failed = now.join(_names(now.where(_good())), on="path", how="anti")
    here = _failed(failed.join(pictures.select("path"), on="path", how="semi"))
    return Done(done, count - left, tuple(dict(here).items()))


def _good() -> Any:
    return engine().col("error").is_null()


def _names(known: Any) -> Any:
    """Return the names of pictures with rows, some of them twice: of tiles of a sheet also without their numbers."""
    path = engine().col("path")
    tiles = known.where(path.endswith("]"))
    return known.select(path).concat(tiles.select(path.regexp_replace(r"\[\d+\]$", "")))


def _rows(work: Work, pictures: Any) -> Any:
    """Return the frame of rows of a frame of pictures."""
    daft = engine()
    col = daft.col
    listed = pictures.select("class", rows(work)(*map(col, ("path", "place", "folder", "content"))).alias("row"))
    row, model = col("row"), daft.lit(work.model.bundle.identity).alias("model")
    inside = [row.get(name).alias(name) for name in ("latent", *work.figures)]
    return listed.explode("row").select(row.get("path"), "class", *inside, model, row.get("error"))


def _known(work: Work, folder: str, skip_existing: bool) -> Any:
    """Return the rows in a folder, None without any; complete files count. Raises `UsageError`, `InvalidInput`."""
    daft, shown = engine(), printable(folder)
    try:
        known = daft.read_parquet(os.path.join(literal(folder), "*.parquet"), ignore_corrupt_files=True)  # noqa: PTH118
    except FileNotFoundError:
        return None
    except Exception as error:
        if "corrupt and were skipped" not in str(error):
            raise
        known = None
    if not skip_existing:
        raise UsageError(f"{shown} holds Parquet files", fix="skip-existing")
    if known is None:
        return None
    names = ["path", "class", "latent", *work.figures, "model", "error"]
    if known.column_names != names:
        raise UsageError(f"{shown} holds Parquet files of other columns than {', '.join(names)}; choose another -o")
    found = known.select("model").distinct().to_pydict()["model"]
    other = next((model for model in found if model != work.model.bundle.identity), None)
    if other is not None:
        raise InvalidInput(f"{shown} holds latents of the model {printable(other)}", fix="another-output")
    return known


def _write(found: Any, folder: str) -> Any:
    """Write rows, and return the frame of those written, or of none."""
    daft = engine()
    if not is_url(folder):
        with writing(Path(folder)):
            Path(folder).mkdir(parents=True, exist_ok=True)
        folder = os.path.abspath(folder)  # noqa: PTH100 (Daft takes "[1]/" for a URL)
    paths = found.write_parquet(folder, write_mode="append").to_pydict()["path"]
    scheme, url, _ = folder.partition("://")
    there = [f"{scheme}{url}{path}" if url and "://" not in path else path for path in paths]
    return daft.read_parquet([literal(path) for path in there])


def _failed(found: Any) -> list[tuple[str, str]]:
    """Return path and error of each row of a frame with an error; few are, so that no other row is held."""
    failed = found.where(~_good()).select("path", "error").to_pydict()
    return list(zip(failed["path"], failed["error"], strict=True))
