"""Lists of file names, from any system."""

from __future__ import annotations

import io

import pytest

from aetool.images.lists import listed_names
from tests.toy import toy_image

NAMES = ["a.png", "ü b.png", "日本.png"]


@pytest.fixture(autouse=True)
def elsewhere(workplace):
    """An empty current folder."""


def read(data: bytes, null: bool = False) -> list[str]:
    return list(listed_names(io.BytesIO(data), null))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n\r\n"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")],
)
def test_lists_of_every_system_are_read(encoding, mark, end, last):
    assert read(mark + (end.join(NAMES) + last).encode(encoding)) == NAMES


def test_names_that_end_with_nul_are_taken_as_they_are():
    assert read(b"a\r\0b\nc\0\0\xff\xfed", null=True) == ["a\r", "b\nc", "\udcff\udcfed"]


def test_a_file_whose_name_has_a_mark_is_found_first(workplace):
    (workplace / "a\r").write_text("")
    (workplace / "\ufeffb").write_text("")
    assert read(b"\xef\xbb\xbfb\na\r\nc\r\n\xef\xbb\xbfd\n") == ["\ufeffb", "a\r", "c", "d"]


def test_a_line_with_nul_bytes_is_a_name_that_fails_alone_and_points_to_0(workplace, toy, cli):
    assert read(b"a\0b\0") == ["a\0b\0"]
    (workplace / "list").write_bytes(b"x.png\na\0b\n")
    toy_image(1, 2, 3, 4).save("x.png")
    code, out, err = cli("encode", "--files-from", "list", "--errors", "errors.jsonl", "-m", toy)
    assert code == 3 and out.count(b"\n") == 1 and "-0 reads names" in err


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\n", b"\xff", b"\xef\xbb\xbf"])
def test_odd_lists_end(data):
    assert len(read(data)) <= 1


def test_names_come_as_they_are_written():
    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.parts = [b"a\n", b"b\n", b"c"]

        def read1(self, size: int) -> bytes:
            return self.parts.pop(0) if self.parts else b""

    stream = Slow()
    assert next(listed_names(stream)) == "a" and len(stream.parts) == 2
