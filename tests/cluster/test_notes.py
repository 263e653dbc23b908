"""What workers on this machine note: the latest count of each, and each guess once, though several make it."""

from __future__ import annotations

import os

import pytest

from aetool.cluster import notes
from aetool.cluster.notes import Notes
from aetool.images.tiles import Sheet


@pytest.fixture
def as_worker(monkeypatch):
    """Say which process the next notes are of."""
    return lambda pid: monkeypatch.setattr(os, "getpid", lambda: pid)


def test_counts_are_added_and_guesses_told_once(tmp_path, as_worker):
    noted = Notes(str(tmp_path))
    assert (noted.done(), noted.guesses()) == (0, [])
    for pid, done, guesses in (
        (7, 64, ["b: a guess"]),
        (8, 10, []),
        (7, 128, ["a\udc80\nb", "b: a guess"]),
        (8, 20, []),
    ):
        as_worker(pid)
        noted(done, guesses, [Sheet(f"s{done}.png", 6)] if pid == 8 else [])
    assert (noted.done(), noted.guesses()) == (148, ["a\udc80\nb", "b: a guess"])
    assert noted.sheets() == [Sheet("s10.png", 6), Sheet("s20.png", 6)]
    (tmp_path / "8.count").write_text("")  # as while it is written
    assert noted.done() == 128


def test_the_count_is_followed_and_never_goes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(notes, "SECONDS", 0.001)
    noted, counts = Notes(str(tmp_path)), []
    with noted.followed(counts.append):
        for done in (5, 3, 9):
            noted(done, [], [])
            before = len(counts)
            while len(counts) < before + 2:
                pass
    assert counts == sorted(counts) and counts[-1] == 9
