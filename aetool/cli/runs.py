"""The training runs in ./runs, shown by `aetool info --runs`."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aetool.cli.console import as_blocks, say
from aetool.cli.console import as_json as to_json
from aetool.cli.target import write_stdout
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.training.runs import Run


def show_runs(as_json: bool, model: str | None, cache: bool) -> None:
    """Print the runs; raises `UsageError` beside a model or --cache."""
    from aetool.training.runs import FINISHED, Run, survey

    if model is not None or cache:
        other = "the decoded folders" if model is None else model
        raise UsageError(f"--runs is about training runs, not about {other}; leave one of them out")
    runs = []
    for found in survey():
        if isinstance(found, Run):
            runs.append(found)
        else:
            say(f"aetool: warning: {found}")
    write_stdout(to_json([_fields(run) for run in runs]) if as_json else _text(runs))
    if not as_json and any(run.state == FINISHED for run in runs):
        say("aetool: a finished run goes on with: aetool train --more-epochs N RUN")


def _fields(run: Run) -> dict[str, Any]:
    """Return a run as JSON values; figures are None before they are known."""
    spec, best = run.record.spec, run.best
    return {
        "run": str(run.path),
        "state": run.state,
        "begun": _begun(run),
        "command": run.record.config.command(),
        "images": None if spec is None else list(spec.shape),
        "latent_size": run.record.config.k,
        "step": run.progress.step,
        "planned_steps": run.planned,
        "epochs": run.progress.history[-1]["epoch"] if run.progress.history else 0,
        "best_step": best.get("step"),
        "test_mse": best.get("test_mse"),
        "pca_mse": best.get("pca_mse"),
        "validation_mse": best.get("validation_mse"),
        "validation_pca_mse": best.get("validation_pca_mse"),
        "next": _next(run),
        "settings": run.record.config.to_dict(),
    }


def _text(runs: list[Run]) -> str:
    from aetool.bundle.card import figure

    if not runs:
        return "no training run in ./runs; start one with: aetool train\n"
    table, below = [["run", "images", "k", "steps", "test mse", "PCA"]], []
    for fields in map(_fields, runs):
        of = "" if fields["planned_steps"] is None else f" of {fields['planned_steps']}"
        table.append(
            [fields["run"], " x ".join(map(str, fields["images"] or "?")), str(fields["latent_size"]),
             f"{fields['step']}{of}", figure(fields["test_mse"]), figure(fields["pca_mse"])]
        )  # fmt: skip
        below.append([f"{fields['state']}; next: {fields['next']}", f"made by: {fields['command']}"])
    return as_blocks(table, below, right=(2, 3))


def _begun(run: Run) -> str:
    seconds = (run.path / "config.json").stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _next(run: Run) -> str:
    """Return the command that goes on with a run."""
    from aetool.training import runs

    name = shlex.quote(str(run.path))
    if run.state == runs.WORKING:
        return "wait for it"
    if run.state == runs.DAMAGED:
        return "aetool train, anew"
    return f"aetool export {name}" if run.state in (runs.FINISHED, runs.UNKNOWN) else f"aetool train --resume {name}"
