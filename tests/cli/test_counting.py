"""The count of long work: on a terminal, once the work takes long, where nothing else is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy import toy_image

pty = pytest.importorskip("pty")
SHORT = "from aetool.cli import console; console.PATIENCE = {}; from aetool.__main__ import main; main()"


def shown(words: list[str], patience: float = 0, term: str = "xterm") -> str:
    """Return what a command shows on a terminal for stderr, where `patience` are the seconds without a count."""
    terminal, end = pty.openpty()
    line = [sys.executable, "-c", SHORT.format(patience), *words]
    subprocess.run(line, stdout=subprocess.DEVNULL, stderr=end, check=True, env=os.environ | {"TERM": term})
    os.close(end)
    said = b""
    try:
        while data := os.read(terminal, 1 << 16):
            said += data
    except OSError:  # how Linux says that nothing more comes
        pass
    os.close(terminal)
    return said.decode()


@pytest.fixture
def pictures(workplace, toy, monkeypatch):
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    Path("in").mkdir()
    for i in range(3):
        toy_image(i, 2, 3, 4).save(f"in/{i}.png")


@pytest.mark.parametrize("words", [["encode", "in", "-o", "z.npz"], ["reconstruct", "in", "--json"]])
def test_long_work_shows_how_many_are_done(pictures, words):
    assert "3 done, " in shown(words)


@pytest.mark.parametrize(("words", "patience"), [(["encode", "in", "-o", "z.npz"], 60), (["encode", "in"], 0),
                                                 (["encode", "in", "-o", "z.npz", "-q"], 0)])  # fmt: skip
def test_short_work_and_work_that_prints_show_none(pictures, words, patience):
    assert " done" not in shown(words, patience)


def test_a_terminal_without_movements_shows_none(pictures):
    assert shown(["encode", "in", "-o", "z.npz"], term="dumb") == ""


def test_without_a_terminal_nothing_is_shown(pictures, aetool):
    done = aetool("encode", "in", "-o", "z.npz")
    assert (done.returncode, done.stderr) == (0, b"")
