"""Deaths have a word: limits of processes, memory, files and time, a folder that is gone, signals that nobody sent."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from aetool.cli.causes import cause
from aetool.system import processes
from tests.conftest import REPOSITORY, command
from tests.toy import toy_image

SAMPLE = ["sample", "-m", "TOY", "-n", "1", "--seed", "1", "-q", "-o", "x.png"]
TRAIN = ["train", "digits", "--epochs", "3000", "--threads", "1", "--latent-dim", "2"]


def limited(words, toy, **limits):
    """Run the program under limits, as --as=BYTES and so on; returns the finished process."""

    def begin() -> None:
        for name, limit in limits.items():
            both = limit if isinstance(limit, tuple) else (limit, limit)
            resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), both)

    line = command([word.replace("TOY", str(toy)) for word in words])
    return subprocess.run(line, preexec_fn=begin, capture_output=True, timeout=120, text=True)


@pytest.fixture
def few(workplace):
    """Run the program as a user of at most so many processes."""
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("prlimit"):
        pytest.skip("LIMITS OF PROCESSES NOT TRIED: root, setpriv and prlimit are needed")
    capabilities = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    user = ["setpriv", "--reuid=12346", "--regid=12346", "--clear-groups", *capabilities, "prlimit"]
    if subprocess.run([*user, "--nproc=1", "true"], capture_output=True).returncode:
        pytest.skip("LIMITS OF PROCESSES NOT TRIED: setpriv is not allowed here")
    workplace.chmod(0o777)
    env = {"HOME": str(workplace), "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}

    def run(count: int, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        line = [*user, f"--nproc={count}", *command(words)]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, env=env | more)

    return run


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_processes_are_enough(few, toy, count):
    assert few(count, [word.replace("TOY", str(toy)) for word in SAMPLE]).returncode == 0
    Path("in").mkdir(mode=0o777)
    toy_image(1, 2, 3, 4).save("in/0.png")
    for i in range(1, 2500):
        os.link("in/0.png", f"in/{i}.png")
    done = few(count, ["encode", "in", "-m", str(toy), "-o", "z.jsonl"])
    assert (done.returncode, done.stderr) == (0, "") and len(Path("z.jsonl").read_text().splitlines()) == 2500


def test_a_sigint_that_openblas_raises_is_no_ctrl_c(few, toy):
    done = few(1, [word.replace("TOY", str(toy)) for word in SAMPLE], OPENBLAS_NUM_THREADS="2")
    if done.returncode == 0:
        pytest.skip("this NumPy starts no threads")
    assert done.returncode == 6 and "no more processes or threads can be started" in done.stderr.splitlines()[-1]


def test_training_with_few_processes_uses_one_thread(few):
    done = few(2, ["train", "digits", "--epochs", "1", "--latent-dim", "2", "-q"])
    assert done.returncode == 0 and all("as good as PCA" in line for line in done.stderr.splitlines())
    assert json.loads(Path(done.stdout.strip(), "config.json").read_text())["config"]["threads"] == 1


@pytest.mark.parametrize("mib", [100, 150, 250])
def test_too_little_memory_is_said(toy, workplace, mib):
    done = limited(SAMPLE, toy, **{"as": mib << 20})
    if done.returncode == 0:
        pytest.skip("that is enough here")
    assert done.stderr and "report it" not in done.stderr and done.returncode in (1, 6)
    assert done.returncode == 1 or "there is not enough memory" in done.stderr


def test_training_with_too_little_memory_is_said(toy, workplace):
    done = limited(["train", "digits", "--epochs", "1", "--threads", "1"], toy, **{"as": 600 << 20})
    assert done.returncode == 6 and done.stderr.splitlines()[-1].startswith("aetool: there is not enough memory; ")


def test_too_few_files_are_said(toy, workplace):
    for count in (4, 5):
        done = limited(SAMPLE, toy, nofile=count)
        said = "too many files are open" in done.stderr or "Too many open files" in done.stderr
        assert done.returncode == 0 or (done.returncode in (1, 7) and said), done.stderr
    assert limited(SAMPLE, toy, nofile=10).returncode == 0


def test_a_file_that_grows_too_large_is_said(toy, workplace):
    done = limited(["sample", "-m", "TOY", "-n", "500", "--latents", "-o", "z.jsonl"], toy, fsize=1000)
    assert done.returncode == 7 and done.stderr.endswith("could not write z.jsonl: File too large\n")


@pytest.mark.parametrize("limit", [(1, 100), (10, 10)])
def test_the_end_of_processor_time_is_said_and_the_run_saved(toy, workplace, limit):
    done = limited(TRAIN, toy, cpu=limit)
    assert done.returncode == 6 and done.stderr.endswith("aetool: the limit of processor time is reached (ulimit -t)\n")
    assert limit[0] == 1 or list(Path("runs/digits/checkpoints").glob("*.json"))


@pytest.mark.parametrize("words", [TRAIN, ["export"], ["evaluate", "mnist"]])
def test_a_working_folder_that_is_gone_is_said(workplace, words):
    Path("gone").mkdir()
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    line = ["bash", "-c", 'cd gone && rmdir ../gone && exec "$@"', "bash", shutil.which("aetool") or "", *words]
    if not line[4]:
        pytest.skip("aetool is not on PATH")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, env=env)
    expected = "aetool: the working folder is gone; cd to one that is there\n"
    assert (done.returncode, done.stderr) == (7, expected)


def test_what_a_library_prints_while_it_dies_is_heard(workplace):
    """As oneMKL and OpenMP do: a line on file descriptor 2, then the end of the process."""
    code = (
        "import sys; sys.argv = ['aetool']; import os; from aetool.cli import process\n"
        "def run(words):\n    os.write(2, b'libfoo: FATAL ERROR\\n'); os._exit(2)\n"
        "process.main(run)"
    )
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (2, b"libfoo: FATAL ERROR\n")
    crash = code.replace("os._exit(2)", "os.abort()")
    done = subprocess.run([sys.executable, "-c", crash], capture_output=True, env=env)
    assert done.returncode == -signal.SIGABRT and done.stderr.startswith(b"libfoo: FATAL ERROR\nFatal Python error")


def test_what_a_library_prints_about_a_damaged_picture_is_not_heard(toy, workplace, aetool):
    from PIL import Image, features

    if not features.check("libtiff"):
        pytest.skip("this Pillow is without libtiff")
    Image.effect_noise((64, 64), 50).save("a.tif", compression="tiff_lzw")
    data = bytearray(Path("a.tif").read_bytes())
    Path("b.tif").write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    done = aetool("encode", "a.tif", "b.tif", "-m", str(toy), "-q", "-o", "z.jsonl")
    assert all(line.startswith(b"aetool: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal_that_the_parent_ignores_stays_ignored(workplace, name):
    """As `train &` in a script: Ctrl-C at the script does not end its background jobs, from first to last."""
    number = getattr(signal, f"SIG{name}")
    ignore = partial(signal.signal, number, signal.SIG_IGN)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(TRAIN), preexec_fn=ignore, text=True, **pipes) as process:
        process.send_signal(number)
        assert any("images of" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(number)
        time.sleep(1)
        process.send_signal(number)
        time.sleep(1)
        assert process.poll() is None
        other = signal.SIGTERM if name == "INT" else signal.SIGINT
        process.send_signal(other)
        assert process.wait(60) == 128 + other


def test_causes():
    assert cause(MemoryError())[1] == cause(OSError(12, "Cannot allocate memory"))[1] == 6
    assert cause(RuntimeError("can't start new thread"))[1] == cause(BlockingIOError(11, "x"))[1] == 6
    assert cause(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."))[1] == 6
    assert cause(OSError(24, "Too many open files"))[1] == 7
    assert cause(ImportError("x.so: cannot open shared object file: Too many open files"))[1] == 7
    assert cause(ValueError("of another kind")) is None and cause(FileNotFoundError(2, "No such file")) is None


def test_work_goes_on_with_the_workers_that_can_be_started(monkeypatch):
    start, started = processes._Crew._start, []

    def at_most_one(self) -> None:
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(1)
        start(self)

    monkeypatch.setattr(processes._Crew, "_start", at_most_one)
    assert list(processes.ordered(_doubling, ((i, i) for i in range(50)), 4)) == [(i, 2 * i) for i in range(50)]
    assert list(processes.ordered(_doubling, ((i, i) for i in range(50)), 4)) == [(i, 2 * i) for i in range(50)]


def _doubling():
    return lambda task: 2 * task
