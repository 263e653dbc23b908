"""Run and bundle folders: each process makes its own, however many start at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.training import run_folder
from aetool.training.record import read_record

PROCESSES, RUNS = 8, 50
MAKE = f"""
from aetool.training import run_folder
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
import sys
data = load("digits", 0)
for i in range({RUNS}):
    run = run_folder.create(TrainConfig(seed=int(sys.argv[1]) * 1000 + i), data)
    print(run, sys.argv[1], i)
"""


def test_eight_processes_make_four_hundred_runs_each_its_own(workplace):
    started = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(PROCESSES)
    ]
    lines = [line.split() for process in started for line in process.communicate(timeout=300)[0].splitlines()]
    assert len({run for run, _, _ in lines}) == PROCESSES * RUNS == len(run_folder.all_runs())
    for run, process, number in lines:
        assert read_record(Path(run)).config.seed == int(process) * 1000 + int(number)


def test_a_run_that_is_removed_meanwhile_is_no_error(workplace, monkeypatch):
    for name in ("a", "b"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "config.json").write_text("{}")
    listed = [Path("runs", name, "config.json") for name in ("a", "b")]
    listed[0].unlink()
    monkeypatch.setattr(Path, "glob", lambda *_: listed)
    assert run_folder.all_runs() == [Path("runs/b")]


def test_exports_at_once_take_different_names(digits_run, tmp_path):
    (tmp_path / "runs").symlink_to(digits_run.parent)

    def export(_):
        words = [sys.executable, "-m", "aetool", "export", "-q"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(export, range(3)))
    assert [process.returncode for process in done] == [0, 0, 0], done
    paths = {process.stdout.strip() for process in done}
    assert paths == {"models/digits", "models/digits-2", "models/digits-3"}
    assert len({Bundle.read(tmp_path / path).identity for path in paths}) == 1


def test_a_bundle_that_appears_in_the_last_moment_is_not_replaced(digits_run, digits, tmp_path, monkeypatch):
    from aetool.training.export import write

    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(digits_run.parent)
    write_bundle, made = write.write, []

    def late(path, *rest):
        if not made:  # another process was faster
            made.append(path)
            write_bundle(path, *rest)
        write_bundle(path, *rest)

    monkeypatch.setattr(write, "write", late)
    assert write.export() == Path("models/digits-2")
    assert made == [Path("models/digits")] and Bundle.read(made[0]).identity == Bundle.read(digits).identity
