"""The program `aetool`: its commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import warnings
from importlib import import_module
from types import FrameType
from typing import Annotated, NoReturn

import typer

from aetool import __version__
from aetool.cli.report import say
from aetool.errors import AetoolError, PipeClosed, ReadWriteError, UsageError, reason

COMMANDS = (
    "train", "export", "encode", "decode", "reconstruct", "interpolate", "sample", "combine", "perturb",
    "search", "score", "evaluate", "bench", "info", "verify", "devices", "explain",
)  # fmt: skip
"""Each is the function of that name in the module of that name beside this file."""

TRAINING_PACKAGES = frozenset({"torch", "onnx", "onnxscript", "safetensors", "sklearn"})


class Terminated(BaseException):
    """SIGTERM came: unwinds like KeyboardInterrupt, so that temporaries are removed."""


def build(words: list[str]) -> typer.Typer:
    """Return the application with the one command that `words` call, or all where they call none."""
    app = typer.Typer(
        name="aetool",
        help="Train small image autoencoders, and make new images from their latents.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_top)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        app.command(name)(getattr(import_module(f"aetool.cli.commands.{name}"), name))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aetool {__version__}")
        raise typer.Exit


def _top(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(words: list[str]) -> int:
    """Run one command line and return its exit code; errors are told on stderr in one line."""
    try:
        _refuse_empty(words)
        code = build(words)(words, prog_name="aetool", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PipeClosed:
        return PipeClosed.exit_code
    except AetoolError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:  # of the parser: an unknown option, a missing argument
        return _fail(f"{error.format_message().rstrip('.')}; see: {_help_command(words)}", 2)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in TRAINING_PACKAGES:
            return _fail(f"this needs {error.name.partition('.')[0]}; install it with: pip install 'aetool[train]'", 2)
        return _unexpected(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Terminated:
        return 128 + signal.SIGTERM
    except OSError as error:
        return _fail(f"could not read or write{_file(error)}: {reason(error)}", 7)
    except SystemExit as error:  # the parser's way out when the reader of its help went away
        return PipeClosed.exit_code if error.code == 1 else int(error.code or 0)
    except Exception as error:
        return _unexpected(error)


def _refuse_empty(words: list[str]) -> None:
    if any(not word or (word.startswith("--") and word.endswith("=")) for word in words):
        raise UsageError("an argument is empty; is a variable of your script unset?")


def _fail(message: str, code: int) -> int:
    if _signals:  # extension modules make an ImportError of an interrupt
        return 128 + _signals[0]
    if os.environ.get("AETOOL_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    say(f"aetool: {message}")
    return code


def _unexpected(error: Exception) -> int:
    detail = (str(error).splitlines() or [""])[0]
    hint = "; AETOOL_DEBUG=1 shows where; please report it"
    return _fail(f"unexpected {type(error).__name__}: {detail}{hint}", 1)


def _help_command(words: list[str]) -> str:
    return f"aetool {words[0]} --help" if words and words[0] in COMMANDS else "aetool --help"


def _file(error: OSError) -> str:
    return f" {error.filename}" if error.filename else ""


_signals: list[int] = []
"""Which signals have come."""


SOON = 0.02
"""Seconds until a signal that came where exceptions are lost is looked at again."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the command, though not where exceptions are lost: extension modules that start, and what follows a fork."""
    _signals.append(number)
    if hasattr(signal, "setitimer") and _losing(frame):
        signal.signal(signal.SIGALRM, lambda _, frame: _interrupt(number, frame))
        signal.setitimer(signal.ITIMER_REAL, SOON)
        return
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _losing(frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or name.endswith("popen_fork.py"):
            return True
        frame = frame.f_back
    return False


def _silence_libraries() -> None:
    """Keep what C libraries write to file descriptor 2 (libtiff, ONNX Runtime) out of our lines; stderr stays ours."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: or the next file opened would take its place, and what libraries print
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None or os.environ.get("AETOOL_DEBUG") == "1":
        return
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


GC_THRESHOLD = 50_000
"""Objects between two collections: at Python's 700 (2,000 since 3.13), imports alone cause a hundred of them."""


def main() -> NoReturn:
    """Entry point: run the command line of this process and leave with its code."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    _silence_libraries()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn of damaged files in lines that are not ours
    code = run(sys.argv[1:])
    if code == PipeClosed.exit_code and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains at exit that it cannot flush
    if os.environ.get("AETOOL_DEBUG") == "1":
        sys.exit(code)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once: everything is written, and taking down what ONNX Runtime built costs tens of ms."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        code = code or ReadWriteError.exit_code
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)
