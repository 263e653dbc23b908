"""Many images through a codec: the same bits in the same order, wherever they are computed."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aetool import Bundle, Codec
from aetool.arrays import to_images, to_pixels
from aetool.errors import LimitExceeded, ReadWriteError
from aetool.images.decode import decode_image
from aetool.images.files import ImageFile, find_images
from aetool.images.folder import picture_folder
from aetool.runtime import parallel
from aetool.runtime.parallel import decode_to, over_files
from aetool.system import processes
from aetool.system.limits import Limits
from aetool.system.processes import ordered
from tests.conftest import command
from tests.toy import toy_image


@pytest.fixture(scope="module")
def codec(toy):
    return Codec(Bundle.read(toy), "cpu")


@pytest.fixture
def impatient(monkeypatch):
    """Workers from the second picture on."""
    monkeypatch.setattr(parallel, "PATIENCE", -1.0)


@pytest.fixture
def crews(monkeypatch):
    """How many workers each crew that was called for has."""
    found = []

    def counted(make, tasks, count):
        found.append(count)
        return ordered(make, tasks, count)

    monkeypatch.setattr(parallel, "ordered", counted)
    return found


@pytest.fixture
def folder(tmp_path):
    """700 pictures in two sub-folders; the third of every ten is damaged, and one is gone when it is read."""
    for i in range(700):
        path = tmp_path / "in" / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        toy_image(i % 256, i // 256, 3, 255 - i % 256).save(path)
        if i % 10 == 3:
            path.write_bytes(path.read_bytes()[:40])
    return tmp_path / "in"


@pytest.mark.parametrize("device", ["cpu", "elsewhere"])
def test_workers_give_what_one_process_gives(codec, folder, impatient, device, monkeypatch):
    files = [*find_images([str(folder)]), ImageFile("gone.png", "gone.png"), ImageFile("-", "stdin", data=b"none")]
    monkeypatch.setattr(codec, "device", device)
    alone, together = (list(over_files(files, codec, Codec.encode, cores)) for cores in (1, 2))
    for found in (alone, together):
        assert len(found[0].files) == 1
        assert len([file for part in found for file in part.files]) == 630
        assert [f.path for part in found for f in part.failures][-2:] == ["gone.png", "-"]
        assert isinstance([f.error for part in found for f in part.failures][-2], ReadWriteError)
    assert [str(f) for p in alone for f in p.failures] == [str(f) for p in together for f in p.failures]
    assert [f for part in alone for f in part.files] == [f for part in together for f in part.files]
    bits = [np.concatenate([part.value for part in found]).tobytes() for found in (alone, together)]
    one_by_one = [
        codec.encode(to_images(decode_image(Path(file.path).read_bytes(), codec.spec)[None]))
        for part in alone
        for file in part.files
    ]
    assert bits[0] == bits[1] == np.concatenate(one_by_one).tobytes()


@pytest.mark.parametrize(
    "words",
    [
        ("encode", "in"),
        ("score", "in", "--json"),
        ("reconstruct", "in", "--json"),
        ("reconstruct", "in", "-o", "out/"),
        ("sample", "--from", "in", "--seed", 1, "--latents"),
        ("perturb", "in", "--seed", 1, "--latents", "-n", 2),
        ("perturb", "in", "--seed", 1, "-o", "out/", "-n", 2),
    ],
)
def test_commands_give_the_same_bytes_on_any_number_of_cores(words, cli, toy, folder, impatient, crews, monkeypatch):
    monkeypatch.chdir(folder.parent)
    found = []
    for cores in (1, 3):
        code, out, err = cli(*words, "-m", toy, "--threads", cores)
        assert code == 3 and "70 failed" in err
        files = {path: path.read_bytes() for path in sorted(Path("out").rglob("*.png"))}
        assert out or len(files) in (630, 1260)
        found.append((out, err, files))
    assert found[0] == found[1]
    assert crews == [3]  # and not one for encoding and one for decoding


def test_few_pictures_are_made_in_one_process(cli, toy, folder, crews, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert cli("perturb", "in/a/000.png", "in/a/002.png", "-n", 20, "-m", toy, "-o", "out/", "--seed", 1)[0] == 0
    assert cli("sample", "--each", "-n", 2, "-m", toy, "-o", "new/", "--seed", 1)[0] == 0
    assert cli("score", "in/a/000.png", "in/a/002.png", "-m", toy)[0] == 0
    assert crews == []


def test_workers_that_are_not_forked_know_what_they_need(codec, folder, impatient, monkeypatch):
    """As outside Linux: the step, the bundle and the limits reach them."""
    files = list(find_images([str(folder)]))[:20]
    expected = [part.value for part in over_files(files, codec, Codec.encode, 1)]
    monkeypatch.setattr(processes, "get_context", lambda method: multiprocessing.get_context("spawn"))
    found = [part.value for part in over_files(files, codec, Codec.encode, 2)]
    assert np.concatenate(found).tobytes() == np.concatenate(expected).tobytes()
    toy_image(1, 2, 3, 4).resize((40, 40)).save(folder / "large.png")
    files.append(ImageFile(str(folder / "large.png"), "large.png"))
    parts = over_files(files, codec, Codec.encode, 2, Limits(pixels=100))
    (failure,) = (failure for part in parts for failure in part.failures)
    assert isinstance(failure.error, LimitExceeded)


@pytest.mark.parametrize("device", ["cpu", "elsewhere"])
@pytest.mark.parametrize("cores", [1, 2])
def test_decoding_writes_every_picture(codec, tmp_path, crews, device, cores, monkeypatch):
    monkeypatch.setattr(codec, "device", device)
    latents = np.random.default_rng(0).uniform(0, 1, (700, 4)).astype(np.float32)
    expected = to_pixels(codec.decode(latents))
    with picture_folder(tmp_path / "out", b"") as (place, write):
        parts = ((latents[i : i + 100], [f"{j:03}" for j in range(i, i + 100)]) for i in range(0, 700, 100))
        assert decode_to(write, parts, place, codec, cores) == 700
    assert crews == ([] if cores == 1 else [cores])
    assert len(list((tmp_path / "out").iterdir())) == 700
    for i in (0, 1, 99, 100, 500, 699):
        assert np.array_equal(decode_image((tmp_path / f"out/{i:03}.png").read_bytes(), codec.spec), expected[i])


@contextlib.contextmanager
def started(*words):
    """Run a command, and see that it ends; SIGINT may be ignored where the tests were started in the background."""
    quietly = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command(words), preexec_fn=heed, **quietly) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def endless(workplace):
    """A list of names that goes on for longer than any test."""
    toy_image(1, 2, 3, 4).save("one.png")
    Path("names").write_text("one.png\n" * 3_000_000)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def with_workers(process) -> list[int]:
    """Wait until a command has two workers and return them."""
    for _ in range(200):
        if len(found := children(process.pid)) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError("no workers came")


linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
WORDS = ["encode", "--files-from", "names", "--threads", "2", "-q", "-m"]


@linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_and_its_workers(toy, endless, number, code):
    with started(*WORDS, str(toy), "-o", "z.jsonl") as process:
        workers = with_workers(process)
        os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code and err == b""
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert sorted(map(str, Path().iterdir())) == ["names", "one.png"]


@linux
def test_workers_end_with_the_process_that_started_them(toy, endless):
    with started(*WORDS, str(toy), "-o", "z.jsonl") as process:
        workers = with_workers(process)
        process.kill()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            return
        time.sleep(0.05)
    raise AssertionError("workers went on alone")


@linux
def test_a_worker_at_the_limit_of_processor_time_is_a_limit(toy, endless):
    with started(*WORDS, str(toy), "-o", "z.jsonl") as process:
        os.kill(with_workers(process)[0], signal.SIGXCPU)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (
        6, b"aetool: a worker process reached the limit of processor time (ulimit -t)\n"
    )  # fmt: skip


@linux
def test_a_worker_that_dies_ends_the_command_with_a_line(toy, endless):
    with started(*WORDS, str(toy), "-o", "z.jsonl") as process:
        os.kill(with_workers(process)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert (
        err == b"aetool: a worker process was ended by signal 9 (out of memory?); --threads 1 works without workers\n"
    )
    assert sorted(map(str, Path().iterdir())) == ["names", "one.png"]


@linux
def test_a_reader_that_goes_away_ends_the_workers(toy, endless):
    with started(*WORDS, str(toy)) as process:
        assert json.loads(process.stdout.readline())["source"] == "one.png"
        while len(workers := children(process.pid)) < 2:  # a full pipe would keep them from being started
            assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
