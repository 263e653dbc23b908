"""The cache of hubs: what is damaged, cut off, read-only or written by several at a time."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from aetool.bundle import hub
from aetool.bundle.address import called
from aetool.bundle.bundle import Bundle
from aetool.cli.fixes import told
from aetool.errors import ReadWriteError
from aetool.system import downloads
from tests.conftest import command
from tests.hub.faulty import everything_below, on


def test_a_damaged_model_in_the_cache_is_refused_and_how_to_get_it_anew_is_said(fake, find, cli):
    (find() / "bank.npz").write_bytes(b"x")
    code, _, err = cli("info", "hf:me/toy")
    assert code == 5 and "bank.npz is not what SHA256SUMS says" in err and "delete this folder" in err


def test_many_at_a_time_end_with_one_folder(fake, cache):
    words = command(["info", "hf:me/toy"])
    started = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    said = [one.communicate()[1] for one in started]
    assert [one.returncode for one in started] == [0] * 3
    assert all(
        line.startswith((b"aetool: hf:me/toy: main", b"aetool: downloading")) for e in said for line in e.splitlines()
    )
    assert len(list((cache / "me/toy").iterdir())) == 2
    assert everything_below(cache / "me/toy/revisions") == ["main"]


def test_a_folder_of_which_a_part_was_removed_is_made_whole(fake, find):
    path = find()
    (path / "bundle.json").unlink()
    assert find() == path and Bundle.read(path).name == "hf:me/toy"
    assert everything_below(path.parent)[0] == path.name  # and no temporary beside it


def test_another_process_that_was_faster_is_no_error(fake, find, monkeypatch):
    write = hub.write_folder
    monkeypatch.setattr(hub, "write_folder", lambda *words, replace: write(*words) or write(*words))
    assert find().is_dir()


def test_a_kill_in_the_middle_leaves_nothing_that_counts(faulty, cache, find):
    faulty.fault = on("encoder.onnx", lambda _: time.sleep(20) or True)
    process = subprocess.Popen(command(["info", "hf:me/toy"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any("encoder.onnx" in path for path, _ in faulty.asked):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not any(path.is_file() for path in cache.rglob("*"))
    faulty.fault = lambda _: False
    assert find().is_dir()


def test_a_full_disk_leaves_nothing(fake, find, cache, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ReadWriteError, match="No space left on device") as caught:
            find()
    assert "XDG_CACHE_HOME" in told(caught.value)
    assert not any(path.is_file() for path in cache.rglob("*"))
    assert find().is_dir()


@pytest.mark.parametrize("place", ["/proc/nowhere", os.devnull, "a file"])
def test_a_cache_that_cannot_be_written_is_told(fake, find, monkeypatch, tmp_path, place):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
    with pytest.raises(ReadWriteError, match="could not write") as caught:
        find()
    assert "set XDG_CACHE_HOME to a folder" in told(caught.value)


def test_a_cache_that_may_only_be_read_serves_what_it_holds(fake, find, monkeypatch):
    path = find()
    fake.put("me/toy", {"LICENSE": b"y"})
    shutil.copytree(path, path.parent / fake.repositories["me/toy"]["commit"])  # the note of main is now old

    def read_only(*_) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(downloads, "write_file", read_only)
    monkeypatch.setattr(hub, "write_file", read_only)
    assert find().name == fake.repositories["me/toy"]["commit"]


def test_folders_of_the_cache_have_the_name_of_the_model_and_others_their_own(cache, tmp_path):
    commit = "0" * 40
    assert called(cache / "me" / "toy" / commit) == "hf:me/toy"
    assert called(tmp_path / "me" / "toy" / commit) == commit
    assert called(cache / "me" / "toy") == "toy" and called(Path("x")) == "x" and called(Path(commit)) == commit
