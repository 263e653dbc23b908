"""Completion in the shell: its installation, and the names of models, classes and data sets, found without NumPy."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from aetool import choices
from aetool.errors import UsageError

FLAGS = ("--install-completion", "--show-completion")
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

Complete = Callable[[str], list[tuple[str, str]]]
"""A function of the start of a word: the matching names, each with a line of help."""


def with_shell(words: list[str]) -> list[str]:
    """Take the shell after --install-completion or --show-completion from a command line, and return the rest.

    Typer takes the shell that started the program, and no name; the name takes the place of what it finds.
    Raises `UsageError` for a shell without completion.
    """
    flag, equals, value = (words or [""])[0].partition("=")
    if flag not in FLAGS:
        return words
    import shellingham  # type: ignore[import-untyped]

    given = value or next((word for word in words[1:2] if not word.startswith("-")), "")
    shell = given or _current_shell()
    if shell not in SHELLS:
        unknown = f'there is no completion for "{shell}"' if shell else "the current shell could not be found out"
        raise UsageError(f"{unknown}; name the shell, as in: aetool {flag} zsh (or {', '.join(SHELLS)})")
    if flag == FLAGS[0] and shell in SHELLS[3:] and shutil.which(shell) is None:
        raise UsageError(f"{shell} is not installed here, so its profile cannot be found")
    shellingham.detect_shell = lambda: (shell, shell)
    return [flag, *(words[2:] if given and not equals else words[1:])]


def _current_shell() -> str:
    """Return the name of the shell that started the program, "" for an unknown one."""
    import shellingham

    try:
        return str(shellingham.detect_shell()[0])
    except (OSError, shellingham.ShellDetectionFailure):
        return ""


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
    known = _manifest(context).get("classes", [])
    return [text for text in known if isinstance(text, str) and _begins(text, incomplete)]


def _manifest(context: typer.Context) -> dict[str, Any]:
    """Return the manifest of the model on the command line, or of the default model, empty for none."""
    import json

    from aetool.bundle.lookup import default_path, find_path
    from aetool.errors import BundleError

    try:
        name = context.params.get("model")
        path = find_path(name) if name else default_path()[0]
        found = json.loads((path / "bundle.json").read_bytes())
    except (BundleError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def data_sets(incomplete: str) -> list[tuple[str, str]]:
    """Return the data sets with a name, and the folders here."""
    named = [(name, choice.help) for name, choice in choices.DATASETS.items()]
    here = [(entry.name + os.sep, "a folder") for entry in sorted(Path().iterdir()) if entry.is_dir()]
    return [(name, line) for name, line in named + here if _begins(name, incomplete)]


def keys(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the keys that begin as a word does and name no file; none for an empty word, where the shell has files.

    bash takes a word apart at its colons: then the parts before the last are among the arguments, and the rest of a
    key alone is wanted.
    """
    before = [word for word in context.params.get("keys") or context.params.get("files") or () if word]
    start = next((word for word in choices.KEY_STARTS if incomplete.startswith(word)), None)
    if incomplete == ":" and before:
        return [(text, line) for text, line in _after(context, f"{before[-1]}:", "")]
    if before[-1:] == [":"] and len(before) > 1:
        return _after(context, f"{before[-2]}:", incomplete)
    if start:
        return [(start + text, line) for text, line in _after(context, start, incomplete.removeprefix(start))]
    if not incomplete or list(Path().glob(glob.escape(incomplete) + "*")):
        return []
    return [
        (form.partition(":")[0] + ":", choice.help)
        for form, choice in choices.KEYS.items()
        if form.startswith(incomplete)
    ]


def _after(context: typer.Context, start: str, incomplete: str) -> list[tuple[str, str]]:
    """Return what may follow the beginning of a key: classes of the model, and numbers of axes."""
    if start == "class:":
        return [(name, "a class") for name in classes(context, incomplete)]
    if start == "axis:":
        size = _manifest(context).get("latent_size", 0)
        return [(str(n), f"principal axis {n}") for n in range(1, size + 1) if str(n).startswith(incomplete)]
    return []


def _begins(name: str, start: str) -> bool:
    """Return whether a name begins with a typed start, in either spelling of accents."""
    from aetool.system.names import composed

    return composed(name).startswith(composed(start))
