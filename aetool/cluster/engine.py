"""The engine: Daft, its runner on this machine or on a Ray cluster, and its errors in one line."""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import os
from collections.abc import Iterator
from typing import Any

from aetool.errors import AetoolError, DeviceUnavailable, ReadWriteError, UsageError, printable
from aetool.system.quiet import quiet_libraries, silenced

ENGINES = ("daft",)
PARTS = 4
"""Parts of the work for each processor of a cluster."""
QUIET = {"DAFT_ANALYTICS_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}
"""Settings of the engines: they report nothing to their makers, and draw nothing."""


def engine() -> Any:
    """Return the package `daft`, without its telemetry; raises `UsageError` where it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import daft
    except ModuleNotFoundError as error:
        raise UsageError(f"this needs {error.name}", fix="daft") from error
    return daft


def connect(cluster: str | None, threads: int | None) -> None:
    """Choose the runner, once in a process: a Ray cluster by its address, else `threads` of this machine (None: all).

    Raises `UsageError` where Ray is not installed, `DeviceUnavailable` for a cluster that does not answer.
    """
    daft = engine()
    logging.getLogger().addHandler(logging.NullHandler())  # the engines log what becomes an error of ours
    os.environ["PYTHONSAFEPATH"] = "1"  # or workers would import numpy.py of the working folder
    if cluster is None:
        daft.set_runner_native(threads)
        return
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UsageError(f"a Ray cluster needs {error.name}", fix="ray") from error
    try:
        ray.init(cluster, log_to_driver=False, logging_level=logging.CRITICAL)
        daft.set_runner_ray(noop_if_initialized=True)
    except Exception as error:
        text = printable((str(error).splitlines() or [type(error).__name__])[0])
        raise DeviceUnavailable(f"the Ray cluster {printable(cluster)} cannot be used: {text}") from error


def split(frame: Any) -> Any:
    """Return a frame in parts for all processors of a Ray cluster; on one machine it is read as a stream anyway."""
    if engine().get_or_infer_runner_type() != "ray":
        return frame
    import ray

    resources: Any = ray.cluster_resources  # which Ray has no types for
    return frame.into_partitions(PARTS * max(1, int(resources().get("CPU", 1))))


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """Turn errors of Daft and Ray into errors of ours, and keep what engines and workers print from the user."""
    try:
        with quiet_libraries(), silenced(1), contextlib.redirect_stdout(io.StringIO()):
            yield
    except (AetoolError, AttributeError, NameError, TypeError):  # of ours
        raise
    except Exception as error:
        raise error_of(error) from error


@contextlib.contextmanager
def temporary_in(folder: str) -> Iterator[None]:
    """Let Daft put the sockets of workers into `folder`: interrupted, it leaves them there."""
    import tempfile

    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def is_url(name: str) -> bool:
    """Return whether a name is that of something elsewhere, such as s3://bucket/photos."""
    scheme, inside, _ = name.partition("://")
    return bool(inside) and scheme.isalnum() and scheme != "file"


def literal(name: str) -> str:
    """Return a local name as Daft takes it for neither a pattern nor a URL; a URL stays as it is."""
    return name if is_url(name) else glob.escape(os.path.abspath(name))  # noqa: PTH100


def error_of(error: BaseException) -> AetoolError:
    """Return what Daft or Ray failed of, in one line: an error of ours inside, else the innermost of their causes."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, AetoolError):
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    if "UDF process" in str(error):
        return AetoolError("a worker process of Daft ended before its work did (out of memory?)", fix="fewer-workers")
    if "AF_UNIX path too long" in str(error):
        return ReadWriteError("Daft finds the path of the folder for temporary files too long", fix="tmpdir")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    causes = [line.partition(": ")[2] for line in lines if line.partition(": ")[0].isdigit()]
    shown = causes[-1] if causes else lines[-1] if "Traceback" in lines[0] or "ray::" in lines[0] else lines[0]
    return ReadWriteError(f"Daft: {printable(shown.removeprefix('DaftError::'))[:300]}")
