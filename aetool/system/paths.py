"""File names: the first free name, texts as safe names, and the folder of caches."""

from __future__ import annotations

import os
from pathlib import Path


def first_free(folder: Path, name: str) -> Path:
    """Return the first free path of NAME, NAME-2, NAME-3 ... in `folder`."""
    number, path = 1, folder / name
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def safe_name(text: str) -> str:
    """Return `text` as a file name without separators, control characters or a leading dot, never empty."""
    name = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in text).strip()
    return "_" + name if name.startswith(".") or not name else name


def cache_folder() -> Path:
    """Return the cache folder of aetool: $XDG_CACHE_HOME/aetool, or ~/.cache/aetool.

    A relative $XDG_CACHE_HOME is ignored, as its rules say. Without a home folder the cache folder lies below the null
    device, where nothing can be read or written; no user of the cache needs it.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "aetool"
    try:
        home = Path.home() if os.environ.get("HOME", "unset") else Path()
    except RuntimeError:  # neither $HOME nor an entry of the user
        home = Path()
    return (home / ".cache" if home.is_absolute() else Path(os.devnull).absolute()) / "aetool"
