"""What a file system lacks: calls that network, container and Windows drives refuse, and that writing can do without.

A refusal is told apart from a failure by its number: a full or broken disk is a failure, whichever call meets it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

ENOTSUPP = 524
"""Linux's own "not supported", which network file systems let slip."""
LACKING = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, ENOTSUPP})
"""Numbers that say, for every call: there is no such thing here."""
FOLDERS = LACKING | {errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EROFS}
"""Numbers for folders, which some systems neither open nor flush."""
LOCKS = LACKING | {errno.ENOLCK, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
"""Numbers for locks; network drives want files opened for writing, and folders never are."""
MODES = LACKING | {errno.EPERM, errno.EACCES, errno.EROFS}
"""Numbers for permissions and owners, which some drives do not keep."""
MOVES = LACKING | {errno.EXDEV, errno.EBUSY, errno.EPERM}
"""Numbers for renaming: layered and network drives, files that are mounts of their own, sticky folders."""
IN_USE = MOVES | {errno.EACCES, errno.ETXTBSY}
"""Numbers for renaming what is still open, which Windows does not do."""


def open_folder(folder: Path) -> int:
    """Return a descriptor of a folder, or of the null device where folders cannot be opened; raises `OSError`."""
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in FOLDERS:
            raise
        return os.open(os.devnull, os.O_RDONLY)


def sync_file(descriptor: int) -> None:
    """Flush an open file to the disk, where the system can; raises `OSError` for a disk that fails."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in LACKING:
            raise


def sync_open_folder(descriptor: int) -> None:
    """Flush the names in an open folder to the disk, where the system can; raises `OSError`."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in FOLDERS:
            raise


def sync_file_system(descriptor: int) -> None:
    """Flush the file system of an open file, or all of them where the system has no call for one; raises `OSError`."""
    if sys.platform == "win32":
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    failed = ctypes.get_errno() if hasattr(libc, "syncfs") and libc.syncfs(descriptor) else 0
    if failed and failed not in FOLDERS:
        raise OSError(failed, os.strerror(failed))
    if failed or not hasattr(libc, "syncfs"):
        os.sync()


def move_file(temporary: Path | str, target: Path | str) -> None:
    """Rename a complete file; where that cannot be done, copy it to its place (not in one step). Raises `OSError`."""
    try:
        os.replace(temporary, target)  # noqa: PTH105
    except OSError as error:
        if error.errno not in MOVES:
            raise
        _copy_file(temporary, target)
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108


def move_folder(temporary: Path, target: Path) -> None:
    """Rename a complete folder; where that cannot be done, copy it to its place (not in one step). Raises `OSError`."""
    try:
        temporary.rename(target)
    except OSError as error:
        if error.errno not in MOVES:
            raise
        target.mkdir()
        try:
            _copy_content(temporary, target)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)
            raise
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_content(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.is_dir():
            (target / path.name).mkdir()
            _copy_content(path, target / path.name)
        else:
            _copy_file(path, target / path.name)


def _copy_file(source: Path | str, target: Path | str) -> None:
    shutil.copyfile(source, target)
    with open(target, "rb+") as stream:  # noqa: PTH123
        sync_file(stream.fileno())
