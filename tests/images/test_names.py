"""Names of pictures: files and folders of several places are kept apart, those of a single place keep short names."""

from __future__ import annotations

from pathlib import Path

import pytest

from aetool.images.files import find_images
from aetool.images.names import Folders
from tests.toy import toy_image


@pytest.fixture
def place(workplace):
    for name in ("d1/a.png", "d2/a.png", "d2/sub/b.png", "p/x/c/a.png", "q/x/c/a.png", "a.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        toy_image(1, 2, 3, 4).save(name)
    return workplace


def names(given: list[str], stream: bool = False) -> list[str]:
    folders = Folders(None if stream else given)
    return [file.relative for name in given for file in folders.named(name, find_images([name]))]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["d1"], ["a.png"]),
        (["d2/"], ["a.png", "sub/b.png"]),
        (["d1", "d2"], ["d1/a.png", "d2/a.png", "d2/sub/b.png"]),
        (["./d1/", "d2//"], ["d1/a.png", "d2/a.png", "d2/sub/b.png"]),
        (["d1/a.png", "d2/a.png"], ["d1/a.png", "d2/a.png"]),
        (["d2/a.png", "d2/sub/b.png"], ["a.png", "sub/b.png"]),
        (["p/x", "q/x"], ["p/x/c/a.png", "q/x/c/a.png"]),
        (["p/x/c/a.png", "q/x"], ["p/x/c/a.png", "q/x/c/a.png"]),
        (["a.png", "d1"], ["a.png", "d1/a.png"]),
        (["a.png", "a.png"], ["a.png", "a.png"]),
        (["d2/sub/..", "d1"], ["d2/a.png", "d2/sub/b.png", "d1/a.png"]),
    ],
)
def test_pictures_keep_what_tells_their_folders_apart(place, given, expected):
    assert names(given) == expected
    absolute = [str(place / name) for name in given]
    assert names(absolute) == expected
    for name in expected:
        assert not name.startswith(("/", ".."))


def test_the_current_folder_has_its_own_name_among_others(place, monkeypatch):
    monkeypatch.chdir("d1")
    assert names([".", "../d2"]) == ["d1/a.png", "d2/a.png", "d2/sub/b.png"]
    assert names(["."]) == ["a.png"]


def test_names_of_a_stream_are_kept_as_written(place):
    given = ["d1/a.png", "d2", "a.png", str(place / "d1/a.png")]
    expected = ["d1/a.png", "d2/a.png", "d2/sub/b.png", "a.png", f"{place}/d1/a.png".lstrip("/")]
    assert names(given, stream=True) == expected


def test_classes_stay_those_of_the_walked_folder(place):
    folders = Folders(["d1", "d2"])
    found = [(file.relative, file.label) for file in folders.named("d2", find_images(["d2"]))]
    assert found == [("d2/a.png", None), ("d2/sub/b.png", "sub")]
