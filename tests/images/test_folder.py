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
