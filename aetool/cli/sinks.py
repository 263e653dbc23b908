"""Where data goes: what -o asks for, stdout, and files of latents."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aetool.errors import PipeClosed, ReadWriteError, UsageError, printable, reason

if TYPE_CHECKING:
    from aetool.latents import LatentBatch

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
ANIMATION_SUFFIXES = (".gif", ".webp", ".apng")
LATENT_SUFFIXES = (".jsonl", ".npz", ".npy")


@dataclass(frozen=True)
class Target:
    """What to write and where: `kind` is picture, animation, folder, latents or terminal; without a path, stdout."""

    kind: str
    path: Path | None
    suffix: str


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
    output = target.path.resolve()
    for name in names:
        given = Path(name).resolve()
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
    rest = memoryview(data.encode() if isinstance(data, str) else data)
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
    from aetool.files import replacing, write_file
    from aetool.latents import to_arrays, to_jsonl

    counted = _Counted(batches)
    if target.path is None:
        for batch in counted:
            write_stdout(to_jsonl(batch))
    elif target.suffix == ".jsonl":
        with replacing(target.path) as stream:
            for batch in counted:
                stream.write(to_jsonl(batch))
    else:
        data = to_arrays(counted, target.suffix, size)
        if counted.count:
            write_file(target.path, data)
    return counted.count


class _Counted:
    """Batches passing by, counted."""

    def __init__(self, batches: Iterable[LatentBatch]) -> None:
        self.batches = batches
        self.count = 0

    def __iter__(self) -> Iterator[LatentBatch]:
        for batch in self.batches:
            self.count += len(batch.latents)
            yield batch
