"""`aetool bench`: every section on the toy, and what a baseline does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aetool.bench import model
from aetool.bench.model import SECTIONS, Bench
from aetool.bench.report import ratios, regressions


@pytest.fixture(scope="module")
def work(toy):
    return Bench(toy, "cpu", 1, 1)


def test_regressions_are_those_beyond_the_share():
    old = {"a": 2.0, "b": 2.0, "c": 2.0, "gone": 9.0}
    new = {"a": 1.81, "b": 1.79, "c": 3.0, "new": 1.0}
    assert regressions(old, new, 0.1) == ["b was 2 and is 1.79"]
    assert regressions(old, old, 0.0) == []


def test_every_ratio_has_a_name_of_its_own():
    rows = [{"what": "x", "times": 2.0, "than": "y"}, {"what": "z", "ms": 1.0}]
    assert ratios({"start": rows, "batches": rows}) == {"start: x / y": 2.0, "batches: x / y": 2.0}


@pytest.mark.parametrize("name", [name for name in SECTIONS if name not in ("torch", "devices")])
def test_each_section_measures_something(work, name):
    rows = list(SECTIONS[name](work))
    assert rows and len({row["what"] for row in rows}) == len(rows)
    assert all(value > 0 for row in rows for key, value in row.items() if key in ("ms", "us_an_image", "peak_mib"))
    assert name in ("stages", "memory") or any(row.get("times", 0) > 0 for row in rows)


def test_the_machine_is_named(work):
    found = work.machine()
    assert found["device"] == "cpu" and found["nodes"]["decoder"] == {"CPUExecutionProvider": 3}
    assert found["versions"]["onnxruntime"]


@pytest.fixture
def quick(monkeypatch):
    """A bench of one section that takes no time."""

    monkeypatch.setattr(model, "SECTIONS", {"start": lambda work: iter([{"what": "x", "ms": 5.0, "times": 2.0,
                                                "spread": 0.1, "than": "y"}])})  # fmt: skip


def test_reports_as_text_and_json(cli, toy, quick):
    code, out, err = cli("bench", toy)
    assert code == 0 and b"x" in out and b"5.0 ms" in out and "measuring start" in err
    code, out, err = cli("bench", toy, "--json", "-q")
    report = json.loads(out)
    assert code == 0 and report["ratios"] == {"start: x / y": 2.0} and not err


@pytest.mark.parametrize(
    ("before", "share", "code"), [(2.0, "10%", 0), (2.2, "10%", 0), (2.3, "10%", 9), (2.3, "0.2", 0)]
)
def test_a_baseline_that_is_missed_ends_with_9(cli, toy, quick, workplace, before, share, code):
    Path("old.json").write_text(json.dumps({"ratios": {"start: x / y": before}}))
    found, out, err = cli("bench", toy, "--baseline", "old.json", "--fail-over", share, "--json", "-q")
    assert found == code and json.loads(out)["ratios"]
    assert err == ("" if not code else f"aetool: slower than the baseline by more than {share}: "
                   f"start: x / y was {before:g} and is 2\n")  # fmt: skip


def test_what_cannot_be_compared_is_refused(cli, toy, quick, workplace):
    Path("old.json").write_text("{}")
    assert cli("bench", toy, "--baseline", "old.json", "--fail-over=10%")[0] == 4
    Path("old.json").write_text('{"ratios": {"other": 1}}')
    assert cli("bench", toy, "--baseline", "old.json", "--fail-over=10%")[0] == 4
    assert cli("bench", toy, "--baseline", "gone.json", "--fail-over=10%")[0] == 7
    assert cli("bench", toy, "--fail-over", "10%")[0] == 2
    for share in ("x", "-1%", "100%", "nan"):
        assert cli("bench", toy, "--baseline", "old.json", f"--fail-over={share}")[0] == 2


def test_torch_is_measured_where_it_is_installed(digits):
    rows = list(SECTIONS["torch"](Bench(digits, "cpu", 1, 1)))
    assert len(rows) == 6 and all(row["than"] == "torch" and row["times"] > 0 for row in rows)
