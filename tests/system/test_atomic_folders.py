"""Folders that are old or complete."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from aetool.errors import ReadWriteError
from aetool.system import atomic, temporaries
from aetool.system.atomic import write_folder
from aetool.system.temporaries import sweep
from tests.system.places import content, full_disk, names

CONTENT = {"bundle.json": b"{}", "encoder.onnx": b"\0\1"}


def test_a_folder_is_written_complete_with_the_folders_above_it(tmp_path):
    write_folder(tmp_path / "models" / "toy", CONTENT)
    assert content(tmp_path / "models" / "toy") == CONTENT
    assert names(tmp_path / "models") == ["toy"]


def test_a_folder_takes_the_place_of_another_only_where_that_is_asked(tmp_path):
    target = tmp_path / "toy"
    write_folder(target, {"old": b"1"})
    with pytest.raises(ReadWriteError, match="could not write"):
        write_folder(target, CONTENT)
    assert content(target) == {"old": b"1"}
    write_folder(target, CONTENT, replace=True)
    assert content(target) == CONTENT
    write_folder(tmp_path / "new", CONTENT, replace=True)
    assert content(tmp_path / "new") == CONTENT
    assert names(tmp_path) == ["new", "toy"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("bad", ["no/such/folder", "x" * 300])
def test_a_folder_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, existing, bad):
    target = tmp_path / "toy"
    if existing:
        write_folder(target, {"old": b"1"})
    with pytest.raises(ReadWriteError):
        write_folder(target, {**CONTENT, bad: b""}, replace=True)
    assert names(tmp_path) == ["toy"] * existing
    assert not existing or content(target) == {"old": b"1"}


def test_a_full_disk_leaves_no_half_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "fsync", full_disk)
    with pytest.raises(ReadWriteError, match="No space left on device"):
        write_folder(tmp_path / "toy", CONTENT)
    assert names(tmp_path) == []


def test_a_folder_is_replaced_in_one_step(tmp_path, monkeypatch):
    if not hasattr(ctypes.CDLL(None), "renameat2") and sys.platform != "darwin":
        pytest.skip("this system cannot swap folders")
    write_folder(tmp_path / "toy", {"old": b"1"})
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("there would be no folder for a moment"))
    write_folder(tmp_path / "toy", CONTENT, replace=True)
    assert content(tmp_path / "toy") == CONTENT
    assert names(tmp_path) == ["toy"]


@pytest.fixture
def no_swap(monkeypatch):
    """A system that cannot swap folders."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())


def test_where_the_system_cannot_swap_a_folder_is_replaced_in_two(tmp_path, no_swap):
    write_folder(tmp_path / "toy", {"old": b"1"})
    write_folder(tmp_path / "toy", CONTENT, replace=True)
    assert content(tmp_path / "toy") == CONTENT
    assert names(tmp_path) == ["toy"]


def test_a_replacement_that_fails_half_way_loses_nothing(tmp_path, no_swap, monkeypatch):
    write_folder(tmp_path / "toy", {"old": b"1"})
    rename = Path.rename

    def fail_for_the_new(self: Path, to: Path) -> Path:
        if (self / "bundle.json").exists():
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(ReadWriteError, match="Input/output error"):
        write_folder(tmp_path / "toy", CONTENT, replace=True)
    monkeypatch.setattr(temporaries, "_swept", set())
    sweep(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.name == "toy" and content(kept) == {"old": b"1"}


def test_a_linked_folder_is_replaced_where_it_is(tmp_path):
    write_folder(tmp_path / "real", {"old": b"1"})
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link", CONTENT, replace=True)
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == CONTENT
