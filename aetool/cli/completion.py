"""Completion of names in the shell: models, classes and data sets, found without NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import typer

from aetool import choices

Complete = Callable[[str], list[tuple[str, str]]]
"""A function of the start of a word: the matching names, each with a line of help."""


def of(table: dict[str, choices.Choice]) -> Complete:
    """Return the completion of the names of a table of choices."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        return [(name, choice.help) for name, choice in table.items() if name.startswith(incomplete)]

    return complete


def models(incomplete: str) -> list[tuple[str, str]]:
    """Return the models in ./models and the shipped ones."""
    found = {path.parent.name: "in ./models" for path in sorted(Path("models").glob("*/bundle.json"))}
    named = {name: choice.help for name, choice in choices.SHIPPED.items()} | found
    return [(name, line) for name, line in named.items() if _begins(name, incomplete)]


def classes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the classes of the model on the command line, or of the default model."""
    import json

    from aetool.bundle.lookup import default_path, find_path
    from aetool.errors import BundleError

    try:
        name = context.params.get("model")
        path = find_path(name) if name else default_path()[0]
        known = json.loads((path / "bundle.json").read_bytes())["classes"]
    except (BundleError, OSError, ValueError, KeyError, TypeError):
        return []
    return [text for text in known if isinstance(text, str) and _begins(text, incomplete)]


def data_sets(incomplete: str) -> list[tuple[str, str]]:
    """Return the data sets with a name, and the folders here."""
    named = [(name, choice.help) for name, choice in choices.DATASETS.items()]
    here = [(entry.name + os.sep, "a folder") for entry in sorted(Path().iterdir()) if entry.is_dir()]
    return [(name, line) for name, line in named + here if _begins(name, incomplete)]


def _begins(name: str, start: str) -> bool:
    """Return whether a name begins with a typed start, in either spelling of accents."""
    from aetool.system.names import composed

    return composed(name).startswith(composed(start))
