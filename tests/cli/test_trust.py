"""What scripts rely on: files of errors, going on where it stopped, odd names, limits, signals, and no network."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.cli import app
from aetool.system.limits import Limits
from tests.conftest import command
from tests.toy import toy_image


@pytest.fixture
def folder(workplace):
    """A folder of 1,000 pictures, 37 of them bad in four ways."""
    Path("in/sub").mkdir(parents=True)
    good = toy_image(1, 2, 3, 4)
    for i in range(1000):
        path = Path("in", "sub" * (i % 2), f"{i:04}.png")
        if i % 27 != 5:
            good.save(path)
        else:
            bad = (b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(30), good.tobytes())[i % 4]
            path.write_bytes(bad)
    return Path("in")


def bad_ones() -> set[str]:
    return {os.path.join("in", "sub" * (i % 2), f"{i:04}.png") for i in range(5, 1000, 27)}  # noqa: PTH118


def test_a_folder_with_bad_files_is_done_but_for_those_and_then_only_what_is_missing(cli, toy, folder):
    words = ["reconstruct", "in", "-o", "out/", "-m", toy, "--errors", "bad.jsonl", "--skip-existing", "-q"]
    code, _, err = cli(*words)
    assert code == 3 and "963 done, 37 failed" in err
    rows = [json.loads(line) for line in Path("bad.jsonl").read_text().splitlines()]
    assert len(rows) == 37 and {row["path"] for row in rows} == bad_ones() and all(row["reason"] for row in rows)
    done = sorted(Path("out").rglob("*.png"))
    assert len(done) == 1000 - len(bad_ones())
    times = {path: path.stat().st_mtime_ns for path in done}
    for path in done[:5]:
        path.unlink()
    code, _, err = cli(*words)
    assert code == 3 and "5 done" in err
    assert {path: path.stat().st_mtime_ns for path in done[5:]} == {path: times[path] for path in done[5:]}
    assert sorted(Path("out").rglob("*.png")) == done
    for path in bad_ones():
        Path(path).unlink()
    code, out, err = cli(*words[:-1])
    assert (code, out) == (0, b"") and f"{len(done)} are there already" in err
    assert Path("bad.jsonl").read_bytes() == b""


def test_outputs_of_equal_names_are_found_again(cli, toy, workplace):
    for name in ("a/x.png", "b/x.png", "a/x.bmp"):
        Path(name).parent.mkdir(exist_ok=True)
        toy_image(*name.encode()[:4]).save(name)
    words = ["reconstruct", "a", "b", "a", "-o", "out/", "-m", toy, "--skip-existing"]

    def written() -> dict[str, bytes]:
        return {str(path.relative_to("out")): path.read_bytes() for path in Path("out").rglob("*.png")}

    assert cli(*words)[0] == 0
    first = written()
    assert sorted(first) == ["a/x-2.png", "a/x.bmp-2.png", "a/x.bmp.png", "a/x.png", "b/x.png"]
    for name in ("a/x-2.png", "b/x.png"):
        Path("out", name).unlink()
        code, _, err = cli(*words)
        assert (code, written()) == (0, first) and "did not write" not in err


def test_skipping_needs_a_folder(cli, toy, workplace):
    toy_image(1, 2, 3, 4).save("a.png")
    assert cli("reconstruct", "a.png", "-o", "b.png", "--skip-existing", "-m", toy)[0] == 2


@pytest.mark.parametrize("words", [["encode", "in"], ["sample", "--from", "in", "-n", "1", "-o", "x.png"]])
def test_other_commands_list_errors_too(cli, toy, workplace, words):
    Path("in").mkdir()
    for i in range(3):
        toy_image(i, 2, 3, 4).save(f"in/{i}.png")
    Path("in/bad.png").write_bytes(b"")
    assert cli(*words, "--errors", "bad.jsonl", "-m", toy)[0] == 3
    assert [json.loads(line)["path"] for line in Path("bad.jsonl").read_text().splitlines()] == ["in/bad.png"]


ODD = ["new\nline.png", "tab\t.png", "bell\x07.png", "esc\x1b[31m.png", "-dash.png", "no utf8 \udcff.png", "ü.png",
       " .png"]  # fmt: skip


def test_odd_names_work_and_never_reach_the_terminal_raw(toy, workplace):
    Path("in").mkdir()
    for name in ODD:
        toy_image(1, 2, 3, 4).save(Path("in", name))
        Path("in", f"bad {name}").write_bytes(b"no picture")
    run = {"capture_output": True, "timeout": 60}
    done = subprocess.run(command(["reconstruct", "in", "-o", "out/", "-m", str(toy), "--errors", "e.jsonl"]), **run)
    assert done.returncode == 3 and done.stdout == b""
    assert all(line.decode().isprintable() for line in done.stderr.split(b"\n"))
    assert len(list(Path("out").iterdir())) == len(ODD)
    rows = [json.loads(line) for line in Path("e.jsonl").read_bytes().splitlines()]
    assert {row["path"] for row in rows} == {f"in/bad {name}" for name in ODD}
    os.chdir("in")
    for name in ODD:
        done = subprocess.run(command(["encode", "-m", str(toy), "--", name]), **run)
        assert done.returncode == 0 and json.loads(done.stdout)["source"] == name
        subprocess.run(command(["encode", "-m", str(toy), "--", f"bad {name}"]), **run)
    names = "\0".join(ODD).encode("utf-8", "surrogateescape")
    done = subprocess.run(command(["encode", "-m", str(toy), "--files-from", "-", "-0"]), input=names, **run)
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ODD


def test_process_substitution_is_read(shell, toy, workplace):
    toy_image(1, 2, 3, 4).save("a.png")
    done = shell(f"aetool encode <(cat a.png) -m {toy}")
    assert done.returncode == 0 and len(json.loads(done.stdout)["latent"]) == 4
    done = shell(f"aetool decode <(aetool encode a.png -m {toy}) -m {toy} -o b.png")
    assert done.returncode == 0 and Path("b.png").exists()


def test_nothing_but_data_reaches_stdout_whatever_onnx_runtime_prints(toy, workplace):
    env = {**os.environ, "ORT_LOG_LEVEL": "0", "ORT_DEFAULT_LOG_SEVERITY_LEVEL": "0"}
    for device in ("auto", "cuda"):
        words = command(["sample", "-n", "2", "--latents", "-m", str(toy), "--device", device])
        done = subprocess.run(words, capture_output=True, env=env, timeout=60)
        assert all(json.loads(line) for line in done.stdout.splitlines()) and done.stderr.count(b"\n") <= 1


def test_limits_have_options_with_their_defaults(cli, toy, workplace):
    Image.new("L", (100, 100)).save("a.png")
    code, _, err = cli("encode", "a.png", "-m", toy, "--max-pixels", 9999)
    assert code == 6 and "100 x 100 is more than the 9,999 pixels accepted; --max-pixels allows more" in err
    assert cli("encode", "a.png", "-m", toy)[0] == 0
    code, _, err = cli("sample", "-n", 20, "-m", toy, "-o", "x.gif", "--max-frames", 19)
    assert code == 6 and "--max-frames" in err and not Path("x.gif").exists()
    assert cli("sample", "-n", 20, "-m", toy, "-o", "x.gif")[0] == 0
    np.save("z.npy", np.zeros((100, 4)))
    code, _, err = cli("decode", "z.npy", "-m", toy, "-o", "y.png", "--max-bytes", 1000)
    assert code == 6 and "--max-bytes allows more" in err
    assert cli("decode", "z.npy", "-m", toy, "-o", "y.png")[0] == 0
    assert {field.name for field in fields(Limits)} == {"pixels", "frames", "bytes"}


def parameters(name: str) -> set[str]:
    """Return the parameters of a command as Typer sees them."""
    return set(inspect.signature(app.build([name]).registered_commands[0].callback).parameters)


READERS = {"encode", "reconstruct", "sample", "score", "interpolate", "combine", "perturb", "search", "explore",
           "train"}  # fmt: skip
"""Commands that read pictures."""


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_command_that_reads_pictures_can_be_told_their_size(name, cli, toy, workplace):
    Path("in").mkdir()
    for i in range(2):
        toy_image(i, 50, 100, 150).resize((60, 60)).save(f"in/{i}.png")
    words = {"sample": ["--from", "in"], "interpolate": ["in/0.png", "in/1.png"], "search": ["in/0.png"],
             "explore": ["in", "-o", "page.html"]}  # fmt: skip
    chosen = [] if name == "train" else ["-m", toy]
    code, _, err = cli(name, *words.get(name, ["in"]), *chosen, "--max-pixels", 3599)
    assert code in (4, 6) and ("--max-pixels allows more" in err or name == "train")


def test_the_commands_that_read_pictures_are_known():
    limited = {name for name in app.COMMANDS if "max_pixels" in parameters(name)}
    assert limited == READERS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_at_any_moment_of_the_start_end_with_their_code_and_no_traceback(toy, workplace, number):
    words = command(["sample", "-n", "1", "-m", str(toy), "-o", "x.png", "-q"])
    code = "import aetool.__main__ as program; print('up', flush=True); program.main()"
    for wait in (0.0, 0.02, 0.04, 0.08, 0.15, 0.3):
        process = subprocess.Popen([words[0], "-c", code, *words[3:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        early = wait == 0 and b"KeyboardInterrupt" in err  # before the first line of the program
        assert early or (err == b"" and process.returncode in (0, 128 + number, -number))


def test_a_second_signal_ends_training_at_once():
    code = (
        "import os, signal, sys\nfrom aetool.cli.process import first_signal\nwith first_signal() as seen:\n"
        "    os.kill(os.getpid(), int(sys.argv[1])); assert seen\n"
        "    os.kill(os.getpid(), int(sys.argv[2]))\nprint('on')"
    )
    for first, second in ((signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,) * 2):
        words = [command([])[0], "-c", code, str(int(first)), str(int(second))]
        done = subprocess.run(words, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (128 + second, b"", b"")


def test_golden_values_that_differ_are_not_exported(cli, digits_run, monkeypatch):
    monkeypatch.chdir(digits_run.parents[1])
    monkeypatch.setattr("aetool.runtime.golden.BOUNDS", {"latents": -1.0, "images": -1.0})
    code, out, err = cli("export", "-o", "models/other")
    assert (code, out) == (5, b"") and "golden" in err and not Path("models/other").exists()


def test_a_start_that_fails_leaves_no_run(cli, workplace):
    assert cli("train", "--lr", "1e30", "--epochs", 2, "--threads", 1, "-q")[0] == 2
    assert list(Path("runs").iterdir()) == []


def connections(log: Path) -> list[str]:
    """Return every address that was connected to, local sockets apart."""
    lines = log.read_text().splitlines()
    return [line for line in lines if re.search(r"connect\(|sendto\(", line) and "AF_UNIX" not in line]


def test_no_connection_is_tried_and_a_fresh_home_stays_empty(toy, workplace):
    if not shutil.which("strace"):
        pytest.skip("STRACE MISSING: install it to run this test")
    toy_image(1, 2, 3, 4).save("a.png")
    Path("home").mkdir()
    env = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")}
    lines = (["encode", "a.png"], ["sample", "-n", "1", "-o", "s.png"], ["verify", str(toy)], ["devices"], ["info"])
    for words in lines:
        chosen = [] if words[0] in ("verify", "devices", "info") else ["-m", str(toy)]
        line = ["strace", "-f", "-o", "log", "-e", "trace=connect,sendto", *command([*words, *chosen])]
        done = subprocess.run(line, env={**env, "HOME": str(Path("home").resolve())}, capture_output=True, timeout=120)
        if b"ptrace" in done.stderr.lower():
            pytest.skip("STRACE IS NOT ALLOWED HERE")
        assert done.returncode == 0, done.stderr
        assert connections(Path("log")) == []
        assert list(Path("home").iterdir()) == []
