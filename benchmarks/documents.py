"""Tables in documents, each between two comments with the name of the script which writes the table.

python benchmarks/documents.py        writes the table of names in README.md
"""

from __future__ import annotations

from pathlib import Path


def replace(document: Path, name: str, text: str) -> None:
    """Replace the text of the script `name` in `document` by `text`."""
    old = document.read_text()
    start, end = f"<!-- {name}.py writes this -->\n", f"<!-- {name}.py to here -->\n"
    document.write_text(old[: old.index(start) + len(start)] + text + old[old.index(end) :])


if __name__ == "__main__":
    from aetool.choices import markdown

    replace(Path(__file__).parents[1] / "README.md", "documents", markdown())
