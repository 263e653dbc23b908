"""Training on several processes: the weights of one, whatever the shares; one voice; one end for all.

Most tests fork the ranks from this process, which has imported torch, so that a rank costs milliseconds. The slow ones
start them with torchrun.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aetool.cli import app, process
from aetool.errors import UsageError
from aetool.training import augment, checkpoint, device, ranks, run_folder
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ARCHITECTURES
from aetool.training.config import TrainConfig
from aetool.training.data import stored
from aetool.training.ranks import Ranks, Share, joined, named
from aetool.training.steps import Steps

SMALL = ["--epochs", "2", "--threads", "1", "--set", "widths=4", "--batch-size", "243", "--latent-dim", "4"]
AWAY = TrainConfig(architecture="conv", options=ARCHITECTURES["conv"], batch_size=16, shift=1, elastic=1.0, affine=5.0)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Import once what every rank would import, and let no library have threads, which no fork survives."""
    import matplotlib.figure
    import scipy.linalg
    import sklearn.datasets

    assert matplotlib.figure and scipy.linalg and sklearn.datasets
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def together(work: Callable[[int], int | None], count: int = 2) -> list[tuple[int, str, str]]:
    """Call `work(rank)` in each of `count` forked processes that can meet; returns exit code, stdout and stderr."""
    port, children = free_port(), []
    for rank in range(count):
        child = os.fork()
        if not child:
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(f"{name}{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            os.environ |= {
                "RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }  # fmt: skip
            code: int | None = 99
            try:
                code = work(rank)
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code or 0)
        children.append(child)
    codes = [wait(child) for child in children]
    return [(code, Path(f"out{i}").read_text(), said(i)) for i, code in enumerate(codes)]


def said(rank: int) -> str:
    """Return what a rank said, without what torch prints, which the program keeps back."""
    return "".join(line for line in Path(f"err{rank}").read_text().splitlines(True) if line.startswith("aetool: "))


def wait(child: int) -> int:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("a rank did not end")


def cli(*words: str, count: int = 2) -> list[tuple[int, str, str]]:
    """Run the command line in each of several ranks."""

    def work(_rank: int) -> int:
        process._prepare_signals()
        return app.run(["train", *words])

    return together(work, count)


def log(run: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in Path("runs", run, "log.jsonl").read_text().splitlines()]


def curve(run: str) -> list[float]:
    names = ("train_mse", "test_mse", "validation_mse")
    return [entry[name] for entry in log(run) for name in names if entry.get(name) is not None]


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_gradients_of_ranks_are_those_of_one_process(workplace, name):
    """In float64, with shares of 3, 3 and 1 of 7 images changed at random: equal to rounding, batch statistics too."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 12, 9), np.uint8)
    config = replace(AWAY, architecture=name, options=ARCHITECTURES[name], batch_size=7)
    shares = [Share(7, slice(0, 3)), Share(7, slice(3, 6)), Share(7, slice(6, 7))]

    def gradients(mine: Ranks, share: Share) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = build(name, config.options, (1, 12, 9), 4).double().train()
        steps = Steps(network, config, torch.device("cpu"), pixels, mine, share)
        images = steps.changed(steps.images(np.arange(3, 10)), step=5, settling=False).double()
        steps.loss = lambda images: torch.nn.functional.mse_loss(network(images), images)  # in float64
        return [steps.gradients(images), *(p.grad for p in network.parameters() if p.requires_grad)]

    whole = gradients(Ranks(), Share(7, slice(0, 7)))

    def work(rank: int) -> int:
        with joined() as mine:
            found = gradients(mine, shares[rank])
            return int(not all(torch.allclose(a, b, rtol=1e-7, atol=1e-10) for a, b in zip(found, whole, strict=True)))

    assert [code for code, _, _ in together(work, 3)] == [0, 0, 0]


def test_two_ranks_train_as_one_process_does_and_one_of_them_speaks(workplace, monkeypatch):
    words = [*SMALL, "--shift", "1", "--elastic", "0.5"]
    (alone,) = cli("digits", "--name", "one", *words, count=1)
    first, second = cli("digits", "--name", "two", *words)
    assert first[:2] == (0, "runs/two\n") and second == (0, "", "")
    assert first[2].count("PCA reaches") == 1 and alone[2].count("PCA reaches") == 1
    assert curve("two") == pytest.approx(curve("one"), rel=1e-3) and len(log("two")) == 3
    assert {p.name for p in Path("runs/two").iterdir()} == {p.name for p in Path("runs/one").iterdir()}
    record = run_folder.record.read_record(Path("runs/two"))
    assert record.config.command().startswith("torchrun --nproc-per-node 2 -m aetool train digits --latent-dim 4")
    assert record.config.ranks == 2 and run_folder.record.read_record(Path("runs/one")).config.ranks is None


def test_a_run_goes_on_with_other_numbers_of_processes_and_says_so(workplace, capsys):
    assert cli("digits", *SMALL, "-q")[0][0] == 0
    planned(Path("runs/digits"), 3)
    monkey = os.environ.pop("OMP_NUM_THREADS", None)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        assert app.run(["train", "--resume"]) == 0
        err = capsys.readouterr().err
        assert "trained by 2 processes of 1 thread until here, now by 1 process of 1 thread: the weights" in err
        planned(Path("runs/digits"), 4)
        results = cli("--resume", count=3)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if monkey is not None:
            os.environ["OMP_NUM_THREADS"] = monkey
    assert [code for code, _, _ in results] == [0, 0, 0] and results[1][1:] == results[2][1:] == ("", "")
    assert "1 process of 1 thread until here, now by 3 processes of 1 thread" in results[0][2]
    assert [entry["epoch"] for entry in log("digits")] == [0, 1, 2, 3, 4]
    more = cli("--more-epochs", "1", "digits")
    assert more[0][:2] == (0, "runs/digits\n") and more[1] == (0, "", "") and len(log("digits")) == 6


def planned(run: Path, epochs: int) -> None:
    """Plan another number of epochs for a run."""
    fields = json.loads((run / "config.json").read_text())
    fields["config"]["epochs"] = epochs
    (run / "config.json").write_text(json.dumps(fields))


def test_a_rank_reads_its_share_of_a_stored_folder_alone(workplace, monkeypatch):
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(f"photos/{i}.png")
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    read, taken, images = stored.PixelFile.read, [], Steps.images
    monkeypatch.setattr(stored.PixelFile, "read", lambda self, rows: (taken.append(rows.tolist()), read(self, rows))[1])

    def noting(self, rows):
        taken.clear()
        found = images(self, rows)
        print(json.dumps([rows.tolist(), self.pixels.rows[rows].tolist(), taken[0]]))
        return found

    monkeypatch.setattr(Steps, "images", noting)
    results = cli("photos", *SMALL[:-4], "--batch-size", "9", "--latent-dim", "2")
    first, second = ([json.loads(line) for line in out.splitlines() if line[0] == "["] for _, out, _ in results)
    assert len(first) == len(second) > 4 and not results[1][2]
    for (rows, places, one), (same, _, other) in zip(first, second, strict=True):
        assert rows == same and one == places[:4] and other == places[4:]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"RANK": "0"}, "WORLD_SIZE, MASTER_ADDR, MASTER_PORT are missing"),
        ({"WORLD_SIZE": "2"}, "RANK, MASTER_ADDR, MASTER_PORT are missing"),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "1"}, "MASTER_ADDR is missing"),
        (
            {"RANK": "one", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"},
            'RANK is a whole number, not "one',
        ),
        ({"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}, "no process 2 of 2"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "70000"}, "at port 70000"),
        ({"RANK": "-1", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}, "RANK is a whole number"),
    ],
)
def test_variables_that_name_no_rank_are_said(workplace, monkeypatch, capsys, given, said):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert app.run(["train", "digits"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and "start with torchrun" in err and not Path("runs").exists()


def test_a_process_alone_needs_no_other():
    assert named({}) == named({"RANK": "0", "WORLD_SIZE": "1"}) == named({"MASTER_ADDR": "x", "LOCAL_RANK": "3"})
    assert named({"RANK": "", "WORLD_SIZE": ""}).alone
    there = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "x", "MASTER_PORT": "1", "LOCAL_RANK": "1"}
    assert named(there) == Ranks(3, 4, 1)


def test_processes_that_do_not_meet_say_so(workplace, monkeypatch, capsys):
    monkeypatch.setattr(ranks, "JOIN", timedelta(seconds=0.5))
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    assert app.run(["train", "digits"]) == 7
    assert re.fullmatch(
        r"aetool: the 2 processes of this training did not meet at 127.0.0.1:\d+: .*\n", capsys.readouterr().err
    )


@pytest.mark.parametrize("images", [2, 7, 16, 33])
@pytest.mark.parametrize("world", [1, 2, 3, 16])
def test_shares_are_the_batch_in_order_and_as_equal_as_can_be(images, world):
    if images < world:
        with pytest.raises(UsageError, match=f"{images} images a step cannot be shared by {world} processes"):
            Ranks(0, world).share(images)
        return
    parts = [Ranks(rank, world).share(images) for rank in range(world)]
    assert [i for part in parts for i in range(images)[part.rows]] == list(range(images))
    sizes = {len(range(images)[part.rows]) for part in parts}
    assert max(sizes) - min(sizes) <= 1 and sum(part.weight for part in parts) == pytest.approx(1)


def test_random_changes_of_shares_are_those_of_the_whole_batch():
    images = torch.rand(7, 2, 9, 9)
    for change in (
        lambda part, **more: augment.shifted(part, 2, torch.Generator().manual_seed(3), **more),
        lambda part, **more: augment.warped(part, 1.0, 9.0, torch.Generator().manual_seed(3), **more),
    ):
        parts = [Share(7, slice(0, 3)), Share(7, slice(3, 7))]
        assert torch.equal(torch.cat([change(images[p.rows], share=p) for p in parts]), change(images))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits", "--batch-size", "2"], "2 images a step cannot be shared by 3 processes; start fewer processes, or"),
        (["nowhere"], 'no data set "nowhere"'),
        (["digits", "--resume", "--epochs", "2"], "a resumed run keeps its settings"),
        (["--resume"], "no training run in ./runs"),
        (["digits", "--bogus"], "No such option: --bogus"),
        (["digits", "--name="], "an argument is empty"),
    ],
)
def test_bad_input_is_said_once(workplace, monkeypatch, words, said):
    monkeypatch.setattr(app, "LATER", 0.1)
    results = cli(*words, count=3)
    lines = [line for _, _, err in results for line in err.splitlines() if "finding" not in line]
    assert len(lines) == 1 and said in lines[0] and all(code for code, _, _ in results)
    assert not Path("runs/digits").exists()


def test_a_rank_that_finds_other_images_says_so_and_ends_all(workplace, monkeypatch):
    def work(rank: int) -> int:
        if rank:
            os.environ["XDG_CACHE_HOME"] = str(workplace / "empty")
            Path("far").mkdir()
            os.chdir("far")
        return app.run(["train", "digits", *SMALL, "--batch-size", "32"])

    first, second = together(work)
    assert first[0] and second[0] and not Path("runs/digits").exists()
    lines = [line for line in (first[2] + second[2]).splitlines() if "could not read runs/digits/config.json" in line]
    assert len(lines) == 1 and lines[0].startswith("aetool: process 2 of 2: ")


def test_killed_at_any_step_the_first_saves_and_says_so(workplace, monkeypatch):
    """The other is killed inside a step; then the run goes on in one process."""
    learn = Steps.learn

    def dying(self, images):
        if self.ranks.rank == 1 and self.optimisers.parts[0][0].state and dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        dying.left -= 1
        return learn(self, images)

    dying.left = 5
    monkeypatch.setattr(Steps, "learn", dying)
    first, second = cli("digits", *SMALL)
    assert first[0] == 10 and second[0] == -signal.SIGKILL and not second[2]
    line = first[2].splitlines()[-1]
    assert line == (
        "aetool: another of the 2 processes of this training ended; stopped at step 5, saved; go on with: "
        "aetool train --resume runs/digits"
    )
    assert checkpoint.load_newest(Path("runs/digits/checkpoints")).progress.step == 5
    monkeypatch.setattr(Steps, "learn", learn)
    assert app.run(["train", "--resume", "-q"]) == 0 and log("digits")[-1]["epoch"] == 2


def test_processes_on_a_machine_need_a_device_each(monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(device.torch.cuda, "set_device", chosen.append)
    assert Ranks(3, 8, 1).device("auto").type == "cuda" and chosen == [1]
    with pytest.raises(UsageError, match="at least 3 processes train on this machine, which has 2 CUDA devices"):
        Ranks(2, 3, 2).device("cuda")
    monkeypatch.setattr(device.torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(UsageError, match="mps"):
        Ranks(0, 2, 0).device("mps")
    assert Ranks(7, 8, 7).device("cpu").type == "cpu"
