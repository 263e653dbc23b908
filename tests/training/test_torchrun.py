"""torchrun itself: a training that it starts, on one machine and on two, and the end of all when one is killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aetool.training import checkpoint

pytestmark = pytest.mark.slow

SMALL = ["--threads", "1", "--set", "widths=4", "--latent-dim", "4", "--batch-size", "729"]
LONG = ["digits", "--epochs", "400", *SMALL]
"""A training of 800 steps, of which every twentieth epoch is told."""

started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Let no training outlive its test."""
    yield
    while started:
        process = started.pop()
        process.terminate()
        process.communicate(timeout=60)


def torchrun(*words: str, count: int = 2, nodes: tuple[str, ...] = ("--standalone",)) -> subprocess.Popen[str]:
    """Start `aetool train` by torchrun, in ranks of one thread; stderr is in a file of its own."""
    program = [sys.executable, "-m", "torch.distributed.run", *nodes, "--nproc-per-node", str(count)]
    line = [*program, "-m", "aetool", "train", *words]
    talk = Path(f"talk{sum(1 for _ in Path().glob('talk*'))}")
    with talk.open("w") as stream:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment)
    process.talk = talk
    started.append(process)
    return process


def said(process: subprocess.Popen[str]) -> list[str]:
    return [line for line in process.talk.read_text().splitlines() if line.startswith("aetool: ")]


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that torchrun started, by rank."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = {}
    for child in children:
        fields = dict(one.split("=", 1) for one in Path(f"/proc/{child}/environ").read_text().split("\0") if "=" in one)
        if "RANK" in fields:
            found[int(fields["RANK"])] = int(child)
    return [found[rank] for rank in sorted(found)]


def until(process: subprocess.Popen[str], word: str) -> None:
    deadline = time.monotonic() + 120
    while word not in process.talk.read_text():
        assert process.poll() is None and time.monotonic() < deadline, process.talk.read_text()
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the ranks are found in /proc")
@pytest.mark.parametrize(
    ("count", "killed", "number"),
    [
        *((2, 1, signal.SIGKILL), (2, 0, signal.SIGKILL), (3, 2, signal.SIGKILL), (3, 0, signal.SIGKILL)),
        *((2, 1, signal.SIGTERM), (2, 0, signal.SIGTERM)),
    ],
)
def test_the_kill_of_a_rank_ends_all_with_one_line(workplace, count, killed, number):
    process = torchrun(*LONG, count=count)
    until(process, "epoch 20 ")
    children = ranks_of(process)
    assert len(children) == count
    os.kill(children[killed], number)
    assert process.wait(timeout=60) == 1
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    told = [line for line in said(process) if "stopped at step" in line]
    assert (
        len(told) == 1
        and told[0].endswith("go on with: aetool train --resume runs/digits")
        and told[0] == said(process)[-1]
    )
    if killed or number == signal.SIGTERM:
        step = int(re.search(r"stopped at step (\d+)", told[0])[1])
        assert ", saved; " in told[0]
        assert checkpoint.load_newest(Path("runs/digits/checkpoints")).progress.step == step
    if killed:
        assert told[0].startswith(f"aetool: another of the {count} processes of this training ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_torchrun_saves_once(workplace, number):
    process = torchrun(*LONG)
    until(process, "epoch 20 ")
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert len([line for line in said(process) if ", saved; go on with: aetool train --resume" in line]) == 1
    assert checkpoint.load_newest(Path("runs/digits/checkpoints")).progress.step >= 40


def test_two_machines_train_one_run(workplace):
    """Two torchruns that meet on loopback; the second one is silent."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    both = [
        torchrun(
            "digits", "--epochs", "2", *SMALL, count=1,
            nodes=("--nnodes", "2", "--node-rank", str(i), "--master-addr", "127.0.0.1", "--master-port", port),
        )
        for i in range(2)
    ]  # fmt: skip
    outs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outs == ["runs/digits\n", ""] and not said(both[1]) and said(both[0])[-1].endswith("runs/digits")


def test_a_command_line_with_a_mistake_is_said_once(workplace):
    process = torchrun("digits", "--epohcs", "2")
    assert process.wait(timeout=60) == 1 and len(said(process)) == 1 and "No such option" in said(process)[0]


def test_a_process_that_fails_before_it_joins_is_said(workplace):
    """As where a machine lacks a package; the other one waits for it."""
    broken = "import os, runpy, sys, time; sys.argv = ['aetool', 'train', 'digits']\n"
    broken += (
        "if os.environ['RANK'] == '1': time.sleep(15); sys.exit(3)\nrunpy.run_module('aetool', run_name='__main__')\n"
    )
    Path("broken.py").write_text(broken)
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "broken.py"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    told = [text for text in done.stderr.splitlines() if text.startswith("aetool: ")]
    assert done.returncode == 1 and told == ["aetool: another of the 2 processes of this training did not start"]


def test_python_trains_on_several_processes_too(workplace):
    code = "import aetool\nfor name in 'one', 'two':\n"
    code += "    print(aetool.train('digits', aetool.TrainConfig(epochs=1), name=name))\n"
    Path("both.py").write_text(code)
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "both.py"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and sorted(done.stdout.split()) == ["runs/one"] * 2 + ["runs/two"] * 2
