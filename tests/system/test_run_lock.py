"""Runs in use, free names of folders, and names that are safe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aetool.errors import ReadWriteError, RunInUse
from aetool.system.atomic import claim_folder, run_lock, write_file
from aetool.system.paths import safe_name
from tests.system.places import names

RUN = """
import sys; from pathlib import Path; from aetool.system.atomic import run_lock
with run_lock(Path(sys.argv[1])): pass
"""


def test_a_run_in_use_by_another_process_is_refused_until_that_ends(tmp_path, holder):
    with run_lock(tmp_path):
        pass
    process = holder(tmp_path / ".lock")
    with pytest.raises(RunInUse, match="another process is training in"), run_lock(tmp_path):
        pytest.fail("entered")
    process.kill()
    process.wait()
    with run_lock(tmp_path):
        assert (tmp_path / ".lock").is_file()


def test_this_process_holds_its_run_against_others_and_gives_it_back(tmp_path):
    words = [sys.executable, "-c", RUN, tmp_path]
    with run_lock(tmp_path):
        second = subprocess.run(words, capture_output=True)
        assert second.returncode == 1
        assert b"RunInUse" in second.stderr
    with pytest.raises(KeyError), run_lock(tmp_path):
        raise KeyError
    assert subprocess.run(words).returncode == 0


def test_a_run_that_is_not_there_cannot_be_locked(tmp_path):
    with pytest.raises(ReadWriteError, match="No such file or directory"), run_lock(tmp_path / "missing"):
        pytest.fail("entered")


def test_a_claimed_folder_is_the_first_free_name(tmp_path):
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits"
    (tmp_path / "digits-2").touch()
    (tmp_path / "digits-4").symlink_to("nowhere")
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits-3"
    assert claim_folder(tmp_path, "digits") == tmp_path / "digits-5"
    assert (tmp_path / "digits-5").is_dir()
    long = "é" * 127
    claimed = [claim_folder(tmp_path, long).name for _ in range(3)]
    assert claimed[0] == long and len(set(claimed)) == 3 and all(len(os.fsencode(name)) <= 255 for name in claimed)
    with pytest.raises(FileNotFoundError):
        claim_folder(tmp_path / "missing", "digits")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("eight", "eight"),
        ("ankle-boot 2", "ankle-boot 2"),
        ("größe.8", "größe.8"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("a/b\\c:d*e?f\"g<h>i|j", "a_b_c_d_e_f_g_h_i_j"),
        ("two\nlines\x1b[0m\0", "two_lines_[0m_"),
        (".hidden", "_.hidden"),
        ("..", "_.."),
        (" . ", "_."),
        ("", "_"),
        ("   ", "_"),
        ("\udcff", "_"),
    ],
)  # fmt: skip
def test_safe_names_stay_in_their_folder(text, name):
    assert safe_name(text) == name


def test_a_safe_name_can_be_written(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for text in ("../up", "/etc/passwd", "\0", "", ".", "..", "a\nb", "\udcff"):
        write_file(folder / safe_name(text), b"new")
        assert safe_name(text) in names(folder)
    assert names(tmp_path) == ["out"]
