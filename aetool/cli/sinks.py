"""Where data goes: what -o asks for, stdout, and files of latents."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aetool.errors import PipeClosed, ReadWriteError, UsageError, printable, reason

if TYPE_CHECKING:
    from aetool.latents.files import LatentBatch

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
ANIMATION_SUFFIXES = (".gif", ".webp", ".apng")
LATENT_SUFFIXES = (".jsonl", ".npz", ".npy")


class Inputs:
    """What a command reads, so that it writes over none of it, whatever it is called and however it is linked."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.files: set[tuple[int, int]] = set()

    def add(self, name: str) -> None:
        """Remember a file or folder that is read; what does not exist is told elsewhere."""
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(name)  # noqa: PTH116
            if os.path.isdir(name):  # noqa: PTH112
                self.folders.add(os.path.realpath(name))
            else:
                self.files.add((status.st_dev, status.st_ino))

    def add_picture(self, name: str) -> None:
        """Remember a picture that is read; as `add`, but without another look at what kind of file it is."""
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(name)  # noqa: PTH116
            self.files.add((status.st_dev, status.st_ino))

    def refuse(self, path: Path | str, one_of_many: bool = False) -> None:
        """Raise `UsageError` where writing to `path` would replace a file that is read.

        `one_of_many` says that it is one of many outputs: then nothing in a folder that is read may be replaced.
        """
        if not os.path.exists(path):  # noqa: PTH110
            return
        status, real = os.stat(path), os.path.realpath(path)  # noqa: PTH116
        inside = one_of_many and any(real.startswith(folder + os.sep) for folder in self.folders)
        if inside or (status.st_dev, status.st_ino) in self.files:
            raise UsageError(f"{printable(str(path))} is an input; choose another -o")


@dataclass(frozen=True)
class Target:
    """What to write and where: `kind` is picture, animation, folder, latents or terminal; without a path, stdout.

    `inputs` is what the command has read so far, and must not be written over.
    """

    kind: str
    path: Path | None
    suffix: str
    inputs: Inputs = field(default_factory=Inputs)


def target_of(output: str | None, latents: bool = False) -> Target:
    """Return what -o (or stdout where there is none) and --latents ask for; raises `UsageError`."""
    if output is None or output == "-":
        to_terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
        kind = "latents" if latents else "terminal" if to_terminal else "picture"
        return Target(kind, None, ".jsonl" if latents else ".png")
    path, suffix = Path(output), os.path.splitext(output)[1].lower()  # noqa: PTH122
    folder = output.endswith(("/", os.sep)) or path.is_dir()
    kinds = {"picture": PICTURE_SUFFIXES, "animation": ANIMATION_SUFFIXES, "latents": LATENT_SUFFIXES}
    kind = "folder" if folder else next((name for name, known in kinds.items() if suffix in known), "")
    if not kind and path.exists() and not path.is_file():  # a device or FIFO: as stdout
        kind, suffix = ("latents", ".jsonl") if latents else ("picture", ".png")
    if not kind or (latents and kind != "latents"):
        known = LATENT_SUFFIXES if latents else [*PICTURE_SUFFIXES, *ANIMATION_SUFFIXES, "folder/", *LATENT_SUFFIXES]
        raise UsageError(f"-o {printable(output)} does not say what to write; end it with {', '.join(known)}")
    return Target(kind, path, suffix)


def keep_inputs(target: Target, names: Iterable[str]) -> None:
    """Raise `UsageError` where the output is one of the inputs, or a folder of or inside an input folder."""
    if target.path is None:
        return
    output = Path(os.path.realpath(target.path))
    for name in names:
        given = Path(os.path.realpath(name))
        if given == output or (given in output.parents and given.is_dir() and _would_be_read(target, output)):
            raise UsageError(f"the output {printable(str(target.path))} is an input; choose another -o")
        if target.kind == "folder" and given.parent == output and not given.is_dir():
            raise UsageError(f"the output folder {printable(str(target.path))} holds an input; choose another -o")


def _would_be_read(target: Target, output: Path) -> bool:
    """Whether an output inside an input folder is, or becomes, one of its pictures."""
    return target.kind == "folder" or (target.kind != "latents" and output.exists())


def write_stdout(data: bytes | str) -> None:
    """Write to stdout and see it through; raises `PipeClosed` where the reader went away, `ReadWriteError` else."""
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


def write_records(batches: Iterable[LatentBatch], target: Target, size: int) -> int:
    """Write latents to where `target` says, JSON Lines as they come; returns how many."""
    from aetool.latents.files import Spool, to_jsonl
    from aetool.system.atomic import replacing, writing

    counted = _Counted(batches)
    if target.path is None:
        for batch in counted:
            write_stdout(to_jsonl(batch))
    elif target.suffix == ".jsonl":
        with replacing(target.path) as stream:
            for batch in counted:
                stream.write(to_jsonl(batch))
            target.inputs.refuse(target.path)
    else:
        with writing(target.path), Spool(_place_of(target.path), size) as spool:
            spool.add(counted)
            target.inputs.refuse(target.path)
            if counted.count:
                with replacing(target.path) as stream:
                    spool.write(stream, target.suffix)
    return counted.count


def _place_of(path: Path) -> Path:
    """Return the folder where a file is, or becomes, and where there is room for it: not that of a device."""
    target = Path(os.path.realpath(path))
    return target.parent if target.is_file() or not target.exists() else Path(tempfile.gettempdir())


class _Counted:
    """Batches passing by, counted."""

    def __init__(self, batches: Iterable[LatentBatch]) -> None:
        self.batches = batches
        self.count = 0

    def __iter__(self) -> Iterator[LatentBatch]:
        for batch in self.batches:
            self.count += len(batch.latents)
            yield batch
