"""Cores by quota: control groups of version 1 and 2, nested, in containers, without limits; and OMP_NUM_THREADS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aetool.system import processes
from aetool.system.cores import busy, openmp_threads, quota
from aetool.system.processes import all_cores

V1 = "35 25 0:30 {root} {place} rw,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "35 25 0:30 {root} {place} rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
OTHER = "20 25 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n21 25 0:3 / /proc rw - proc proc rw\nbroken\n"


def group(folder: Path, most: object, period: int = 100_000, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (folder / "cpu.max").write_text(f"{most} {period}\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{most}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.fixture
def found(tmp_path):
    """The quota of a process in the group `path`, in mounts of which `mount` is one."""

    def find(path: str, mount: str, root: str = "/", version: int = 2) -> float | None:
        groups, mounts = tmp_path / "groups", tmp_path / "mounts"
        own = f"0::{path}\n" if version == 2 else f"4:cpu,cpuacct:{path}\n3:memory:{path}\n0::/\n"
        groups.write_text(own)
        place = str(tmp_path / "mount").replace(" ", "\\040")
        mounts.write_text(OTHER + mount.format(root=root, place=place))
        return quota(groups, mounts)

    return find


@pytest.mark.parametrize(("version", "mount"), [(1, V1), (2, V2)])
def test_quotas_of_nested_groups(found, tmp_path, version, mount):
    top, none = tmp_path / "mount", "max" if version == 2 else -1
    assert found("/a/b", mount, version=version) is None
    group(top / "a/b", none, version=version)
    assert found("/a/b", mount, version=version) is None
    group(top / "a", 150_000, version=version)
    assert found("/a/b", mount, version=version) == 1.5
    group(top / "a/b", 25_000, 50_000, version=version)
    assert found("/a/b", mount, version=version) == 0.5
    assert found("/a", mount, version=version) == 1.5
    assert found("/c", mount, version=version) is None


@pytest.mark.parametrize(("version", "mount"), [(1, V1), (2, V2)])
def test_a_container_sees_its_own_group_as_the_root(found, tmp_path, version, mount):
    group(tmp_path / "mount", 200_000, version=version)
    assert found("/", mount, version=version) == 2
    assert found("/docker/1234", mount, root="/docker/1234", version=version) == 2
    assert found("/../../other", mount, version=version) == 2
    group(tmp_path / "mount/inner", 100_000, version=version)
    assert found("/docker/1234/inner", mount, root="/docker/1234", version=version) == 1


@pytest.mark.parametrize("text", ["", "max", "max 100000 7", "0 0", "x y", "-5 100000"])
def test_broken_quotas_are_none(found, tmp_path, text):
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount/cpu.max").write_text(text)
    assert found("/", V2) is None


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert quota(tmp_path / "missing", tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("value", "threads"), [("3", 3), ("2,4", 2), (" 5 ", 5), ("", None), ("0", None), ("-1", None), ("many", None)]
)
def test_openmp_says_how_many(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert openmp_threads() == threads


@pytest.mark.parametrize(
    ("limit", "omp", "cores"), [(None, "", 8), (0.5, "", 1), (1.5, "", 1), (2.0, "", 2), (64.0, "", 8),
                                (None, "3", 3), (2.0, "3", 2), (None, "99", 8)],
)  # fmt: skip
def test_cores_are_the_fewest_of_affinity_quota_and_openmp(monkeypatch, limit, omp, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(processes, "quota", lambda: limit)
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    assert all_cores() == cores


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2.10 1.00 0.50 3/345 999\n", True),
        ("2.10 1.00 0.50 1/345 999\n", False),  # they have just ended
        ("1.90 1.00 0.50 3/345 999\n", False),
        ("", False),
        ("a b c d e", False),
    ],
)
def test_cores_are_busy_where_others_were_and_are_running(tmp_path, line, expected):
    (tmp_path / "loadavg").write_text(line)
    assert busy(2, tmp_path / "loadavg") is expected
    assert not busy(2, tmp_path / "missing")


@pytest.mark.parametrize(("load", "set_before", "expected"), [("9 9 9 9/9 9", {}, "0"), ("0 0 0 1/9 9", {}, "None"),
    ("9 9 9 9/9 9", {"OMP_WAIT_POLICY": "active"}, "None"), ("9 9 9 9/9 9", {"GOMP_SPINCOUNT": "7"}, "7")])  # fmt: skip
def test_threads_of_training_do_not_spin_on_a_busy_machine(tmp_path, load, set_before, expected):
    (tmp_path / "loadavg").write_text(load)
    code = (
        "import os, pathlib; from aetool.system import cores, processes; import sys\n"
        f"real = cores.busy; cores.busy = lambda n: real(n, pathlib.Path({str(tmp_path / 'loadavg')!r}))\n"
        "import aetool.training; print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env | set_before, timeout=60
    )
    assert done.stdout.strip() == expected, done.stderr
