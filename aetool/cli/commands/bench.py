"""`aetool bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.choices import installing
from aetool.cli.console import Console, as_table
from aetool.cli.console import as_json as to_json
from aetool.cli.model import choose_path, note_device
from aetool.cli.options import AsJson, Device, ModelName, Quiet, Threads
from aetool.cli.target import write_stdout
from aetool.errors import InvalidInput, ThresholdPassed, UsageError

if TYPE_CHECKING:
    from aetool.bench.model import Bench

Baseline = Annotated[
    str | None, typer.Option("--baseline", metavar="FILE", help="An older report (--json) to compare the ratios with.")
]
FailOver = Annotated[
    str | None,
    typer.Option("--fail-over", metavar="P%", help="End with 9 where a ratio is worse than the baseline by more."),
]
Trials = Annotated[int, typer.Option("--trials", metavar="N", min=1, max=1000, help="Repetitions, after a warm-up.")]


def bench(
    name: ModelName = None,
    as_json: AsJson = False,
    baseline: Baseline = None,
    fail_over: FailOver = None,
    trials: Trials = 7,
    device: Device = "auto",
    threads: Threads = 1,
    quiet: Quiet = False,
) -> None:
    """Measure how fast a model is on this machine.

    Every measurement alternates with its reference, so ratios hold on a busy machine; times do not.
    """
    from aetool.bench.model import Bench
    from aetool.bench.report import ratios, regressions

    console = Console(quiet)
    share = _share(fail_over, baseline)
    old = _baseline(baseline) if baseline else {}
    work = Bench(choose_path(name, console, flag="a name"), device, threads, trials)
    sections = _measured(work, console)
    found = ratios(sections)
    if as_json:
        write_stdout(to_json({"machine": work.machine(), "sections": sections, "ratios": found}))
    else:
        write_stdout(_text(work.machine(), sections))
    if old and not old.keys() & found.keys():
        raise InvalidInput(f"{baseline} and this report have no ratio in common")
    worse = regressions(old, found, share)
    if worse and fail_over:
        raise ThresholdPassed(f"slower than the baseline by more than {fail_over}: {'; '.join(worse)}")


def _share(fail_over: str | None, baseline: str | None) -> float:
    """Return the accepted loss of a ratio, as a share."""
    if fail_over is None:
        if baseline:
            raise UsageError("--baseline is compared by --fail-over; say how much worse a ratio may be, as 10%")
        return 0.0
    if baseline is None:
        raise UsageError("--fail-over compares with an older report; name it with --baseline")
    try:
        share = float(fail_over.removesuffix("%")) / (100 if fail_over.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(f'--fail-over takes a share such as 10%, not "{fail_over}"')
    return share


def _baseline(name: str) -> dict[str, float]:
    """Return the ratios of an older report; raises `InvalidInput`, `ReadWriteError`."""
    import json

    from aetool.system.reading import read_file

    try:
        report = json.loads(read_file(name, fifo=True))
        return {str(key): float(value) for key, value in report["ratios"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidInput(f"{name} is not a report of aetool bench --json") from None


def _measured(work: Bench, console: Console) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each section, without that of torch for an imported model or where torch is not installed."""
    from aetool.bench.model import SECTIONS

    note_device(work.codec, console)
    found = {}
    for title, section in SECTIONS.items():
        if title == "torch" and work.bundle.manifest.imported:
            console.note("an imported model has no architecture of torch here, and torch is not measured")
            continue
        console.note(f"measuring {title}")
        try:
            found[title] = list(section(work))
        except ModuleNotFoundError as error:
            if title != "torch":
                raise
            console.note(f"without {error.name} torch is not measured; {installing('train')} brings it")
    return found


def _text(machine: dict[str, Any], sections: dict[str, list[dict[str, Any]]]) -> str:

    versions = ", ".join(f"{key} {value}" for key, value in machine["versions"].items())
    lines = [
        f"{machine['model']} on {machine['device']}, {machine['threads']} of {machine['cores']} cores; {versions}\n"
    ]
    for title, rows in sections.items():
        compared = any("times" in row for row in rows)
        cells = [[title, "", *(("times as fast", "spread", "as") if compared else ("",) * 3)]]
        cells += [
            [row["what"], _figure(row), *(str(row.get(key, "")) for key in ("times", "spread", "than"))] for row in rows
        ]
        lines.append(as_table(cells, right=(1, 2, 3)))
    return "\n".join(lines)


UNITS = {"ms": "ms", "us_an_image": "µs an image", "peak_mib": "MiB at most"}


def _figure(row: dict[str, Any]) -> str:
    return next(f"{row[key]} {unit}" for key, unit in UNITS.items() if key in row)
