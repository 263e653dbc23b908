"""Writing where folders cannot be opened or flushed, and files neither locked, moved nor given permissions.

`tests/faults/test_lacking.py` refuses whole system calls; here single uses of a call are refused.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from aetool.errors import ReadWriteError, RunInUse
from aetool.system import lacking, temporaries
from aetool.system.atomic import flushing, replacing, run_lock, write_file, write_folder
from aetool.system.temporaries import sweep

CONTENT = {"bundle.json": b"{}", "a": b"1"}


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int, when=lambda *_: True) -> None:
    """Let a function of `os` fail with an error number, for arguments that `when` picks."""
    real = getattr(os, name)

    def call(*args, **more):
        if when(*args):
            raise OSError(number, os.strerror(number))
        return real(*args, **more)

    monkeypatch.setattr(os, name, call)


def is_folder(what, *_) -> bool:
    return stat.S_ISDIR(os.fstat(what).st_mode) if isinstance(what, int) else Path(what).is_dir()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_all(place: Path) -> None:
    """Write a file, a folder twice, and many files."""
    write_file(place / "x", b"new")
    for _ in range(2):
        write_folder(place / "m", CONTENT, replace=True)
    with flushing(place / "out"):
        write_file(place / "out" / "y", b"new", sync=False)
    assert {p.name: p.read_bytes() for p in (place / "m").iterdir()} == CONTENT
    assert (place / "x").read_bytes() == (place / "out" / "y").read_bytes() == b"new"
    assert names(place) == ["m", "out", "x"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EISDIR, errno.EINVAL])
def test_folders_that_cannot_be_opened(tmp_path, monkeypatch, number):
    monkeypatch.setattr(shutil, "_use_fd_functions", False)  # as on Windows, which opens no folders
    refuse(monkeypatch, "open", number, lambda path, flags, *_: not flags & os.O_WRONLY and is_folder(path))
    write_all(tmp_path)


@pytest.mark.parametrize("number", [errno.EBADF, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.EROFS, 524])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, number):
    refuse(monkeypatch, "fsync", number, is_folder)
    write_all(tmp_path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_fails_to_be_flushed_is_a_failure(tmp_path, monkeypatch, number):
    refuse(monkeypatch, "fsync", number, is_folder)
    with pytest.raises(ReadWriteError):
        write_file(tmp_path / "x", b"new")


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS])
def test_an_old_folder_of_a_lower_layer_is_copied_aside(tmp_path, monkeypatch, number):
    """The folders of a container's image cannot be renamed."""
    write_folder(tmp_path / "m", {"old": b"1"})
    inode = (tmp_path / "m").stat().st_ino
    refuse(monkeypatch, "rename", number, lambda path, *_: Path(path).stat().st_ino == inode)
    monkeypatch.setattr("aetool.system.atomic._swap", lambda *_: number)
    write_folder(tmp_path / "m", CONTENT, replace=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == CONTENT and names(tmp_path) == ["m"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.ETXTBSY])
def test_what_can_be_moved_only_when_closed_is_closed(tmp_path, monkeypatch, number):
    """As on Windows; the second try renames, so that old or complete holds."""
    descriptors, tries = Path("/proc/self/fd"), []
    before = len(list(descriptors.iterdir()))

    def still_open(*_) -> bool:
        tries.append(1)
        return len(list(descriptors.iterdir())) > before

    refuse(monkeypatch, "replace", number, still_open)
    write_file(tmp_path / "x", b"new")
    assert len(tries) == 2 and (tmp_path / "x").read_bytes() == b"new" and names(tmp_path) == ["x"]


def test_a_file_that_may_not_be_replaced_stays_a_failure(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"old")
    refuse(monkeypatch, "replace", errno.EACCES)
    with pytest.raises(ReadWriteError, match="Permission denied"):
        write_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"old, and longer")
    inode = (tmp_path / "x").stat().st_ino
    refuse(monkeypatch, "replace", errno.EBUSY)
    write_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new" and (tmp_path / "x").stat().st_ino == inode


def test_a_private_file_stays_private_where_permissions_cannot_be_set(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"old")
    (tmp_path / "x").chmod(0o600)
    refuse(monkeypatch, "chmod", errno.EPERM)
    write_file(tmp_path / "x", b"new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


def test_without_locks_nothing_is_swept_and_a_run_is_used(tmp_path, monkeypatch):
    left = tmp_path / ".a.0123abcd.aetool-tmp"
    left.touch()
    monkeypatch.setattr(temporaries.fcntl, "flock", lambda *_: _raise(errno.ENOLCK))
    sweep(tmp_path)
    assert left.exists()
    with run_lock(tmp_path), replacing(tmp_path / "x") as stream:
        stream.write(b"new")


def test_a_lock_of_another_host_is_a_lock(tmp_path, monkeypatch):
    """Some network drives say "permission denied" where another host holds the lock."""
    monkeypatch.setattr(temporaries.fcntl, "flock", lambda *_: _raise(errno.EACCES))
    with pytest.raises(RunInUse), run_lock(tmp_path):
        pytest.fail("entered")


def test_a_folder_that_cannot_be_listed_is_written_to(tmp_path, monkeypatch):
    refuse(monkeypatch, "scandir", errno.ENOTSUP)
    write_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_an_encrypted_drive_with_short_names(tmp_path, monkeypatch):
    """Names end at 143 bytes there."""
    refuse(monkeypatch, "open", errno.ENAMETOOLONG, lambda path, *_: len(Path(path).name) > 143)
    write_file(tmp_path / ("x" * 139 + ".png"), b"new")


def test_a_folder_that_cannot_be_moved_or_copied_leaves_nothing(tmp_path, monkeypatch):
    refuse(monkeypatch, "rename", errno.ENOSYS)
    monkeypatch.setattr(lacking.shutil, "copyfile", lambda *_: _raise(errno.ENOSPC))
    with pytest.raises(ReadWriteError, match="No space left"):
        write_folder(tmp_path / "m", CONTENT)
    assert names(tmp_path) == []


def _raise(number: int) -> None:
    raise OSError(number, os.strerror(number))
