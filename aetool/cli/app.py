"""The program `aetool`: its commands, and the single place where errors become a line and an exit code."""

from __future__ import annotations

import inspect
import os
import signal
import time
from importlib import import_module
from keyword import iskeyword
from typing import Annotated

import typer

from aetool import __version__
from aetool.choices import installing
from aetool.cli.causes import cause
from aetool.cli.completion import with_shell
from aetool.cli.console import say
from aetool.cli.examples import EXAMPLES
from aetool.cli.fixes import told
from aetool.cli.options import flattened
from aetool.cli.process import MANY_THREADS, Starved, Terminated, signals
from aetool.cli.stdin import take_stdin_back
from aetool.cli.target import write_stdout
from aetool.errors import (
    AetoolError,
    BundleError,
    DeviceUnavailable,
    LimitExceeded,
    PipeClosed,
    ProcessEnded,
    UsageError,
    reason,
)

COMMANDS = (
    "train", "export", "import", "encode", "decode", "reconstruct", "interpolate", "sample", "combine", "perturb",
    "search", "score", "explore", "evaluate", "bench", "info", "verify", "devices", "explain",
)  # fmt: skip
"""Names of the commands; `commands/` has a file with a function of each name, `import_` for the word of Python."""

TRAINING_PACKAGES = frozenset({"matplotlib", "torch", "onnx", "onnxscript", "safetensors", "sklearn"})

LATER = 3.0
"""Seconds that a process waits for the first one to say what is wrong: torchrun ends all as soon as one ends."""


def build(words: list[str]) -> typer.Typer:
    """Return the application with the command that `words` call, or with all commands."""
    app = typer.Typer(
        name="aetool",
        help="Train small image autoencoders, and make new images from their latents.",
        epilog="Examples:\n\n\b\n" + "\n".join(f"  {EXAMPLES[name]}" for name in COMMANDS if name in EXAMPLES),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_top)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        file = f"{name}_" if iskeyword(name) else name
        command = getattr(import_module(f"aetool.cli.commands.{file}"), file)
        summary = inspect.cleandoc(command.__doc__).partition("\n\n")[0]
        example = f"\b\nExample:\n  {EXAMPLES[name]}" if name in EXAMPLES else None
        app.command(name, short_help=summary, epilog=example)(flattened(command))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aetool {__version__}")
        raise typer.Exit


def _man(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from aetool.cli.man import page

        write_stdout(page(context))
        raise typer.Exit


def _top(
    context: typer.Context,
    _shown: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    _manual: Annotated[
        bool,
        typer.Option("--man", callback=_man, is_eager=True, help="Print the manual page: aetool --man | man -l -"),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(words: list[str]) -> int:
    """Run a command line and return its exit code; an error is printed on stderr in one line."""
    try:
        take_stdin_back()
        if _has_empty(words):
            return _fail_by_words("an argument is empty; is a variable of your script unset?", words)
        words = with_shell(words)
        if words[:1] in MANY_THREADS:
            os.getcwd()  # noqa: PTH109 (where it is gone, libraries of torch end the process)
        code = build(words)(words, prog_name="aetool", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PipeClosed:
        return PipeClosed.exit_code
    except ProcessEnded as error:  # said although torchrun ends this process as well, by a signal
        if str(error):
            say(f"aetool: {error}")
        return error.exit_code
    except AetoolError as error:
        return _fail(*(_lacked(error) or (told(error), error.exit_code)))
    except typer.TyperException as error:  # of the parser: an unknown option, a missing argument
        return _fail_by_words(f"{error.format_message().rstrip('.')}; see: {_help_command(words)}", words)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in TRAINING_PACKAGES:
            return _fail(f"this needs {error.name.partition('.')[0]}; install it with: {installing('train')}", 2)
        return _unexpected(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Starved as end:
        return _fail(str(end), LimitExceeded.exit_code)
    except Terminated:
        return 128 + signal.SIGTERM
    except OSError as error:
        return _fail(*(cause(error) or (f"could not read or write{_file(error)}: {reason(error)}", 7)))
    except SystemExit as error:  # the parser's way out when the reader of its help went away
        return PipeClosed.exit_code if error.code == 1 else int(error.code or 0)
    except Exception as error:
        return _unexpected(error)


def _has_empty(words: list[str]) -> bool:
    return any(not word or (word.startswith("--") and word.endswith("=")) for word in words)


def _fail_by_words(message: str, words: list[str]) -> int:
    """Say what is wrong with a command line; of a training by several processes the first one says it."""
    if words[:1] == ["train"] and os.environ.get("MASTER_ADDR") and os.environ.get("RANK", "0") != "0":
        time.sleep(LATER)
        return UsageError.exit_code
    return _fail(message, UsageError.exit_code)


def _fail(message: str, code: int) -> int:
    if signals():  # extension modules make an ImportError of an interrupt
        return 128 + signals()[0]
    if os.environ.get("AETOOL_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    say(f"aetool: {message}")
    return code


def _lacked(error: AetoolError) -> tuple[str, int] | None:
    """Return the cause outside the program of a bundle or library that could not be loaded, None for another error."""
    return cause(error.__cause__) if isinstance(error, BundleError | DeviceUnavailable) and error.__cause__ else None


def _unexpected(error: Exception) -> int:
    known = cause(error)
    if known:
        return _fail(*known)
    detail = (str(error).splitlines() or [""])[0]
    hint = "; AETOOL_DEBUG=1 shows where; please report it"
    return _fail(f"unexpected {type(error).__name__}: {detail}{hint}", 1)


def _help_command(words: list[str]) -> str:
    return f"aetool {words[0]} --help" if words and words[0] in COMMANDS else "aetool --help"


def _file(error: OSError) -> str:
    return f" {error.filename}" if error.filename else ""
