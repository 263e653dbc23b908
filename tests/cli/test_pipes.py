"""Real pipes between real processes, terminals, and streams that are closed or full."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import command
from tests.toy import picture, toy_image


@pytest.fixture
def two(workplace):
    toy_image(0, 50, 100, 150).save("a.png")
    toy_image(250, 200, 100, 0).save("b.png")


def test_encode_interpolate_decode(shell, toy, two):
    done = shell(
        "aetool encode a.png b.png -m $TOY | aetool interpolate - --steps 6 --latents -m $TOY | "
        "aetool decode -o strip.png -m $TOY".replace("$TOY", str(toy))
    )
    assert done.returncode == 0, done.stderr
    assert picture("strip.png").size == (3 * 66 + 2, 2 * 66 + 2)


def test_sample_shuffle_decode(shell, toy, two):
    done = shell(
        f"aetool sample --class dark -n 30 --latents -m {toy} | shuf -n 9 | aetool decode -m {toy} -o nine.png"
    )
    assert done.returncode == 0, done.stderr
    assert picture("nine.png").size == (3 * 66 + 2,) * 2


def test_latents_name_their_model_to_the_next_command(shell, toy, two, workplace):
    (workplace / "models").mkdir()
    (workplace / "models/mine").symlink_to(toy)
    done = shell("aetool encode a.png -m mine | aetool decode > x.png")
    assert done.returncode == 0 and b"model mine, named by the latents" in done.stderr
    assert np.array_equal(np.asarray(picture("x.png")), np.asarray(toy_image(0, 50, 100, 150)))


def test_a_model_of_the_environment_is_not_announced(shell, toy, two):
    line = "aetool encode a.png b.png | aetool interpolate - --latents | aetool decode -o x.png"
    done = shell(f"export AETOOL_MODEL={toy}; {line}")
    assert (done.returncode, done.stderr) == (0, b"") and picture("x.png").size == (5 * 66 + 2, 2 * 66 + 2)
    done = shell(f"cp -r {toy} models; mkdir m; mv models m/toy; mv m models; {line}")
    assert done.returncode == 0 and done.stderr.count(b"model toy, ") == 3  # nobody has chosen this one


def test_into_a_pipe_pictures_are_png_and_latents_are_lines(shell, toy, two):
    picture = shell(f"aetool sample -n 4 -m {toy} | cat").stdout
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    lines = shell(f"aetool sample -n 4 --latents -m {toy} | cat").stdout.splitlines()
    assert len(lines) == 4 and all(json.loads(line)["latent"] for line in lines)


@pytest.mark.parametrize("suffix", ["npz", "npy", "jsonl"])
def test_latent_files_come_through_a_pipe_that_cannot_seek(shell, toy, two, suffix):
    done = shell(
        f"aetool encode a.png b.png -m {toy} -o z.{suffix} && cat z.{suffix} | aetool decode - -m {toy} -o out/"
    )
    assert done.returncode == 0, done.stderr
    assert len(list(Path("out").iterdir())) == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_head_is_quiet(shell, toy, two, unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = shell(f"aetool sample -n 200000 --latents -m {toy} -q | head -n 1")
    assert done.returncode == 141 and done.stderr == b"" and json.loads(done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", ["sample -m TOY -q", "encode a.png -m TOY", "info TOY", "--version", "verify TOY",
                                   "sample -m TOY -q -o /dev/full"])  # fmt: skip
def test_a_full_disk_as_stdout_is_an_error(shell, toy, two, words):
    done = shell(f"aetool {words.replace('TOY', str(toy))} > /dev/full")
    assert done.returncode == 7 and done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr


@pytest.mark.parametrize("words", ["sample -m TOY -q", "encode a.png -m TOY", "info TOY", "devices"])
def test_a_closed_stdout_is_an_error(shell, toy, two, words):
    done = shell(f"aetool {words.replace('TOY', str(toy))} >&-")
    assert done.returncode == 7 and b"closed" in done.stderr


def test_a_closed_stderr_is_no_error(shell, toy, two):
    done = shell(f"aetool sample -m {toy} 2>&- | cat")
    assert done.returncode == 0 and done.stdout.startswith(b"\x89PNG")


def test_unbuffered_output_is_whole(shell, toy, two, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    assert shell(f"aetool sample -n 20000 --latents -m {toy} | (sleep 0.5; wc -l)").stdout.strip() == b"20000"


def test_stdout_is_data_only(shell, toy, two):
    done = shell(f"aetool encode a.png b.png -m {toy}")
    assert all(json.loads(line) for line in done.stdout.splitlines()) and done.stderr == b""


def on_a_terminal(words: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Run the program with stdin, stdout and stderr on a terminal of 80 columns, and return what appears there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(words), stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **env})
    os.close(theirs)
    shown: list[bytes] = []

    def collect():
        try:
            while data := os.read(ours, 1 << 16):
                shown.append(data)
        except OSError:  # the terminal is gone
            pass

    reader = threading.Thread(target=collect)
    reader.start()
    code = process.wait(60)
    reader.join(60)
    os.close(ours)
    return code, b"".join(shown).decode()


def test_a_terminal_shows_half_blocks(toy, two):
    code, text = on_a_terminal(["reconstruct", "a.png", "-m", str(toy)], {"COLORTERM": "truecolor"})
    assert code == 0 and text.count("▀") == 16 * 8 and "38;2;150;150;150" in text
    code, text = on_a_terminal(["sample", "-n", "8", "--seed", "1", "-m", str(toy)], {"TERM": "xterm", "COLUMNS": "80"})
    assert code == 0 and max(line.count("▀") for line in text.splitlines()) <= 80


def test_rows_stay_rows_on_a_terminal(toy, two):
    """Five tiles of 8x8, enlarged to 14, fit into 80 columns: of each row the first pictures are shown."""
    env = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    code, text = on_a_terminal(
        ["perturb", "a.png", "b.png", "-n", "9", "--sigma", "0", "--seed", "1", "-m", str(toy)], env
    )
    note, *lines = text.splitlines()
    across = (len(lines[0]) - 2) // 13
    assert code == 0 and note == f"aetool: showing {2 * across} of 18; write them with -o" and across >= 5
    assert {len(line) for line in lines} == {across * 13 + 2} and len(lines) == (2 * 14 + 2) / 2
    upper, lower = lines[1:7], lines[8:14]
    assert upper[0][2:13] == upper[0][15:26] != lower[0][2:13] == lower[0][15:26]
    code, text = on_a_terminal(["sample", "--each", "-n", "2", "--seed", "1", "-m", str(toy)], env)
    assert code == 0 and len({len(line) for line in text.splitlines()}) == 1 and "showing" not in text


def test_rows_of_each_keep_their_class_on_a_terminal(toy, two):
    env = {"NO_COLOR": "1", "COLUMNS": "80", "LINES": "24"}
    for more, names in (([], ["dark", "light"]), (["--no-labels"], [])):
        code, text = on_a_terminal(["sample", "--each", "-n", "3", "--seed", "1", "-m", str(toy), *more], env)
        assert code == 0 and [word for line in text.splitlines() for word in line.split() if word.isascii()] == names


@pytest.mark.parametrize(
    ("columns", "lines", "count"), [(80, 24, 16), (80, 24, 200), (40, 12, 30), (200, 60, 60), (20, 6, 3)]
)
def test_a_preview_fits_a_page(toy, two, columns, lines, count):
    env = {"COLUMNS": str(columns), "LINES": str(lines), "COLORTERM": "truecolor"}
    code, text = on_a_terminal(["sample", "-n", str(count), "--seed", "1", "-m", str(toy)], env)
    shown = [line for line in text.splitlines() if "▀" in line]
    assert code == 0 and 0 < len(shown) <= max(4, lines - 2) and max(line.count("▀") for line in shown) <= columns


@pytest.mark.parametrize(("env", "found"), [
    ({"COLORTERM": "truecolor"}, "\x1b[38;2;"), ({"TERM": "xterm-direct"}, "\x1b[38;2;"),
    ({"TERM": "xterm-kitty"}, "\x1b[38;2;"),
    ({"TERM": "xterm-256color"}, "\x1b[38;5;"), ({"TERM": "screen"}, "\x1b[38;5;"), ({"TERM": "vt100"}, None),
    ({"TERM": "dumb", "COLORTERM": "truecolor"}, None), ({"NO_COLOR": "", "COLORTERM": "truecolor"}, None),
])  # fmt: skip
def test_a_preview_has_the_colours_that_the_terminal_has(shell, toy, two, env, found):
    given = " ".join(f"{name}={value}" for name, value in ({"TERM": "", "COLORTERM": ""} | env).items())
    done = shell(f"{given} aetool reconstruct a.png -m {toy} -o term" if "NO_COLOR" not in env else
                 f"export {given}; aetool reconstruct a.png -m {toy} -o term")  # fmt: skip
    text = done.stdout.decode()
    assert done.returncode == 0 and (("\x1b" not in text) if found is None else found in text)


def test_term_is_a_preview_in_any_pipe_and_nothing_else(shell, toy, two):
    done = shell(f"COLORTERM=truecolor aetool sample -m {toy} -n 4 --seed 1 -q -o term | cat")
    assert done.returncode == 0 and done.stdout.decode().count("▀") > 100
    for line, said in (("sample --latents -o term", b"term is a preview"), ("encode a.png -o term", b"term"),
                       ("score a.png -o term", b"the scores go to stdout"),
                       ("sample -o term --scale 2", b"--scale")):  # fmt: skip
        done = shell(f"aetool {line} -m {toy} -q")
        assert (done.returncode, done.stdout) == (2, b"") and said in done.stderr
    assert shell(f"aetool sample -m {toy} -o ./term/ -q").returncode == 0


def test_no_color_shows_shades(toy, two):
    code, text = on_a_terminal(["reconstruct", "b.png", "-m", str(toy)], {"NO_COLOR": "1"})
    assert code == 0 and "▀" not in text and "█" in text and "\x1b" not in text


def test_latents_on_a_terminal_are_lines(toy, two):
    code, text = on_a_terminal(["encode", "a.png", "-m", str(toy)], {})
    assert code == 0 and json.loads(text.splitlines()[0])["source"] == "a.png"


def test_waiting_for_a_person_to_type_latents_is_refused(toy, two):
    code, text = on_a_terminal(["decode", "-m", str(toy)], {})
    assert code == 2 and "nothing is piped" in text


def test_a_picture_arrives_at_a_fifo(toy, two):
    os.mkfifo("pipe")
    process = subprocess.Popen(command(["reconstruct", "a.png", "-m", str(toy), "-o", "pipe"]))
    data = Path("pipe").read_bytes()
    assert process.wait(60) == 0 and data.startswith(b"\x89PNG")
    assert sys.platform != "win32"
