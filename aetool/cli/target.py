"""Targets: the place and kind of an output, which never replaces an input."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from aetool.choices import ANIMATION_SUFFIXES, ARRAY_SUFFIXES, LATENT_SUFFIXES, PICTURE_SUFFIXES, RAW_SUFFIX
from aetool.errors import PipeClosed, ReadWriteError, UsageError, printable, reason
from aetool.system.special import STDOUT, descriptor_of, is_special, is_terminal


class ReadFiles:
    """The files and folders read by a command; no output may replace them, under any name or link."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.files: set[tuple[int, int]] = set()

    def add(self, name: str) -> None:
        """Remember an input file or folder; a missing file is named by its reader."""
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(name)  # noqa: PTH116
            if os.path.isdir(name):  # noqa: PTH112
                self.folders.add(os.path.realpath(name))
            else:
                self.files.add((status.st_dev, status.st_ino))

    def add_picture(self, name: str) -> None:
        """Remember an input picture; as `add`, without a second look at the kind of the file."""
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(name)  # noqa: PTH116
            self.files.add((status.st_dev, status.st_ino))

    def refuse(self, path: Path | str, one_of_many: bool = False) -> None:
        """Raise `UsageError` where writing to `path` would replace a file that is read.

        `one_of_many` marks one of many outputs: then no file inside an input folder may be replaced. Pipes and devices
        are never replaced.
        """
        if not os.path.exists(path) or is_special(path):  # noqa: PTH110
            return
        status, real = os.stat(path), os.path.realpath(path)  # noqa: PTH116
        inside = one_of_many and any(real.startswith(folder + os.sep) for folder in self.folders)
        if inside or (status.st_dev, status.st_ino) in self.files:
            raise UsageError(f"{printable(str(path))} is an input; choose another -o")


@dataclass(frozen=True)
class Target:
    """An output: `kind` is picture, animation, folder, frames, array, latents or terminal; `path` None is stdout.

    A terminal gets pictures as text. `read` holds the inputs so far, `complete` hashes of the paths of pictures that
    --skip-existing leaves as they are, `option` names the output in messages.
    """

    kind: str
    path: Path | None
    suffix: str
    read: ReadFiles = field(default_factory=ReadFiles)
    complete: set[int] = field(default_factory=set, repr=False)
    option: str = "-o"

    def add_input(self, name: str) -> None:
        """Remember an input; raises `UsageError` where the output would replace the input or lie among its pictures."""
        if self.path is not None and not is_special(self.path):
            self._refuse_input(self.path, name)
        self.read.add(name)

    def _refuse_input(self, path: Path, name: str) -> None:
        output, given = Path(os.path.realpath(path)), Path(os.path.realpath(name))
        if given == output or (given in output.parents and given.is_dir() and self._would_be_read(output)):
            raise UsageError(f"the output {printable(str(path))} is an input; choose another {self.option}")
        if self.kind == "folder" and given.parent == output and not given.is_dir():
            raise UsageError(f"the output folder {printable(str(path))} holds an input; choose another {self.option}")

    def _would_be_read(self, output: Path) -> bool:
        """Return whether an output inside an input folder is, or becomes, a picture of the folder."""
        return self.kind == "folder" or (self.kind != "latents" and output.exists())


def pixel_target(folder: str, beside: Target) -> Target:
    """Return the target of --pixels, a folder that replaces no input of `beside`; raises `UsageError`."""
    path = Path(folder)
    if (path / "bundle.json").is_file() or (path.exists() and not path.is_dir()):
        raise UsageError(f"--pixels takes a folder for the pixels, and {printable(folder)} is none")
    return Target("folder", path, RAW_SUFFIX, beside.read, option="--pixels")


KINDS = {"picture": PICTURE_SUFFIXES, "animation": ANIMATION_SUFFIXES, "latents": LATENT_SUFFIXES}
"""Kinds of files, each with its suffixes."""


PAGE_SUFFIXES = (".html", ".htm")


def page_target(output: str | None) -> Target:
    """Return the target of a page, stdout without -o; raises `UsageError` for a terminal and for another suffix."""
    if output is None or output == "-":
        if sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a page is a file of some megabytes; name it with -o, as -o page.html")
        return Target("page", None, PAGE_SUFFIXES[0])
    path = Path(output)
    if is_special(path):
        return Target("page", path, PAGE_SUFFIXES[0])
    if path.suffix.lower() not in PAGE_SUFFIXES or path.is_dir():
        raise UsageError(f"-o {printable(output)} is no name of a page; end it with .html")
    return Target("page", path, path.suffix)


TERM = "term"
"""The output that is a preview on stdout, whatever stdout is; ./term is a file."""


ANY = (*PICTURE_SUFFIXES, *ANIMATION_SUFFIXES, "folder/", *LATENT_SUFFIXES)
PICTURED = (*PICTURE_SUFFIXES, *ANIMATION_SUFFIXES, "folder/", *ARRAY_SUFFIXES)
"""Ends of an output that is of pictures or latents, and of one that is of pictures or images."""


def target_of(output: str | None, latents: bool = False, ends: tuple[str, ...] = ANY) -> Target:
    """Return the target of -o (or stdout) and --latents; raises `UsageError`, with the `ends` that there are."""
    if output is None or output == "-":
        to_terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
        kind = "latents" if latents else "terminal" if to_terminal else "picture"
        return Target(kind, None, ".jsonl" if latents else ".png")
    if output == TERM:
        if latents:
            raise UsageError("term is a preview of pictures; leave --latents or -o out")
        return Target("terminal", None, ".png")
    path, suffix = Path(output), os.path.splitext(output)[1].lower()  # noqa: PTH122
    folder = output.endswith(("/", os.sep)) or path.is_dir()
    if folder and (path / "bundle.json").is_file():
        raise UsageError(f"{printable(output)} is the folder of a model; choose another -o")
    kind = "folder" if folder else next((name for name, known in KINDS.items() if suffix in known), "")
    if not folder and (not latents or kind in ("", "latents")) and is_special(path):
        return _special_target(path, "latents" if latents else kind, suffix if kind else "")
    if not kind or (latents and kind != "latents"):
        known = ", ".join(LATENT_SUFFIXES if latents else ends)
        raise UsageError(f"-o {printable(output)} does not say what to write; end it with {known}")
    return Target(kind, path, suffix)


def _special_target(path: Path, kind: str, suffix: str) -> Target:
    """Return the target for a pipe, device or open descriptor: what its suffix says, else the same as for stdout.

    A terminal gets text alone. /dev/stdout is stdout, under all its names.
    """
    suffix = suffix or (".jsonl" if kind == "latents" else ".png")
    if is_terminal(path):
        if suffix in (".npz", ".npy"):
            raise UsageError(f"{printable(str(path))} is a terminal; latents there are lines, as .jsonl")
        kind = kind if kind == "latents" else "terminal"
    streamed = suffix not in (".npz", ".npy") and descriptor_of(path) == STDOUT
    return Target(kind or "picture", None if streamed else path, suffix)


def picture_target(output: str | None, written: str) -> Target:
    """Return a target for pictures, also as an array; raises `UsageError` for .jsonl, with what is `written`."""
    target = target_of(output, ends=PICTURED)
    if target.kind == "latents" and target.suffix in ARRAY_SUFFIXES:
        return replace(target, kind="array")
    if target.kind == "latents":
        raise UsageError(f"{written}; end -o with {', '.join(PICTURED)}")
    return target


def write_text(target: Target, text: str | bytes) -> None:
    """Write text to stdout or to the path of a target; raises `PipeClosed`, `ReadWriteError`."""
    if target.path is None:
        write_stdout(text)
        return
    from aetool.system.atomic import write_file

    write_file(target.path, text.encode() if isinstance(text, str) else text)


def write_stdout(data: bytes | str) -> None:
    """Write to stdout to the last byte; raises `PipeClosed` where the reader went away, else `ReadWriteError`."""
    if sys.stdout is None:
        raise ReadWriteError("could not write to stdout: it is closed")
    rest = memoryview(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
    try:
        while rest:  # unbuffered (python -u), stdout takes only what the pipe has room for
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise PipeClosed from None
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)  # or the unwritten rest is tried again, and complained of, at exit
        raise ReadWriteError(f"could not write to stdout: {reason(error)}") from error
