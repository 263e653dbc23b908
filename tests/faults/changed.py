"""Every changed byte of a bundle is caught before anything is loaded."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import FILES, SUMS
from aetool.bundle.lookup import shipped_path
from aetool.errors import BundleError
from tests.faults.outcome import HANG, Outcome, part_of
from tests.toy import write_toy

RANDOM_BYTES = 500
THROUGH_THE_PROGRAM = 20
Change = tuple[str, str, Callable[[Path], None]]


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what changes the bytes of one file of a bundle."""
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes())) and None


def flipped(name: str, at: int, bits: int) -> Callable[[Path], None]:
    """Return what changes one byte of one file."""
    return rewritten(name, lambda data: data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :])


def _swap(folder: Path, a: str, b: str) -> None:
    (folder / a).rename(folder / "aside")
    (folder / b).rename(folder / a)
    (folder / "aside").rename(folder / b)


def changes(folder: Path, rng: random.Random) -> Iterator[Change]:
    """Yield every change to a bundle: its kind, what it is, and what makes it."""
    sizes = {name: (folder / name).stat().st_size for name in (*FILES, SUMS)}
    places = [(name, at) for name in FILES for at in rng.sample(range(sizes[name]), RANDOM_BYTES // len(FILES))]
    for name, at in places:
        yield "random byte", f"{name} {at}", flipped(name, at, rng.randrange(1, 256))
    for name in ("bundle.json", SUMS):
        for at in range(sizes[name]):
            yield "every byte", f"{name} {at}", flipped(name, at, rng.randrange(1, 256))
    for name in (*FILES, SUMS):
        for percent in range(100):
            cut = rewritten(name, lambda data, p=percent: data[: len(data) * p // 100])
            yield "truncated", f"{name} at {percent} %", cut
        yield "missing", name, lambda folder, name=name: (folder / name).unlink()
        yield "added", name, lambda folder, name=name: shutil.copy(folder / name, folder / f"{name}.1") and None
        for other in FILES:
            if other > name or name == SUMS:
                yield "swapped", f"{name} {other}", lambda folder, a=name, b=other: _swap(folder, a, b)


def run(share: float, seed: int) -> Outcome:
    """Try `share` of all changes, to the toy bundle and (the random bytes) to a shipped one."""
    outcome, rng = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        toy = write_toy(Path(name, "toy"))
        real = shipped_path("mnist")
        todo = [(toy, change) for change in changes(toy, rng)]
        todo += [(real, change) for change in changes(real, rng) if change[0] == "random byte"]
        copy = Path(name, "copy")
        for i, (source, (kind, what, change)) in enumerate(part_of(todo, share, rng)):
            shutil.copytree(source, copy)
            change(copy)
            outcome.add(kind, _refused(copy, what))
            if i < THROUGH_THE_PROGRAM:
                outcome.add("through the program", _refused_by_the_program(copy, what))
            shutil.rmtree(copy)
    return outcome


def _refused(folder: Path, what: str) -> str | None:
    try:
        Bundle.read(folder)
    except BundleError as error:
        return None if error.exit_code == 5 and "refused" in str(error) else f"{what}: {error}"
    return f"{what} was read"


def _refused_by_the_program(folder: Path, what: str) -> str | None:
    words = [sys.executable, "-m", "aetool", "sample", "-m", folder, "-n", "1", "--latents"]
    done = subprocess.run(words, capture_output=True, timeout=HANG, cwd=Path(__file__).parents[2], env=os.environ)
    one_line = done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr
    return (
        None if done.returncode == 5 and one_line and not done.stdout else f"{what}: {done.returncode} {done.stderr!r}"
    )
