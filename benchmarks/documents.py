"""Where benchmarks put what they measured into documents: between two comments that bear the benchmark's name."""

from __future__ import annotations

from pathlib import Path


def replace(document: Path, name: str, text: str) -> None:
    """Put `text` in the place of the benchmark `name` in `document`."""
    old = document.read_text()
    start, end = f"<!-- {name}.py writes this -->\n", f"<!-- {name}.py to here -->\n"
    document.write_text(old[: old.index(start) + len(start)] + text + old[old.index(end) :])
