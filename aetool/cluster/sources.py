"""Sources: pictures of local files, URLs, patterns and Parquet, as Daft frames of the columns that `Rows` takes.

The columns are path (text), class (text), place and folder (bytes of local names, null where they tell nothing new),
and content (the bytes of a picture, null for a file that the worker reads).
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from aetool.arrays import batched
from aetool.choices import ARRAY_SUFFIXES, CHECKED_SUFFIXES, IMAGE_SUFFIXES
from aetool.cluster.engine import engine, error_of, is_url, literal, split
from aetool.errors import InvalidInput, UsageError, did_you_mean, printable, some
from aetool.images.files import ImageFile, find_images
from aetool.images.walk import is_read
from aetool.system.reading import MAX_FILE

COLUMNS = ("path", "class", "place", "folder", "content")
CHUNK = 1 << 11
"""Names of files that are Python objects at a time, and lie in a Parquet file: Daft reads eight such files ahead."""
WILD = "*?["


def is_pattern(name: str) -> bool:
    """Return whether a name stands for the files that it matches: photos/**/*.jpg, and no file is called so."""
    return (
        not name.startswith(("http://", "https://")) and any(map(name.__contains__, WILD)) and not os.path.lexists(name)
    )


def matched(pattern: str) -> Iterator[ImageFile]:
    """Yield the files of a local pattern in order; the first folder below its fixed part is the class."""
    start = len(_fixed(pattern))
    for path in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207
        if os.path.isfile(path):  # noqa: PTH113
            yield ImageFile(path, path[start:], _first(path[start:], os.sep))
        elif "**" not in pattern:
            yield from find_images([path])


def of_files(files: Iterable[ImageFile], place: str | None) -> Any:
    """Return a frame of local pictures, None without one; their names lie in files in the folder `place`.

    Where workers have another working folder, and cannot read here, `place` is None: names are in memory, and places
    absolute. Raises `UsageError` for an array of images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    daft = engine()
    kinds = [pa.string(), pa.string(), pa.binary(), pa.binary(), pa.binary()]
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    tables = (
        pa.Table.from_arrays([pa.array(one, kind) for one, kind in zip(zip(*chunk), kinds, strict=True)], schema=schema)  # noqa: B905
        for chunk in batched(map(partial(_of_file, place is None), files), CHUNK)
    )
    first = next(tables, None)
    if first is None:
        return None
    if place is None:
        return split(daft.from_arrow(pa.concat_tables([first, *tables])))
    for number, table in enumerate(itertools.chain([first], tables)):
        pq.write_table(table, os.path.join(place, f"{number:08}.parquet"))  # noqa: PTH118
    return daft.read_parquet(os.path.join(literal(place), "*.parquet"))  # noqa: PTH118


def _of_file(far: bool, file: ImageFile) -> tuple[str, str | None, bytes | None, bytes | None, bytes | None]:
    if file.path.lower().endswith(ARRAY_SUFFIXES):
        raise UsageError(f"{printable(file.path)} is an array of images, which an engine does not take", fix="engine")
    shown = _text(file.path)
    there = os.path.abspath(file.path) if far and not is_url(file.path) else file.path  # noqa: PTH100
    walked = file.folder or ""
    folder = os.fsencode(os.path.abspath(walked) if far else walked) if walked else None  # noqa: PTH100
    place = os.fsencode(there) if there != shown and file.data is None else None
    return shown, file.label and _text(file.label), place, folder, file.data


def of_url(name: str) -> Any:
    """Return a frame of the pictures of a URL, or of a pattern or folder elsewhere (see `matched`).

    Of a folder the files with suffixes of pictures are taken. Raises `InvalidInput` where nothing is.
    """
    daft = engine()
    wild = is_pattern(name)
    if not wild and (name.startswith(("http://", "https://")) or name.lower().endswith(tuple(IMAGE_SUFFIXES))):
        return _completed(daft.from_pydict({"path": [name]}))
    start = _fixed(name) if wild else name.rstrip("/") + "/"
    found = daft.from_glob_path(name if wild else f"{start}**")
    try:
        daft.daft.io_glob(name if wild else f"{start}**", limit=1)
    except FileNotFoundError as error:
        raise InvalidInput(f"nothing is found at {printable(name)}: {error_of(error)}") from error
    label = daft.func(partial(_class_of, start), return_dtype=daft.DataType.string())
    if not wild:
        found = found.where(daft.func(partial(_is_picture, start), return_dtype=daft.DataType.bool())(daft.col("path")))
    few = daft.col("size").fill_null(0) <= MAX_FILE
    return _completed(split(found.select("path", label(daft.col("path")).alias("class"), few.alias("few"))))


def of_parquet(names: list[str], column: str) -> Any:
    """Return a frame of the pictures in a column of Parquet files or folders: paths, URLs, or bytes of pictures.

    A column of structs has its `bytes` taken, else its `path`. Bytes without a name, in a column `path`, are named by
    their sha256; a column `class` gives the classes. Raises `UsageError` for another column.
    """
    daft = engine()
    try:
        found = daft.read_parquet([_parquet_name(name) for name in names])
    except FileNotFoundError as error:
        raise InvalidInput(f"no Parquet file is found at {printable(some(names))}") from error
    kinds = {field.name: field.dtype for field in found.schema()}
    if column not in kinds:
        there = some(kinds)
        raise UsageError(f'no column "{printable(column)}"{did_you_mean(column, list(kinds))}; there is {there}')
    value, types = daft.col(column), daft.DataType
    inner = kinds[column].fields if kinds[column].is_struct() else {}
    text = inner.get("path") == types.string()
    given = {"class": daft.col("class")} if kinds.get("class") == types.string() else {}
    if kinds[column] == types.string():
        return _completed(found.select(value.alias("path"), *given.values()))
    if kinds[column] != types.binary() and inner.get("bytes") != types.binary():
        raise UsageError(f'column "{printable(column)}" is {kinds[column]}; expected paths, URLs or bytes of pictures')
    content = value.get("bytes") if inner else value
    named = value.get("path") if text else daft.col("path") if kinds.get("path") == types.string() else daft.lit(None)
    by_sum = daft.func(_sum_of, return_dtype=types.string())(content)
    path = daft.functions.coalesce(named.cast(types.string()), by_sum)
    return _completed(
        found.select(path.alias("path"), content.alias("content"), *(o.alias(n) for n, o in given.items()))
    )


def _text(name: str) -> str:
    """Return a name as Parquet can hold it: bytes that are no UTF-8 become backslash escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _completed(found: Any) -> Any:
    """Return a frame with all columns: the content of URLs is downloaded, and the rest is null."""
    daft = engine()
    path, types = daft.col("path"), daft.DataType
    if "content" not in found.column_names:
        far = path.contains("://")
        wanted = far & daft.col("few") if "few" in found.column_names else far
        url = daft.functions.when(wanted, path).otherwise(daft.lit(None).cast(types.string()))
        found = found.with_column("content", url.download(on_error="null"))
    kinds = {"class": types.string(), "place": types.binary(), "folder": types.binary()}
    lacking = {name: daft.lit(None).cast(kind) for name, kind in kinds.items() if name not in found.column_names}
    return found.with_columns(lacking).select(*COLUMNS)


def _fixed(pattern: str) -> str:
    """Return the folder before the first sign that stands for others, with a separator at the end."""
    first = min(pattern.index(sign) for sign in WILD if sign in pattern)
    return pattern[: pattern.rfind("/", 0, first) + 1]


def _first(relative: str, separator: str = "/") -> str | None:
    """Return the first folder of a relative path, None for a file without a folder."""
    label, inside, _ = relative.partition(separator)
    return label if inside else None


def _class_of(start: str, path: str) -> str | None:
    return _first(path.removeprefix(start))


def _is_picture(start: str, path: str) -> bool:
    """Return whether a file below the folder `start` is a picture by its name, and not hidden."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
    known = suffix in IMAGE_SUFFIXES and (suffix not in CHECKED_SUFFIXES or is_read(suffix))
    return known and not any(part.startswith(".") for part in path.removeprefix(start).split("/"))


def _sum_of(data: bytes) -> str | None:
    return None if data is None else f"sha256:{hashlib.sha256(data).hexdigest()}"


def _parquet_name(name: str) -> str:
    """Return a Parquet file or pattern as it is, and for a folder the pattern of all Parquet files below it."""
    there = literal(name) if os.path.lexists(name) else name
    is_folder = os.path.isdir(name) or (is_url(name) and not is_pattern(name) and not name.endswith(".parquet"))  # noqa: PTH112
    return os.path.join(there, "**", "*.parquet") if is_folder else there  # noqa: PTH118
