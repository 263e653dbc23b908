"""Cores that a process may use beside its affinity: the quotas of control groups, and OMP_NUM_THREADS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def quota(groups: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mountinfo")) -> float | None:
    """Return the smallest quota of cores of the control groups of this process (v1 and v2), None without a quota.

    A group counts with all groups around it, as far as they can be seen.
    """
    try:
        found = list(_quotas(groups.read_text(errors="replace"), mounts.read_text(errors="replace")))
    except OSError:
        return None
    return min(found, default=None)


def _quotas(groups: str, mounts: str) -> Iterator[float]:
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "none", "")
        if controllers == "" or "cpu" in controllers.split(","):
            for root, place in _mounted(mounts, version=2 if controllers == "" else 1):
                inner = path.removeprefix(root).strip("/") if path.startswith(root) else ""
                folder = place / inner
                for one in [folder, *folder.parents][: len(Path(inner).parts) + 1]:
                    value = _quota_of(one)
                    if value is not None:
                        yield value


def _mounted(mounts: str, version: int) -> Iterator[tuple[str, Path]]:
    """Yield the root of the groups and the place of each mount of the version, with the controller of cores."""
    for line in mounts.splitlines():
        own, _, shared = (part.split() for part in line.partition(" - "))
        if len(own) < 5 or len(shared) < 3:
            continue
        if shared[0] == ("cgroup2" if version == 2 else "cgroup") and (version == 2 or "cpu" in shared[2].split(",")):
            yield own[3].rstrip("/"), Path(own[4].replace("\\040", " "))


def _quota_of(folder: Path) -> float | None:
    """Return the quota of a control group in cores, None for a group without one."""
    try:
        if (folder / "cpu.max").is_file():
            most, period = (folder / "cpu.max").read_text().split()
        else:
            most, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return int(most) / int(period) if most != "max" and int(most) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def openmp_threads() -> int | None:
    """Return the threads that OMP_NUM_THREADS allows (the first number of its list), None where it allows all."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else None


def busy(cores: int, loads: Path = Path("/proc/loadavg")) -> bool:
    """Return whether others kept `cores` cores busy in the last minute and still run; False where nothing tells."""
    try:
        minute, _, _, running, *_ = loads.read_text().split()
        others = int(running.partition("/")[0]) - 1  # one is this process
        return float(minute) >= cores and others > 0
    except (OSError, ValueError):
        return False
