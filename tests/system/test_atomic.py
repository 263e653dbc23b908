"""Writing that is old or complete: replaced files and folders, what dead processes left, locks, and names."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aetool.errors import ReadWriteError, RunInUse
from aetool.system import atomic, temporaries
from aetool.system.atomic import claim_folder, flushing, replacing, run_lock, write_file, write_folder, writing
from aetool.system.paths import safe_name
from aetool.system.reading import read_file, reading
from aetool.system.temporaries import sweep

HOLD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
SWEEP = "import sys; from pathlib import Path; from aetool.system.temporaries import sweep; sweep(Path(sys.argv[1]))"
RUN = """
import sys; from pathlib import Path; from aetool.system.atomic import run_lock
with run_lock(Path(sys.argv[1])): pass
"""


@pytest.fixture
def holder():
    """Start a process that holds the lock of a path until the test ends, or until it is killed."""
    started = []

    def hold(path: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def umask():
    """Set the umask for the length of a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


# Files


def test_a_file_is_replaced_only_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with replacing(path) as stream:
        stream.write(b"half of ")
        stream.flush()
        assert path.read_bytes() == b"old"
        stream.write(b"the new")
    assert path.read_bytes() == b"half of the new"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("existing", [b"old", None])
def test_an_exception_leaves_the_old_file_or_none_and_no_temporary(tmp_path, error, existing):
    path = tmp_path / "a.png"
    if existing is not None:
        path.write_bytes(existing)
    with pytest.raises((error, ReadWriteError)), replacing(path) as stream:
        stream.write(b"new")
        raise error
    assert (path.read_bytes() if path.exists() else None) == existing
    assert names(tmp_path) == ["a.png"] * (existing is not None)


def test_a_full_disk_leaves_the_old_file_and_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.os, "fsync", full_disk)
    with pytest.raises(ReadWriteError, match=r"could not write .*a\.png: No space left on device"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.png"]


def test_the_file_is_flushed_before_it_takes_its_place_and_the_folder_after(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.png", []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append(("folder" if is_folder else "file", path.exists()))

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    write_file(path, b"new")
    assert seen == [("file", False), ("folder", True)]
    seen.clear()
    write_file(path, b"newer", sync=False)
    assert seen == []
    assert path.read_bytes() == b"newer"


def test_many_files_are_flushed_once_and_a_disk_that_fails_then_is_told(tmp_path, monkeypatch):
    with flushing(tmp_path / "a" / "b"):
        write_file(tmp_path / "a" / "b" / "x", b"new", sync=False)
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"new"
    monkeypatch.setattr(atomic, "sync_file_system", full_disk)
    with pytest.raises(ReadWriteError, match="No space left"), flushing(tmp_path):
        pass
    with pytest.raises(KeyError), flushing(tmp_path):  # not flushed, and so not complained of
        raise KeyError


def test_an_error_of_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(OSError, match="read that") as caught, replacing(tmp_path / "out"):
        raise OSError(5, "read that")
    assert not isinstance(caught.value, ReadWriteError)
    assert names(tmp_path) == []


def test_a_temporary_that_a_sweep_takes_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    removed = []

    def too_late(descriptor, wait=False):
        if not removed:
            (path,) = tmp_path.glob(".*")
            removed.append(path)
            path.rmdir() if path.is_dir() else path.unlink()
        return True

    monkeypatch.setattr(temporaries, "lock", too_late)
    write_file(tmp_path / "a", b"new")
    removed.clear()
    write_folder(tmp_path / "b", {"x": b"new"})
    assert len(removed) == 1 and names(tmp_path) == ["a", "b"] and (tmp_path / "b" / "x").read_bytes() == b"new"


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o755])
def test_the_permissions_of_an_existing_file_are_kept(tmp_path, umask, bits):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    path.chmod(bits)
    write_file(path, b"new")
    assert mode(path) == bits


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_gets_the_permissions_that_the_umask_leaves(tmp_path, umask, mask, expected):
    umask(mask)
    write_file(tmp_path / "a.png", b"new")
    assert mode(tmp_path / "a.png") == expected


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "real.png").write_bytes(b"old")
    link = tmp_path / "link.png"
    link.symlink_to("there/real.png")
    write_file(link, b"new")
    assert link.is_symlink()
    assert (there / "real.png").read_bytes() == b"new"
    assert names(tmp_path) == ["link.png", "there"] and names(there) == ["real.png"]


def test_a_link_to_nothing_yet_makes_the_file_that_it_names(tmp_path):
    link = tmp_path / "link.png"
    link.symlink_to("real.png")
    write_file(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real.png").read_bytes() == b"new"


def test_a_device_is_written_in_place():
    device = Path("/dev/null")
    before = device.stat()
    write_file(device, b"anything")
    after = device.stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


def test_a_fifo_is_written_in_place(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(path, b"through the pipe")
        assert os.read(reader, 100) == b"through the pipe"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_missing_folder_is_told_with_the_path(tmp_path):
    path = tmp_path / "no" / "such" / "a.png"
    with pytest.raises(ReadWriteError) as caught:
        write_file(path, b"new")
    assert str(caught.value) == f"could not write {path}: No such file or directory"
    assert names(tmp_path) == []


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ReadWriteError, match=r"a\.png: Is a directory"):
        write_file(tmp_path / "a.png", b"new")
    assert (tmp_path / "a.png").is_dir()


@pytest.mark.parametrize("name", ["ä" * 120 + ".png", "x" * 251 + ".png", "bad\udcff.png"])
def test_long_and_odd_names_can_be_written(tmp_path, name):
    write_file(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"
    assert names(tmp_path) == [name]


def test_errors_of_the_system_name_the_path_in_print_and_other_errors_pass():
    for context, verb in ((writing, "write"), (reading, "read")):
        with pytest.raises(ReadWriteError) as caught, context(Path("a\x1bb")):
            raise OSError(5, "Input/output error")
        assert str(caught.value) == f"could not {verb} a\\x1bb: Input/output error"
        with pytest.raises(KeyError), context(Path("a")):
            raise KeyError
        with pytest.raises(ReadWriteError, match=r"^said before$"), context(Path("a")):
            raise ReadWriteError("said before")


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\0content")
    assert read_file(tmp_path / "a") == b"\0content"


def test_what_is_no_regular_file_is_refused_without_hanging(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ReadWriteError) as caught:
            read_file(path)
        kind = "a folder" if path == tmp_path else "not a regular file"
        assert str(caught.value) == f"could not read {path}: it is {kind}"
    with pytest.raises(ReadWriteError, match="missing: No such file or directory"):
        read_file(tmp_path / "missing")


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(ReadWriteError):
        read_file(Path("a.png\0b.png"))


# What dead processes left


def test_a_temporary_of_a_dead_process_is_swept(tmp_path, holder):
    left = tmp_path / ".a.png.0123abcd.aetool-tmp"
    left.write_bytes(b"half")
    process = holder(left)
    process.kill()
    process.wait()
    write_file(tmp_path / "b.png", b"new")
    assert names(tmp_path) == ["b.png"]


def test_a_temporary_of_a_living_process_is_left_alone(tmp_path, holder):
    left = tmp_path / ".a.png.0123abcd.aetool-tmp"
    left.write_bytes(b"half")
    holder(left)
    write_file(tmp_path / "b.png", b"new")
    assert names(tmp_path) == [left.name, "b.png"]
    assert left.read_bytes() == b"half"


def test_folders_of_dead_processes_are_swept_and_those_of_living_ones_are_not(tmp_path, holder):
    dead, alive = tmp_path / ".a.01234567.aetool-tmp", tmp_path / ".b.01234567.aetool-tmp"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "encoder.onnx").write_bytes(b"half")
    holder(alive)
    sweep(tmp_path)
    assert names(tmp_path) == [alive.name]
    assert names(alive) == ["encoder.onnx"]


def test_sweeping_touches_nothing_else(tmp_path):
    kept = [".aetool-tmp", ".a.png.0123abcd.tmp", ".hidden", "a.png.0123abcd.aetool-tmp", "victim"]
    for name in kept[1:]:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / ".link.0123abcd.aetool-tmp").symlink_to("victim")
    sweep(tmp_path)
    assert set(kept[1:]) | {".link.0123abcd.aetool-tmp"} <= set(names(tmp_path))
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_folder_is_swept_once(tmp_path):
    sweep(tmp_path)
    later = tmp_path / ".a.png.0123abcd.aetool-tmp"
    later.write_bytes(b"half")
    sweep(tmp_path)
    assert later.exists()


def test_what_is_being_written_here_holds_its_lock(tmp_path, holder):
    with replacing(tmp_path / "a.png") as stream:
        stream.write(b"new")
        subprocess.run([sys.executable, "-c", SWEEP, tmp_path], check=True)
        assert len(names(tmp_path)) == 1
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_a_folder_that_is_being_written_here_holds_its_lock(tmp_path):
    class Slow(dict):
        def items(self):
            yield "first", b"1"
            subprocess.run([sys.executable, "-c", SWEEP, tmp_path], check=True)
            yield "second", b"2"

    write_folder(tmp_path / "toy", Slow())
    assert content(tmp_path / "toy") == {"first": b"1", "second": b"2"}


# Folders

CONTENT = {"bundle.json": b"{}", "encoder.onnx": b"\0\1"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_is_written_complete_with_the_folders_above_it(tmp_path):
    write_folder(tmp_path / "models" / "toy", CONTENT)
    assert content(tmp_path / "models" / "toy") == CONTENT
    assert names(tmp_path / "models") == ["toy"]


def test_a_folder_takes_the_place_of_another_only_where_that_is_asked(tmp_path):
    target = tmp_path / "toy"
    write_folder(target, {"old": b"1"})
    with pytest.raises(ReadWriteError, match="could not write"):
        write_folder(target, CONTENT)
    assert content(target) == {"old": b"1"}
    write_folder(target, CONTENT, replace=True)
    assert content(target) == CONTENT
    write_folder(tmp_path / "new", CONTENT, replace=True)
    assert content(tmp_path / "new") == CONTENT
    assert names(tmp_path) == ["new", "toy"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("bad", ["no/such/folder", "x" * 300])
def test_a_folder_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, existing, bad):
    target = tmp_path / "toy"
    if existing:
        write_folder(target, {"old": b"1"})
    with pytest.raises(ReadWriteError):
        write_folder(target, {**CONTENT, bad: b""}, replace=True)
    assert names(tmp_path) == ["toy"] * existing
    assert not existing or content(target) == {"old": b"1"}


def test_a_full_disk_leaves_no_half_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "fsync", full_disk)
    with pytest.raises(ReadWriteError, match="No space left on device"):
        write_folder(tmp_path / "toy", CONTENT)
    assert names(tmp_path) == []


def test_a_folder_is_replaced_in_one_step(tmp_path, monkeypatch):
    if not hasattr(ctypes.CDLL(None), "renameat2") and sys.platform != "darwin":
        pytest.skip("this system cannot swap folders")
    write_folder(tmp_path / "toy", {"old": b"1"})
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("there would be no folder for a moment"))
    write_folder(tmp_path / "toy", CONTENT, replace=True)
    assert content(tmp_path / "toy") == CONTENT
    assert names(tmp_path) == ["toy"]


@pytest.fixture
def no_swap(monkeypatch):
    """A system that cannot swap folders."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())


def test_where_the_system_cannot_swap_a_folder_is_replaced_in_two(tmp_path, no_swap):
    write_folder(tmp_path / "toy", {"old": b"1"})
    write_folder(tmp_path / "toy", CONTENT, replace=True)
    assert content(tmp_path / "toy") == CONTENT
    assert names(tmp_path) == ["toy"]


def test_a_replacement_that_fails_half_way_loses_nothing(tmp_path, no_swap, monkeypatch):
    write_folder(tmp_path / "toy", {"old": b"1"})
    rename = Path.rename

    def fail_for_the_new(self: Path, to: Path) -> Path:
        if (self / "bundle.json").exists():
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(ReadWriteError, match="Input/output error"):
        write_folder(tmp_path / "toy", CONTENT, replace=True)
    monkeypatch.setattr(temporaries, "_swept", set())
    sweep(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.name == "toy" and content(kept) == {"old": b"1"}


def test_a_linked_folder_is_replaced_where_it_is(tmp_path):
    write_folder(tmp_path / "real", {"old": b"1"})
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link", CONTENT, replace=True)
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == CONTENT


# Several at once

MANY = """
import sys; from pathlib import Path; from aetool.system import temporaries
from aetool.system.atomic import claim_folder, write_file, write_folder
place, own = Path(sys.argv[1]), sys.argv[2]
for i in range(150):
    temporaries._swept.clear()
    write_file(place / "shared", own.encode() * 5000, sync=False)
    write_file(place / own, bytes([i]) * 5000, sync=False)
    if not i % 10:
        write_folder(place / "folder", {"a": own.encode(), "b": own.encode()}, replace=True)
"""


def test_processes_that_write_and_sweep_in_one_folder_do_each_other_no_harm(tmp_path):
    write_folder(tmp_path / "folder", {"a": b"0", "b": b"0"})
    words = [[sys.executable, "-c", MANY, str(tmp_path), name] for name in "1234"]
    processes = [subprocess.Popen(line, stderr=subprocess.PIPE) for line in words]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, b"")
    assert names(tmp_path) == ["1", "2", "3", "4", "folder", "shared"]
    one = content(tmp_path / "folder")
    assert one["a"] == one["b"]
    shared = (tmp_path / "shared").read_bytes()
    assert shared == shared[:1] * 5000


# Runs and names


def test_a_run_in_use_by_another_process_is_refused_until_that_ends(tmp_path, holder):
    with run_lock(tmp_path):
        pass
    process = holder(tmp_path / ".lock")
    with pytest.raises(RunInUse, match="another process is training in"), run_lock(tmp_path):
        pytest.fail("entered")
    process.kill()
    process.wait()
    with run_lock(tmp_path):
        assert (tmp_path / ".lock").is_file()


def test_this_process_holds_its_run_against_others_and_gives_it_back(tmp_path):
    words = [sys.executable, "-c", RUN, tmp_path]
    with run_lock(tmp_path):
        second = subprocess.run(words, capture_output=True)
        assert second.returncode == 1
        assert b"RunInUse" in second.stderr
    with pytest.raises(KeyError), run_lock(tmp_path):
        raise KeyError
    assert subprocess.run(words).returncode == 0


def test_a_run_that_is_not_there_cannot_be_locked(tmp_path):
    with pytest.raises(ReadWriteError, match="No such file or directory"), run_lock(tmp_path / "missing"):
        pytest.fail("entered")


def test_a_claimed_folder_is_the_first_free_name(tmp_path):
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits"
    (tmp_path / "digits-2").touch()
    (tmp_path / "digits-4").symlink_to("nowhere")
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits-3"
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits-5"
    assert (tmp_path / "digits-5").is_dir()
    long = "é" * 127
    claimed = [claim_folder(tmp_path, long).name for _ in range(3)]
    assert claimed[0] == long and len(set(claimed)) == 3 and all(len(os.fsencode(name)) <= 255 for name in claimed)
    with pytest.raises(FileNotFoundError):
        claim_folder(tmp_path / "missing", "digits")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("eight", "eight"),
        ("ankle-boot 2", "ankle-boot 2"),
        ("größe.8", "größe.8"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("a/b\\c:d*e?f\"g<h>i|j", "a_b_c_d_e_f_g_h_i_j"),
        ("two\nlines\x1b[0m\0", "two_lines_[0m_"),
        (".hidden", "_.hidden"),
        ("..", "_.."),
        (" . ", "_."),
        ("", "_"),
        ("   ", "_"),
        ("\udcff", "_"),
    ],
)  # fmt: skip
def test_safe_names_stay_in_their_folder(text, name):
    assert safe_name(text) == name


def test_a_safe_name_can_be_written(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for text in ("../up", "/etc/passwd", "\0", "", ".", "..", "a\nb", "\udcff"):
        write_file(folder / safe_name(text), b"new")
        assert safe_name(text) in names(folder)
    assert names(tmp_path) == ["out"]
