"""What dead processes left is swept; what living ones write is not."""

from __future__ import annotations

import subprocess
import sys

from aetool.system.atomic import replacing, write_file, write_folder
from aetool.system.temporaries import sweep
from tests.system.places import content, names

SWEEP = "import sys; from pathlib import Path; from aetool.system.temporaries import sweep; sweep(Path(sys.argv[1]))"


def test_a_temporary_of_a_dead_process_is_swept(tmp_path, holder):
    left = tmp_path / ".a.png.0123abcd.aetool-tmp"
    left.write_bytes(b"half")
    process = holder(left)
    process.kill()
    process.wait()
    write_file(tmp_path / "b.png", b"new")
    assert names(tmp_path) == ["b.png"]


def test_a_temporary_of_a_living_process_is_left_alone(tmp_path, holder):
    left = tmp_path / ".a.png.0123abcd.aetool-tmp"
    left.write_bytes(b"half")
    holder(left)
    write_file(tmp_path / "b.png", b"new")
    assert names(tmp_path) == [left.name, "b.png"]
    assert left.read_bytes() == b"half"


def test_folders_of_dead_processes_are_swept_and_those_of_living_ones_are_not(tmp_path, holder):
    dead, alive = tmp_path / ".a.01234567.aetool-tmp", tmp_path / ".b.01234567.aetool-tmp"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "encoder.onnx").write_bytes(b"half")
    holder(alive)
    sweep(tmp_path)
    assert names(tmp_path) == [alive.name]
    assert names(alive) == ["encoder.onnx"]


def test_sweeping_touches_nothing_else(tmp_path):
    kept = [".aetool-tmp", ".a.png.0123abcd.tmp", ".hidden", "a.png.0123abcd.aetool-tmp", "victim"]
    for name in kept[1:]:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / ".link.0123abcd.aetool-tmp").symlink_to("victim")
    sweep(tmp_path)
    assert set(kept[1:]) | {".link.0123abcd.aetool-tmp"} <= set(names(tmp_path))
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_folder_is_swept_once(tmp_path):
    sweep(tmp_path)
    later = tmp_path / ".a.png.0123abcd.aetool-tmp"
    later.write_bytes(b"half")
    sweep(tmp_path)
    assert later.exists()


def test_what_is_being_written_here_holds_its_lock(tmp_path, holder):
    with replacing(tmp_path / "a.png") as stream:
        stream.write(b"new")
        subprocess.run([sys.executable, "-c", SWEEP, tmp_path], check=True)
        assert len(names(tmp_path)) == 1
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_a_folder_that_is_being_written_here_holds_its_lock(tmp_path):
    class Slow(dict):
        def items(self):
            yield "first", b"1"
            subprocess.run([sys.executable, "-c", SWEEP, tmp_path], check=True)
            yield "second", b"2"

    write_folder(tmp_path / "toy", Slow())
    assert content(tmp_path / "toy") == {"first": b"1", "second": b"2"}
