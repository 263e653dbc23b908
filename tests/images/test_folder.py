"""Pictures into a folder: names, nothing outside it, nothing unfinished, links and permissions as elsewhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from aetool.errors import ReadWriteError
from aetool.images.folder import UniquePaths, picture_folder
from tests.toy import picture

TILES = np.arange(3 * 16, dtype=np.uint8).reshape(3, 1, 4, 4)


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_pictures_are_written_under_their_names(tmp_path):
    with picture_folder(tmp_path / "out", b"") as (place, write):
        write(TILES, [place(name) for name in ("a", "sub/b.jpg", "c.png")])
    assert below(tmp_path / "out") == ["a.png", "c.png", "sub/b.jpg.png"]
    assert np.array_equal(np.asarray(picture(tmp_path / "out/sub/b.jpg.png")), TILES[1, 0])
    assert names(tmp_path) == ["out"] and len(names(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x", "x.png"), ("/etc/x", "etc/x.png"), ("../../x", "x.png"), ("..", "picture.png"), ("", "picture.png"),
     ("a/../b", "a/b.png"), ("a/.", "a.png"), ("a/..", "a.png"), (".x", "_.x.png"), ("a:b\n", "a_b_.png"),
     ("x.PNG", "x.PNG"), ("a//b", "a/b.png"), ("./a", "a.png")],
)  # fmt: skip
def test_names_never_lead_outside(tmp_path, name, expected):
    assert UniquePaths(str(tmp_path))(name) == str(tmp_path / expected)
    assert (tmp_path / expected).parent.is_dir()


def test_no_name_is_given_twice(tmp_path):
    place = UniquePaths(str(tmp_path))
    found = [os.path.relpath(place(name), tmp_path) for name in ("a", "a", "a.png", "a-2", "b/a", "b/./a")]
    assert found == ["a.png", "a-2.png", "a-3.png", "a-2-2.png", "b/a.png", "b/a-2.png"]


LONG = [
    "x" * 300, "x" * 251 + ".jpg", "x" * 255, "x" * 252 + ".png", "é" * 200, "漢" * 125 + ".jpg", "\udcff" * 300,
    "x" * 300 + "/a", "a/" + "y" * 260 + "/b.png", "/".join(["deep" * 20] * 60),
    "/".join(["é" * 127] * 40) + "/" + "z" * 400,
]  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_names_too_long_are_cut_and_stay_unique_and_the_same(tmp_path, name):
    first, again = UniquePaths(str(tmp_path)), UniquePaths(str(tmp_path))
    paths = [first(name), first(name), first(name + "x")]
    assert [again(name), again(name), again(name + "x")] == paths and len(set(paths)) == 3
    for path in paths:
        Path(path).write_bytes(b"")
        assert path.endswith(".png") and Path(path).resolve().is_relative_to(tmp_path)
        assert first(os.path.relpath(path, tmp_path)) != path  # taken
        assert UniquePaths(str(tmp_path))(os.path.relpath(path, tmp_path)) == path  # a name that fits stays
        if "\udcff" not in name:
            path.encode()  # no letter is cut in two


def test_names_that_just_fit_stay(tmp_path):
    place = UniquePaths(str(tmp_path))
    for name in ("x" * 251, "é" * 125, "y" * 247 + ".jpg"):
        assert place(name) == str(tmp_path / f"{name}.png")
    assert place("x" * 251) != str(tmp_path / ("x" * 251 + ".png"))


def test_one_name_that_cannot_be_written_does_not_stop_the_others(tmp_path):
    (tmp_path / "b.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    with picture_folder(tmp_path, b"") as (place, write):
        (first, second) = write(TILES[[0, 1, 1, 2]], [place(name) for name in ("a", "b", "loop", "c")])
        assert write(TILES[:2], ["", place("d")]) == []
    assert (first.path, second.path) == (str(tmp_path / "b.png"), str(tmp_path / "loop.png"))
    assert all(isinstance(failure.error, ReadWriteError) for failure in (first, second))
    assert [name for name in below(tmp_path) if name != "loop.png"] == ["a.png", "c.png", "d.png"]


def test_what_hits_all_pictures_stops(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with picture_folder(tmp_path, b"") as (place, write):
        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(ReadWriteError, match="No space left"):
            write(TILES, [place(name) for name in "abc"])


def test_what_is_there_is_replaced_as_elsewhere(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    (tmp_path / "kept.png").write_bytes(b"old")
    (tmp_path / "kept.png").chmod(0o640)
    with picture_folder(tmp_path, b"") as (place, write):
        write(TILES[:2], [place("link"), place("kept")])
    assert (tmp_path / "link.png").is_symlink()
    assert np.array_equal(np.asarray(picture(tmp_path / "real.png")), TILES[0, 0])
    assert stat.S_IMODE((tmp_path / "kept.png").stat().st_mode) == 0o640
    assert below(tmp_path) == ["kept.png", "link.png", "real.png"]


def test_nothing_unfinished_is_left_where_writing_ends_early(tmp_path):
    def write_and_fail():
        with picture_folder(tmp_path, b"") as (place, write):
            write(TILES[:1], [place("a")])
            assert any(name.endswith(".aetool-tmp") for name in names(tmp_path))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert names(tmp_path) == ["a.png"]


def test_a_name_that_is_a_file_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with (
        pytest.raises(ReadWriteError, match="could not write"),
        picture_folder(tmp_path, b"") as (place, _),
    ):
        place("a/b")
