"""The cache: decoded folders, shown and cleared by `aetool info --cache`, and the size of what else lies there."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from aetool.cli.console import as_json as to_json
from aetool.cli.console import as_table
from aetool.cli.target import write_stdout
from aetool.errors import UsageError, printable


def show_cache(clear: bool, as_json: bool, model: str | None) -> None:
    """Print the folders in the cache, or with `clear` the removed ones; raises `UsageError` beside a model."""
    from aetool.training.data import cache

    if model is not None:
        raise UsageError(f"--cache is about decoded folders, not about {model}; leave one of them out")
    found = cache.clear() if clear else cache.entries()
    total, place, others = sum(entry.bytes for entry in found), str(cache.entries_folder()), _others()
    rows = [
        {"folder": entry.folder, "images": entry.images, "bytes": entry.bytes, "read": _time(entry.read)}
        for entry in found
    ]
    if as_json:
        fields = {
            "path": place,
            "bytes": total,
            "most_bytes": cache.BYTES,
            "cleared": clear,
            "folders": rows,
            "others": others,
        }
        write_stdout(to_json(fields))
        return
    table = [["folder", "images", "MB", "last read"]]
    table += [[e.folder or "incomplete", str(e.images), _mb(e.bytes), _time(e.read)] for e in found]
    done = "removed from" if clear else "in"
    line = f"{len(found)} folders, {_mb(total)} of at most {_mb(cache.BYTES)} MB, {done} {place}\n"
    write_stdout((as_table(table, right=(1, 2)) if found else "") + line + _beside(others))


def _others() -> dict[str, int]:
    """Return the bytes of each other folder of the cache: models of hubs, judges, maps and so on."""
    from aetool.system.paths import cache_folder
    from aetool.training.data import cache

    found = {}
    with contextlib.suppress(OSError):
        for folder in sorted(cache_folder().iterdir()):
            if folder != cache.entries_folder() and folder.is_dir() and not folder.is_symlink():
                found[folder.name] = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
    return found


def _beside(others: dict[str, int]) -> str:
    """Return a line on the other folders, nothing without any."""
    from aetool.system.paths import cache_folder

    if not others:
        return ""
    sizes = ", ".join(f"{printable(name)} {_mb(size)}" for name, size in others.items())
    return f"beside them, in MB: {sizes}; what you delete in {cache_folder()} is made or fetched again\n"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
