"""Pipes, devices and open descriptors by name, as outputs and as inputs; files told apart by their content."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.cli.target import target_of
from aetool.system.special import descriptor_of, is_special
from tests.cli.test_pipes import on_a_terminal
from tests.conftest import command
from tests.toy import toy_image


@pytest.fixture
def two(workplace):
    toy_image(0, 50, 100, 150).save("a.png")
    toy_image(250, 200, 100, 0).save("b.png")


def words(line: str, toy: Path) -> str:
    return line.replace("TOY", str(toy))


WRITERS = (
    "reconstruct a.png", "sample --seed 1", "combine a.png b.png", "perturb a.png --seed 1",
    "interpolate a.png b.png", "encode a.png", "sample --seed 1 --latents",
)  # fmt: skip
NAMES = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"]


@pytest.mark.parametrize(
    ("what", "name"), [(what, NAMES[0]) for what in WRITERS] + [(WRITERS[-2], name) for name in NAMES[1:]]
)
def test_stdout_by_name_is_stdout(shell, toy, two, name, what):
    Path("link").symlink_to("/dev/stdout")
    line = words(
        f"aetool {what} -m TOY -q" + " --no-metadata" * ("encode" not in what and "--latents" not in what), toy
    )
    expected = shell(f"{line} | cat")
    for end in ("| cat", "> out; cat out"):
        done = shell(f"{line} -o {name} {end}")
        assert (done.returncode, done.stdout, done.stderr) == (0, expected.stdout, b"")
    assert expected.stdout[:1] in (b"\x89", b"{")


def test_what_stands_in_the_file_behind_stdout_stays(shell, toy, two):
    done = shell(words("(echo first; aetool encode a.png -m TOY -q -o /dev/stdout; echo last) > out; cat out", toy))
    first, record, last = done.stdout.splitlines()
    assert (first, last) == (b"first", b"last") and json.loads(record)["source"] == "a.png"


@pytest.mark.parametrize("what", ["encode a.png", "sample --latents", "perturb a.png --latents", "decode z.jsonl",
                                  "interpolate a.png b.png --json", "reconstruct a.png --json"])  # fmt: skip
def test_process_substitution_is_written(shell, toy, two, what):
    line = f"aetool encode a.png -m TOY > z.jsonl; aetool {what} -m TOY -q -o >(cat > got) > out"
    done = shell(words(f"{line}; s=$?; for i in $(seq 100); do test -s got && break; sleep .05; done; exit $s", toy))
    assert (done.returncode, done.stderr) == (0, b"")
    start = Path("got").read_bytes()[:1]
    assert start == (b"{" if "encode" in what or "latents" in what else b"\x89")


def test_a_suffix_is_intent_on_a_fifo_too(shell, toy, two):
    os.mkfifo("walk.gif")
    os.mkfifo("z.npz")
    done = shell(words("cat walk.gif > got & aetool interpolate a.png b.png -m TOY -q -o walk.gif; wait", toy))
    assert done.returncode == 0 and Path("got").read_bytes().startswith(b"GIF")
    done = shell(words("cat z.npz > got & aetool encode a.png b.png -m TOY -q -o z.npz; wait", toy))
    assert done.returncode == 0 and np.load("got")["latents"].shape == (2, 4)


@pytest.mark.parametrize("name", ["/dev/stderr", ">(cat >&2; touch ended)", "/dev/null", "fifo"])
def test_errors_are_listed_where_asked(shell, toy, two, name):
    os.mkfifo("fifo")
    reader = "cat fifo >&2 & " if name == "fifo" else ""
    wait = "; while test ! -e ended; do sleep .05; done" if "ended" in name else "; wait"
    line = f"{reader}aetool encode a.png nothere -m TOY -q --errors {name} > z.jsonl; s=$?{wait}; exit $s"
    done = shell(words(line, toy))
    listed = [line for line in done.stderr.splitlines() if line.startswith(b"{")]
    assert done.returncode == 3 and len(listed) == (name != "/dev/null")


def test_a_reader_that_goes_away_ends_quietly(shell, toy, two):
    done = shell(words("aetool sample -n 100000 --latents -m TOY -q -o >(head -c 10 > /dev/null); exit $?", toy))
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_descriptor_and_a_socket(toy, two):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for name in (f"/dev/fd/{theirs.fileno()}", "/dev/stdout"):
            line = command(["encode", "a.png", "-m", str(toy), "-q", "-o", name])
            process = subprocess.Popen(line, stdout=theirs, pass_fds=[theirs.fileno()])
            assert json.loads(ours.recv(1 << 16))["source"] == "a.png" and process.wait(60) == 0
        process = subprocess.Popen(command(["encode", "/dev/stdin", "-m", str(toy), "-q"]), stdin=theirs)
        ours.sendall(Path("a.png").read_bytes())
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/tty", "/dev/fd/1"])
def test_a_terminal_by_name_gets_no_binary_data(toy, two, name):
    line = ["reconstruct", "a.png", "-m", str(toy), "-o", name]
    if name == "/dev/tty":
        code, text = on_a_terminal(["--help"], {})  # a terminal that is nobody's /dev/tty
        ours, theirs = os.openpty()
        name = line[-1] = os.ttyname(theirs)
        done = subprocess.run(command(line), capture_output=True, timeout=60)
        text, code = os.read(ours, 1 << 16).decode(), done.returncode
        os.close(ours)
        os.close(theirs)
    else:
        code, text = on_a_terminal(line, {"TERM": "xterm"})
    assert code == 0 and "▀" in text and "PNG" not in text


def test_latents_for_a_terminal_are_lines(workplace):
    ours, theirs = os.openpty()
    Path("z.npy").symlink_to(os.ttyname(theirs))
    assert target_of(os.ttyname(theirs), latents=True).suffix == ".jsonl"
    with pytest.raises(ValueError, match="is a terminal"):
        target_of("z.npy", latents=True)
    os.close(ours)
    os.close(theirs)


def test_names_of_descriptors():
    own = f"/proc/{os.getpid()}/fd/5"
    named = {"/dev/stdin": 0, "/dev/stderr": 2, "/dev/fd/63": 63, "/proc/thread-self/fd/4": 4, own: 5}
    assert {name: descriptor_of(name) for name in named} == named
    for name in ("/dev/null", "/proc/1/fd/1", "fd/1", "x.png", "/dev/fd/", "/dev/fd/x", "\0"):
        assert descriptor_of(name) is None, name
    assert is_special("/dev/null") and not is_special("/") and not is_special("missing") and not is_special(__file__)


# Keys by content


@pytest.fixture
def mixed(shell, toy, two):
    """A picture and latents under names that do not say so."""
    assert (
        shell(words("aetool encode b.png -m TOY > all.txt; aetool encode b.png -m TOY -o z.npz", toy)).returncode == 0
    )
    Path("z.npz").rename("latents")
    Path("a.png").rename("picture.jsonl")
    Path("marked").write_bytes(b"\xef\xbb\xbf" + Path("all.txt").read_bytes())


@pytest.mark.parametrize("key", ["all.txt", "latents", "marked", "<(cat latents)", "/dev/stdin",
                                 "<(aetool encode b.png -m TOY)"])  # fmt: skip
def test_latents_are_known_by_their_content(shell, toy, mixed, key):
    expected = shell(words("aetool combine b.png -m TOY --latents", toy)).stdout
    done = shell(words(f"aetool combine {key} -m TOY --latents < all.txt", toy))
    assert (done.returncode, done.stderr) == (0, b"") and json.loads(done.stdout) == json.loads(expected)
    hit = shell(words(f"aetool search {key} -m TOY --json --in <(cat all.txt) < all.txt", toy))
    assert json.loads(hit.stdout)["distance"] == 0
    line = f"aetool interpolate {key} picture.jsonl -m TOY -o x.png && aetool decode {key} -m TOY -o y.png"
    done = shell(
        words(f"({line} && aetool perturb {key} --seed 1 -m TOY -o z.png)", toy).replace(" -m", " < all.txt -m")
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("key", ["picture.jsonl", "<(cat picture.jsonl)", "/dev/stdin"])
def test_pictures_are_known_by_their_content(shell, toy, mixed, key):
    done = shell(words(f"aetool combine {key} -m TOY -o x.png -q --scale 1 < picture.jsonl", toy))
    assert (done.returncode, done.stderr) == (0, b"")
    assert np.array_equal(np.asarray(Image.open("x.png")), np.asarray(toy_image(0, 50, 100, 150)))


def test_a_key_that_cannot_be_read_is_named(shell, toy, two):
    Path("empty").touch()
    os.mkfifo("fifo")
    for name, why in (
        ("nothere", "No such file"),
        ("empty", "empty"),
        ("fifo", "fifo"),
        ("nothere.npz", "No such file"),
    ):
        done = shell(words(f"aetool combine a.png {name} -m TOY -o x.png", toy))
        assert done.returncode in (4, 7) and name in done.stderr.decode() and why in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


def test_other_files_come_through_pipes_too(shell, toy, two):
    done = shell(words("aetool sample -n 1 -m TOY -q -o s.png; aetool explain <(cat s.png) --json", toy))
    assert done.returncode == 0 and json.loads(done.stdout)["command"].startswith("aetool sample")
    done = shell(words("aetool encode --files-from <(echo a.png) -m TOY", toy))
    assert json.loads(done.stdout)["source"] == "a.png"
    assert io.BytesIO(Path("s.png").read_bytes()).read(4) == b"\x89PNG"
