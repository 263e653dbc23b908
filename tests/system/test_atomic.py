"""Files that are old or complete: replaced in one step, flushed, with their permissions."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aetool.errors import ReadWriteError
from aetool.system import atomic, temporaries
from aetool.system.atomic import flushing, replacing, write_file, write_folder, writing
from aetool.system.reading import read_file, reading
from tests.system.places import content, full_disk, mode, names


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
