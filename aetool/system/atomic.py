"""Atomic writing: into a temporary file beside the target (`temporaries`), renamed when complete."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from aetool.errors import ReadWriteError, RunInUse, printable, reason
from aetool.system.paths import numbered
from aetool.system.temporaries import create_file, create_folder, lock, name_for, sweep


class Output:
    """An output stream whose errors name the path of the target; errors of other files pass unchanged."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path

    def write(self, data: Any) -> int:
        """Write bytes and return how many; raises `ReadWriteError`."""
        with writing(self._path):
            return self._stream.write(data)

    def flush(self) -> None:
        """Hand all written bytes to the system; raises `ReadWriteError`."""
        with writing(self._path):
            self._stream.flush()


@contextlib.contextmanager
def replacing(path: Path, sync: bool = True) -> Iterator[Output]:
    """Open a temporary file beside `path` for writing; on leaving without an error the file replaces `path`.

    Links are followed and the permissions of an existing file stay, as with `cp`. A device or FIFO is written in
    place. `sync=False` leaves flushing to `flushing`, once for many files.
    """
    with writing(path):
        target = _target_of(path)
        in_place = target.exists() and not target.is_file()
        if not in_place:
            sweep(target.parent)
    if in_place:
        yield from _in_place(target, path)
        return
    temporary = name_for(target)
    try:  # from before it exists: a signal may come at any moment
        with writing(path):
            stream = os.fdopen(create_file(temporary), "wb")
        with _closed(stream):
            with writing(path):
                if target.exists():
                    _make_alike(temporary, target.stat())
            yield Output(stream, path)
            with writing(path):
                stream.flush()
                if sync:
                    os.fsync(stream.fileno())
                temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        with writing(path):
            sync_folder(target.parent)


def _in_place(target: Path, path: Path) -> Iterator[Output]:
    """Yield a device or FIFO for writing, and flush the written bytes."""
    with writing(path):
        stream = target.open("wb")
    with _closed(stream):
        yield Output(stream, path)
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
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return target


def _make_alike(temporary: Path, status: os.stat_result) -> None:
    """Give a temporary file the permissions of the file to replace, and the owner where the system allows."""
    temporary.chmod(stat.S_IMODE(status.st_mode))
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
                os.fsync(descriptor)
                if replace and target.exists():
                    _exchange(temporary, target)
                else:
                    temporary.rename(target)
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
    if failed not in (0, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        raise OSError(failed, os.strerror(failed))
    if failed:
        aside = old.with_name(f"{old.name}.old-{secrets.token_hex(4)}")
        old.rename(aside)
        try:
            new.rename(old)
        except OSError:
            aside.rename(old)
            raise
        aside.rename(new)


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
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def flushing(folder: Path) -> Iterator[None]:
    """Make `folder`; on leaving without an error everything on its file system is flushed, once for many files."""
    with writing(folder):
        make_folder(folder)
        descriptor = os.open(folder if sys.platform != "win32" else os.devnull, os.O_RDONLY)
    try:  # open from the start, since only errors after that are told
        yield
        with writing(folder):
            _sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(descriptor: int) -> None:
    if sys.platform == "win32":
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        os.sync()
    elif libc.syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `ReadWriteError` with the name of `path`."""
    try:
        yield
    except ReadWriteError:
        raise
    except OSError as error:
        raise ReadWriteError(f"could not write {printable(str(path))}: {reason(error)}") from error


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock the run folder for the current process; raises `RunInUse` while another process holds the lock."""
    with writing(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock(descriptor):
            raise RunInUse(f"another process is training in {folder}; wait for it, or start a new run")
        yield
    finally:
        os.close(descriptor)
