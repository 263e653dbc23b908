"""Completion in the shell: its installation, and the names of models, classes and data sets, found without NumPy."""

from __future__ import annotations

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
    _join_colon()
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


_begun: list[str] = []
"""The beginning of the key to complete, where bash has taken it off."""


def _join_colon() -> None:
    """Take the beginning of a key, as "class:", from the words of bash, which are apart at colons."""
    if os.environ.get("_AETOOL_COMPLETE") != "complete_bash":
        return
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD", "0"))
    colon = next((i for i in (at, at - 1) if 1 < i < len(words) and words[i] == ":"), None)
    if colon is not None:
        _begun.append(f"{words[colon - 1]}:")
        os.environ["COMP_WORDS"] = "\n".join([*words[: colon - 1], *words[colon + 1 : at + 1]])
        os.environ["COMP_CWORD"] = str(colon - 1)


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
    listed = known if isinstance(known, list) else []
    return [text for text in listed if isinstance(text, str) and _begins(text, incomplete)]


def _manifest(context: typer.Context) -> dict[str, Any]:
    """Return the manifest of the model on the command line, or of the default model, empty for none."""
    import json

    from aetool.bundle.lookup import default_path, find_path
    from aetool.errors import BundleError

    try:
        name = context.params.get("model")
        path = find_path(name, offline=True) if name else default_path(offline=True)[0]
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

    Behind a colon bash wants the rest of a key alone.
    """
    import glob

    if _begun:
        return _after(context, _begun[0], incomplete)
    if not incomplete or (":" not in incomplete and list(Path().glob(glob.escape(incomplete) + "*"))):
        return []
    found = []
    for start, choice in zip(choices.KEY_STARTS, choices.KEYS.values(), strict=True):
        if start.startswith(incomplete) or incomplete.startswith(start):
            rest = [(start + text, line) for text, line in _after(context, start, incomplete[len(start) :])]
            found += rest or [(start, choice.help)] * (len(incomplete) < len(start))
    return found


def _after(context: typer.Context, start: str, incomplete: str) -> list[tuple[str, str]]:
    """Return what may follow the beginning of a key: classes of the model, numbers of axes, folders."""
    if start == "class:":
        return [(name, "a class") for name in classes(context, incomplete)]
    if start == "axis:":
        size = _manifest(context).get("latent_size", 0)
        return [(str(n), f"principal axis {n}") for n in range(1, size + 1) if str(n).startswith(incomplete)]
    if start == "mean:":
        import glob

        here = sorted(Path().glob(glob.escape(incomplete) + "*/"))
        return [(f"{folder}{os.sep}", "a folder") for folder in here]
    return []


def _begins(name: str, start: str) -> bool:
    """Return whether a name begins with a typed start, in either spelling of accents."""
    from aetool.system.names import composed

    return composed(name).startswith(composed(start))
