"""Writing that is old or complete: temporaries beside their target, locked while alive, renamed when whole.

A temporary is named `.NAME.HEX.aetool-tmp` and holds an advisory lock for as long as its writer lives, so that a later
start can sweep what a killed process left without touching what a living one is writing.
"""

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
from typing import BinaryIO

from aetool.errors import ReadWriteError, RunInUse, printable, reason

if sys.platform != "win32":  # there, no advisory locks, so nothing is ever swept, and folders cannot be flushed
    import fcntl

TEMPORARY = ".aetool-tmp"
_swept: set[Path] = set()


@contextlib.contextmanager
def replacing(path: Path, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary beside `path` for writing; on leaving without an error it takes the place of `path`.

    A link is followed and the permissions of an existing file are kept, as `cp` does. What is no regular file (a
    device, a FIFO) is written in place. `sync=False` leaves flushing to one `sync_all()` at the end, for many files.
    """
    with writing(path):
        target = _target_of(path)
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
            return
        sweep(target.parent)
        temporary = _temporary(target)
        try:  # from before it exists: a signal may come at any moment
            with os.fdopen(_create(temporary), "wb") as stream:
                if target.exists():
                    _make_alike(temporary, target.stat())
                yield stream
                stream.flush()
                if sync:
                    os.fsync(stream.fileno())
                temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if sync:
            sync_folder(target.parent)


def _target_of(path: Path) -> Path:
    """Return what is to be replaced, links followed; raises `OSError` where they lead nowhere or it is protected."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.exists() and not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return target


def _make_alike(temporary: Path, status: os.stat_result) -> None:
    """Give a temporary the permissions of the file it will replace, and its owner where that may be given."""
    temporary.chmod(stat.S_IMODE(status.st_mode))
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.chown(temporary, status.st_uid, status.st_gid)


def write_file(path: Path, data: bytes, sync: bool = True) -> None:
    """Replace `path` by `data`, atomically; raises `ReadWriteError`."""
    with replacing(path, sync) as stream:
        stream.write(data)


def write_folder(target: Path, files: Mapping[str, bytes], replace: bool = False) -> None:
    """Make the folder `target` with `files`, complete or not at all; `replace` takes the place of an existing one."""
    with writing(target):
        target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        temporary = _temporary(target)
        try:
            temporary.mkdir()
            with _locked_folder(temporary):
                for name, data in files.items():
                    write_file(temporary / name, data)
                sync_folder(temporary)
                if replace and target.exists():
                    _exchange(temporary, target)
                else:
                    temporary.rename(target)
                sync_folder(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step, so that there is never none; where the system cannot, in two."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(new), os.fsencode(old)
    if sys.platform == "darwin":
        failed = libc.renamex_np(*paths, 2)  # RENAME_SWAP
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(-100, paths[0], -100, paths[1], 2)  # AT_FDCWD, RENAME_EXCHANGE
    else:
        failed = -1
    if failed:
        aside = old.with_name(f"{old.name}.old-{secrets.token_hex(4)}")
        old.rename(aside)
        new.rename(old)
        aside.rename(new)


def sync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk (where the system can)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all() -> None:
    """Flush everything written so far to the disk, once for many files."""
    if hasattr(os, "sync"):
        os.sync()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `ReadWriteError` that names `path`."""
    try:
        yield
    except ReadWriteError:
        raise
    except OSError as error:
        raise ReadWriteError(f"could not write {printable(str(path))}: {reason(error)}") from error


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` into a `ReadWriteError` that names `path`."""
    try:
        yield
    except ReadWriteError:
        raise
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(str(path))}: {reason(error)}") from error


def read_file(path: Path | str) -> bytes:
    """Return the bytes of the regular file `path`; raises `ReadWriteError`, for a FIFO or device too."""
    try:
        flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a FIFO would wait, Windows change line ends
        descriptor = os.open(path, os.O_RDONLY | flags)
        if stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            with open(descriptor, "rb", buffering=0) as stream:  # noqa: PTH123
                return stream.read()
        os.close(descriptor)
    except ValueError:
        raise ReadWriteError(f"could not read {printable(str(path))}: no file has such a name") from None
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(str(path))}: {reason(error)}") from error
    kind = "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
    raise ReadWriteError(f"could not read {printable(str(path))}: {kind}")


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; raises `RunInUse` while another one does."""
    with writing(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _lock(descriptor):
            raise RunInUse(f"another process is training in {folder}; wait for it, or start a new run")
        yield
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove temporaries that dead processes left in `folder`; looks once a folder and process."""
    if sys.platform == "win32" or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if not _lock(descriptor):
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _create(temporary: Path) -> int:
    """Create and lock a temporary; again if a sweep took it before the lock was ours."""
    while True:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(descriptor)
        if temporary.exists():
            return descriptor
        os.close(descriptor)


def _temporary(target: Path) -> Path:
    kept = os.fsencode(target.name)[:200]  # names end at 255 bytes
    return target.with_name(f".{os.fsdecode(kept)}.{secrets.token_hex(4)}{TEMPORARY}")


def _lock(descriptor: int) -> bool:
    """Take the lock of an open file without waiting; False while another process holds it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
