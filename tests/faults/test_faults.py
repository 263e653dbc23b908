"""A tenth of all faults; `python -m tests.faults` tries all of them."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import SUITES, run_apart

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
