"""The line about left-out files, and the cut of long lists."""

from __future__ import annotations

from collections import Counter

import pytest

from aetool.cli.console import Console
from aetool.cli.listing import tell
from aetool.errors import UsageError, lookup, some
from aetool.images.walk import BROKEN, LINK, NO_SUFFIX, RUN, SPECIAL, Listing

END = "; in folders such files are skipped\n"


@pytest.mark.parametrize(
    ("kinds", "line"),
    [
        ({".heic": 17, ".txt": 3}, "20 files left out: 17 .heic (pip install '.[heif]'), 3 .txt"),
        ({".txt": 1}, "1 file left out: 1 .txt"),
        ({".txt": 1000, ".avif": 1}, "1,001 files left out: 1,000 .txt, 1 .avif (this Pillow reads none)"),
        (
            {LINK: 2, BROKEN: 1, SPECIAL: 3, NO_SUFFIX: 4, ".link": 5},
            "15 files left out: 5 .link, 4 without a suffix, 3 not regular, 2 links to a parent or to a folder read "
            "anyway, 1 broken link",
        ),
        (
            {f".{i}": 1 for i in range(10, 30)},
            f"20 files left out: {', '.join(f'1 .{i}' for i in range(10, 20))}, 10 of 10 other kinds",
        ),
    ],
)
def test_left_out_files_are_counted_by_kind(kinds, line, capfd):
    tell(Listing(Counter(kinds)), Console(quiet=True))
    assert capfd.readouterr().err == f"aetool: warning: {line}{END}"


def test_what_was_chosen_is_a_note(capfd):
    listing = Listing(own=Counter({RUN: 2}), arrangements=["set: split"])
    tell(listing, Console(quiet=True))
    assert capfd.readouterr().err == ""
    tell(listing, Console())
    said = "aetool: set: split\naetool: folders that aetool wrote are no data: 2 training runs left out\n"
    assert capfd.readouterr().err == said


def test_long_lists_are_cut_by_number_and_by_letters():
    names = [f"c{i:04}" for i in range(1200)]
    assert some(names[:3]) == "c0000, c0001, c0002" and some([]) == ""
    assert some(names).endswith("c0018, c0019 and 1,180 more")
    assert some(["x" * 300] * 3) == "x" * 300 + " and 2 more" and some(["x" * 900]) == "x" * 900
    with pytest.raises(UsageError) as error:
        lookup(dict.fromkeys(names), "c9999", "class")
    assert len(str(error.value)) < 300 and "did you mean" in str(error.value)
