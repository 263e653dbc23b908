"""The cache of decoded folders, shown and cleared by `aetool info --cache`."""

from __future__ import annotations

from datetime import UTC, datetime

from aetool.cli.console import as_json as to_json
from aetool.cli.console import as_table
from aetool.cli.target import write_stdout
from aetool.errors import UsageError


def show_cache(clear: bool, as_json: bool, model: str | None) -> None:
    """Print the folders in the cache, or with `clear` the removed ones; raises `UsageError` beside a model."""
    from aetool.training.data import cache

    if model is not None:
        raise UsageError(f"--cache is about decoded folders, not about {model}; leave one of them out")
    found = cache.clear() if clear else cache.entries()
    total, place = sum(entry.bytes for entry in found), str(cache.entries_folder())
    rows = [
        {"folder": entry.folder, "images": entry.images, "bytes": entry.bytes, "read": _time(entry.read)}
        for entry in found
    ]
    if as_json:
        fields = {"path": place, "bytes": total, "most_bytes": cache.BYTES, "cleared": clear, "folders": rows}
        write_stdout(to_json(fields))
        return
    table = [["folder", "images", "MB", "last read"]]
    table += [[e.folder or "incomplete", str(e.images), _mb(e.bytes), _time(e.read)] for e in found]
    done = "removed from" if clear else "in"
    line = f"{len(found)} folders, {_mb(total)} of at most {_mb(cache.BYTES)} MB, {done} {place}\n"
    write_stdout((as_table(table, right=(1, 2)) if found else "") + line)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
