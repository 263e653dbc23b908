"""Names in two spellings: composed (é is one character, as keyboards type it), and decomposed (as some systems do).

Names are compared and written composed. A path stays as its folder spells it, since most systems keep both apart.
"""

from __future__ import annotations

import os
from typing import Literal


def composed(name: str) -> str:
    """Return a name with composed characters (Unicode NFC)."""
    return name if name.isascii() else _normalised("NFC", name)


def existing(path: str) -> str:
    """Return `path`, or its other spelling where only that exists; a path that exists in neither stays unchanged."""
    if path.isascii() or _exists(path):
        return path
    found = ""
    for part in path.split(os.sep):  # noqa: PTH206 (which drops an empty last part)
        spellings = (part, composed(part), _normalised("NFD", part))
        found += next((one for one in spellings if _exists(found + one)), part) + os.sep
    found = found.removesuffix(os.sep)
    return found if _exists(found) else path


def _normalised(form: Literal["NFC", "NFD"], name: str) -> str:
    from unicodedata import normalize  # a library of its own, which few names need

    return normalize(form, name)


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # no file has such a name
        return False
