"""A tenth of all faults; `python -m tests.faults` tries all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.faults.__main__ import SUITES, read, run_apart, table

SHARE = 0.1
TOTALS = {"writers": 300, "kills": 100, "checkpoints": 70, "changed": 400, "graphs": 200, "inputs": 10}
"""The least that a tenth comes to."""


@pytest.mark.parametrize("name", SUITES)
def test_a_tenth_of_all_faults(name):
    row = run_apart(name, SHARE, 0)
    if "unavailable" in row:
        pytest.skip(f"FAULTS NOT TRIED: {row['unavailable']}")
    assert row["failures"] == []
    assert row["total"] >= TOTALS[name]


def test_the_counts_in_the_document_are_those_of_the_last_whole_run():
    results = read(Path(__file__).with_name("results.json"))
    assert all(row["share"] == 1 and row["failures"] == [] for row in results.values())
    assert table(results) in (REPOSITORY / "RELIABILITY.md").read_text()
    least = {"writers": 2000, "kills": 1000, "checkpoints": 700, "changed": 500, "graphs": 2000}
    assert all(results[name]["total"] >= count for name, count in least.items())
