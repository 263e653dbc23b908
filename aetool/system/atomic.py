"""Atomic writing: into a temporary file beside the target (`temporaries`), renamed when complete.

Calls that a file system refuses are done without (`lacking`); pipes and devices are written in place (`special`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from aetool.errors import PipeClosed, ReadWriteError, RunInUse, printable, reason
from aetool.system.lacking import (
    IN_USE,
    MODES,
    MOVES,
    move_file,
    move_folder,
    open_folder,
    sync_file,
    sync_file_system,
    sync_open_folder,
)
from aetool.system.paths import numbered
from aetool.system.special import is_special, open_special
from aetool.system.temporaries import create_file, create_folder, lock, name_for, sweep


class Output:
    """An output stream whose errors name the path of the target; errors of other files pass unchanged.

    With `live` every piece goes out at once, for a reader at the other end.
    """

    def __init__(self, stream: BinaryIO, path: Path, live: bool = False) -> None:
        self._stream, self._path, self._live = stream, path, live

    def write(self, data: Any) -> int:
        """Write bytes and return how many; raises `ReadWriteError`, and `PipeClosed` where the reader went away."""
        with writing(self._path):
            written = self._stream.write(data)
            if self._live:
                self._stream.flush()
            return written

    def flush(self) -> None:
        """Hand all written bytes to the system; raises `ReadWriteError`."""
        with writing(self._path):
            self._stream.flush()


@contextlib.contextmanager
def replacing(path: Path, sync: bool = True) -> Iterator[Output]:
    """Open a temporary file beside `path` for writing; on leaving without an error the file replaces `path`.

    Links are followed and the permissions of an existing file stay, as with `cp`. What `is_special` is written in
    place. `sync=False` leaves flushing to `flushing`, once for many files.
    """
    if is_special(path):
        yield from _in_place(path)
        return
    with writing(path):
        target = _target_of(path)
        old = target.stat() if target.exists() else None
        sweep(target.parent)
    temporary = name_for(target)
    try:  # from before it exists: a signal may come at any moment
        with writing(path):
            descriptor = create_file(temporary, 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o777)
            stream = os.fdopen(descriptor, "wb")
        with _closed(stream):
            with writing(path):
                if old is not None:
                    _make_alike(temporary, old)
            yield Output(stream, path)
            with writing(path):
                stream.flush()
                if sync:
                    sync_file(stream.fileno())
                _put(stream, temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        with writing(path):
            sync_folder(target.parent)


def _put(stream: BinaryIO, temporary: Path, target: Path) -> None:
    """Move a complete file to its place, under its lock; closed before where open files cannot be moved."""
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno not in IN_USE:
            raise
        stream.close()
        move_file(temporary, target)


def _in_place(path: Path) -> Iterator[Output]:
    """Yield what is no regular file for writing, and flush the written bytes."""
    with writing(path):
        stream = os.fdopen(open_special(path), "wb")
    with _closed(stream):
        yield Output(stream, path, live=True)
        with writing(path):
            stream.flush()


@contextlib.contextmanager
def _closed(stream: BinaryIO) -> Iterator[None]:
    """Close a stream in every case; flushing has been done before."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def _target_of(path: Path) -> Path:
    """Return the file to replace, links followed; raises `OSError` for a circular link or a protected file."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.exists() and not os.access(target, os.W_OK):
        os.close(os.open(target, os.O_WRONLY))  # which says why, or that `access` is wrong, as in some containers
    return target


def _make_alike(temporary: Path, status: os.stat_result) -> None:
    """Give a temporary file the permissions of the file to replace, and the owner, where the system allows."""
    try:
        temporary.chmod(stat.S_IMODE(status.st_mode))
    except OSError as error:
        if error.errno not in MODES:
            raise
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.chown(temporary, status.st_uid, status.st_gid)


def write_file(path: Path, data: bytes, sync: bool = True) -> None:
    """Replace `path` by `data`, atomically; raises `ReadWriteError`."""
    with replacing(path, sync) as stream:
        stream.write(data)


def write_folder(target: Path, files: Mapping[str, bytes], replace: bool = False) -> None:
    """Make the folder `target` with `files`, complete or not at all; `replace` allows to replace a folder."""
    with writing(target):
        target = target.resolve()
        make_folder(target.parent)
        sweep(target.parent)
        temporary = name_for(target)
        try:
            descriptor = create_folder(temporary)
            try:
                for name, data in files.items():
                    write_file(temporary / name, data)
                sync_open_folder(descriptor)
                if replace and target.exists():
                    _exchange(temporary, target)
                else:
                    move_folder(temporary, target)
                sync_folder(target.parent)
            finally:
                os.close(descriptor)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and flush their names; raises `OSError`."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def claim_folder(folder: Path, name: str) -> Path:
    """Make the first free folder of NAME, NAME-2, NAME-3 ... in `folder`, as no other process can; raises `OSError`."""
    for path in numbered(folder, name):
        try:
            path.mkdir()
        except FileExistsError:
            continue
        sync_folder(folder)
        return path
    raise AssertionError("the numbers do not end")


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step, or in two where the system has no atomic exchange."""
    failed = _swap(os.fsencode(new), os.fsencode(old))
    if failed and failed not in MOVES:
        raise OSError(failed, os.strerror(failed))
    if failed:
        aside = old.with_name(f"{old.name}.old-{secrets.token_hex(4)}")
        move_folder(old, aside)
        try:
            move_folder(new, old)
        except OSError:
            move_folder(aside, old)
            raise
        with contextlib.suppress(OSError):
            aside.rename(new)  # where it is removed, if need be by a later sweep
        shutil.rmtree(aside, ignore_errors=True)


def _swap(new: bytes, old: bytes) -> int:
    """Swap two folders; returns the number of the error, 0 for none."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        failed = libc.renamex_np(new, old, 2)  # RENAME_SWAP
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(-100, new, -100, old, 2)  # AT_FDCWD, RENAME_EXCHANGE
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk (where the system can)."""
    if sys.platform == "win32":
        return
    descriptor = open_folder(folder)
    try:
        sync_open_folder(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def flushing(folder: Path) -> Iterator[None]:
    """Make `folder`; on leaving without an error everything on its file system is flushed, once for many files."""
    with writing(folder):
        make_folder(folder)
        descriptor = open_folder(folder)
    try:  # open from the start, since only errors after that are told
        yield
        with writing(folder):
            sync_file_system(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `ReadWriteError` with the name of `path`, or into `PipeClosed`."""
    try:
        yield
    except ReadWriteError:
        raise
    except BrokenPipeError:
        raise PipeClosed from None
    except OSError as error:
        raise ReadWriteError(f"could not write {printable(str(path))}: {reason(error)}") from error


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock the run folder for the current process; raises `RunInUse` while another process holds the lock.

    On a file system without locks nothing is locked.
    """
    with writing(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if lock(descriptor) is False:
            time.sleep(0.02)  # `in_use` holds a lock for an instant
            if lock(descriptor) is False:
                raise RunInUse(f"another process is training in {folder}; wait for it, or start a new run")
        yield
    finally:
        os.close(descriptor)


def in_use(folder: Path) -> bool:
    """Return whether another process has locked a run folder; nothing is written."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return lock(descriptor) is False
    finally:
        os.close(descriptor)
