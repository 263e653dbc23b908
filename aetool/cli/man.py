"""The manual page of the program, in the language of man, made of the commands and their help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aetool import __version__, choices, errors
from aetool.cli.examples import EXAMPLES

if TYPE_CHECKING:
    import typer

VARIABLES = {
    "AETOOL_MODEL": "the model where -m names none",
    "AETOOL_DATA": "the folder of data sets with a name",
    "XDG_CACHE_HOME": "the folder of caches; by default ~/.cache",
    "AETOOL_DEBUG": "1 shows where an error comes from",
}
SIGNALS = {130: "Ctrl-C", 141: "the reader of stdout went away", 143: "SIGTERM"}


def page(context: typer.Context) -> str:
    """Return the manual page of the program whose context this is."""
    group: Any = context.command
    commands = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    lines = [
        f'.TH AETOOL 1 "" "aetool {__version__}"',
        ".SH NAME", rf"aetool \- {_text(group.help[:1].lower() + group.help[1:].rstrip('.'))}",
        ".SH SYNOPSIS", ".B aetool", r"\fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH OPTIONS", *_options(group, context),
        ".SH COMMANDS", *(line for name, command in commands for line in _command(name, command, context)),
        ".SH KEYS", "Where a command takes keys, these are no files:", *_entries(choices.KEYS.items()),
        ".SH EXIT STATUS", *_entries((str(code), (line,)) for code, line in sorted(_codes().items())),
        ".SH ENVIRONMENT", *_entries((name, (line,)) for name, line in VARIABLES.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, context: typer.Context) -> Iterator[str]:
    """Yield the part of a command: its usage, its text, its options and its example."""
    inner = command.make_context(name, [], parent=context, resilient_parsing=True)
    yield f".SS aetool {_text(name)} {_text(' '.join(command.collect_usage_pieces(inner)))}"
    for i, paragraph in enumerate(inspect.cleandoc(command.help).split("\n\n")):
        yield from [".PP"] * (i > 0)
        yield _text(" ".join(paragraph.split()))
    yield from _options(command, inner)
    if name in EXAMPLES:
        yield from [".PP", "Example:", ".PP", ".nf", ".RS", _text(EXAMPLES[name]), ".RE", ".fi"]


def _options(command: Any, context: typer.Context) -> Iterator[str]:
    """Yield the arguments and options of a command with their help."""
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    yield from _entries((names, (help_text,)) for names, help_text in filter(None, records))


def _entries(entries: Any) -> Iterator[str]:
    """Yield entries of a list: pairs of a name and a sequence that begins with its text."""
    for name, text in entries:
        yield from [".TP", rf"\fB{_text(name)}\fR", _text(" ".join(text[0].split()) or "see above")]


def _codes() -> dict[int, str]:
    """Return the meaning of each exit code: the first sentence of its error."""
    kinds = (kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.AetoolError))
    said = {kind.exit_code: re.split(r"[:.]", str(kind.__doc__))[0] for kind in kinds}
    return (
        {0: "done"} | {code: line[:1].lower() + line[1:] for code, line in said.items()} | SIGNALS | {1: "unexpected"}
    )


def _text(text: str) -> str:
    """Return a text of one line with what man takes for its own escaped."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    escaped = "".join(c if c.isascii() else rf"\[u{ord(c):04X}]" for c in escaped)
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
