"""Lacking is not failing: every writer where a system call is refused for good, as network and container drives do.

Each call that a writer makes is refused by each number that means "there is no such thing here", at every time: all is
written, with exit code 0. The numbers of a full or broken disk at the same calls stay failures: exit code 7, one line,
and the old files or none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.outcome import Outcome, Unavailable
from tests.faults.writer import WRITERS
from tests.faults.writers import Trial, Writer, content, prepare, strace, torn, torn_checkpoints

NOT_HERE = ("ENOSYS", "EOPNOTSUPP", "EINVAL")
LACKING = {
    "flock": (*NOT_HERE, "ENOLCK", "EBADF", "EACCES", "EPERM"),
    "fsync": NOT_HERE,
    "syncfs": (*NOT_HERE, "EPERM", "EACCES"),
    "chmod": (*NOT_HERE, "EPERM", "EACCES", "EROFS"),
    "chown": (*NOT_HERE, "EPERM", "EIO"),
    "utimensat": (*NOT_HERE, "EPERM", "EACCES"),
    "access": (*NOT_HERE, "EPERM", "EACCES"),
    "rename": (*NOT_HERE, "EXDEV", "EBUSY", "EPERM"),
    "renameat2": (*NOT_HERE, "EXDEV", "EBUSY", "EPERM"),
    "link": (*NOT_HERE, "EPERM"),
    "fallocate": NOT_HERE,
    "copy_file_range": NOT_HERE,
    "sendfile": NOT_HERE,
    "statfs": (*NOT_HERE, "EACCES"),
}
"""What may be refused, by call; a call that no writer makes is one that a later writer may make."""
FULL = ("ENOSPC", "EIO", "EDQUOT")
FAILING = {"write": (*FULL, "EFBIG"), "fsync": FULL, "syncfs": FULL, "rename": (*FULL, "EROFS", "EACCES"),
           "renameat2": (*FULL, "EROFS"), "openat": ("EROFS", "ENOSPC", "EMFILE")}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(WRITERS))
def trials(request) -> Iterator[list[Trial]]:
    """A writer without and with old files."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "scratch").mkdir()
        writer = Writer(request.param, place / "scratch")
        try:
            yield [Trial(writer, prepare(writer, place, version), place, Outcome()) for version in (0, 1)]
        except Unavailable as error:
            pytest.skip(f"FAULTS NOT TRIED: {error}")
        finally:
            writer.close()


def refused(trial: Trial, call: str, error: str) -> tuple[int, str, Path]:
    """Write with every `call` refused; returns the exit code, the line that was said, and the folder."""
    folder = trial.fresh()
    with strace(trial.writer, trial.place / "log", "-e", f"trace={call}", "-e", f"inject={call}:error={error}"):
        code, said = trial.writer.write(folder, trial.start.version)
    return code, said, folder


def test_a_call_that_a_file_system_lacks_is_done_without(trials):
    tried = 0
    for trial in trials:
        for call in sorted(LACKING.keys() & trial.start.calls.keys()):
            for error in LACKING[call]:
                code, said, folder = refused(trial, call, error)
                now, new = content(folder), trial.start.new
                assert (code, said) == (0, ""), f"{call} {error}: {said}"
                assert now == new or (trial.writer.kind == "checkpoint" and new.items() <= now.items()), (call, error)
                assert not list(folder.rglob("*.aetool-tmp")), (call, error)
                tried += 1
    assert tried >= 20


def test_a_disk_that_fails_is_a_failure(trials):
    for trial in trials:
        kind, start = trial.writer.kind, trial.start
        for call in sorted(FAILING.keys() & start.calls.keys()):
            for error in FAILING[call]:
                code, said, folder = refused(trial, call, error)
                assert code in (7, 5 if kind == "checkpoint" else 7), f"{call} {error}: {code} {said}"
                assert said and said.isprintable()
                now = content(folder)
                checkpoints = kind == "checkpoint"
                assert not (
                    torn_checkpoints(folder, bool(start.old)) if checkpoints else torn(kind, start.old, start.new, now)
                )
