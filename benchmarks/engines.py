"""Pictures of each engine beside those of ONNX Runtime; writes results and the tables of README.md and of this folder.

python benchmarks/engines.py [ENGINE ...]         (after `bash .ci/engines engines compilers`; minutes)

With names, as NumPy, those engines alone are measured; the rows of the others stay as they are.

The models, inputs and figures are those of tests/engines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import documents
from turns import cpu

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results/engines.json"
SHIPPED = ("mnist", "sign_digits")
TRAINED = ("train", "digits", "--epochs", "12", "--threads", "1", "-q")


def run(names: list[str]) -> dict[str, Any]:
    """Return the figures of every engine for every model, with the versions: measured for `names`, all for none."""
    sys.path.insert(0, str(HERE.parent))
    from tests.engines import agreement, test_onnxruntime

    with tempfile.TemporaryDirectory() as place:
        for words in (TRAINED, ("export", "-q")):
            subprocess.run([sys.executable, "-m", "aetool", *words], cwd=place, check=True, stdout=subprocess.DEVNULL)
        folders = {name: HERE.parent / "models" / name for name in SHIPPED} | {"digits": Path(place, "models/digits")}
        models = {name: agreement.reference(folder) for name, folder in folders.items()}
        rows = [kept(engine, names) or figures(engine, models) for engine in engines()]
    return {
        "reference": f"ONNX Runtime {test_onnxruntime.ENGINE.version()}",
        "machine": cpu(),
        "models": {name: identity(name) for name in SHIPPED}
        | {"digits": f"trained by aetool {' '.join(TRAINED[:-1])}"},
        "batches": list(agreement.BATCHES),
        "bounds": {"latents": agreement.LATENTS, "images": agreement.IMAGES, "pixels": agreement.PIXELS},
        "rows": rows,
    }


def identity(name: str) -> str:
    """Return the identity of a shipped model."""
    from aetool import Bundle

    return Bundle.read(HERE.parent / "models" / name).identity


def engines() -> list[Any]:
    """Return all engines of the tests."""
    from tests.engines import (
        test_iree,
        test_javascript,
        test_jax,
        test_mnn,
        test_numpy,
        test_onnx_reference,
        test_onnxruntime,
        test_opencv,
        test_openvino,
        test_openvino_cpp,
        test_tract,
        test_tvm,
    )

    modules = (test_onnxruntime, test_openvino, test_openvino_cpp, test_opencv, test_tract, test_mnn, test_iree,
               test_tvm, test_numpy, test_jax, test_onnx_reference)  # fmt: skip
    found = [module.ENGINE for module in modules]
    old = list(test_opencv.ENGINES.values())
    return [*found[:4], *old, *found[4:8], *test_javascript.ENGINES.values(), *found[8:]]


def kept(engine: Any, names: list[str]) -> dict[str, Any] | None:
    """Return the row of an engine that is none of the names, as it stands in the results; None to measure it."""
    rows = json.loads(RESULTS.read_text())["rows"] if names and engine.name not in names else []
    wanted = {"engine": engine.name, "from": engine.language, "version": engine.version()}
    return next((row for row in rows if wanted.items() <= row.items()), None)


def figures(engine: Any, models: dict[str, Any]) -> dict[str, Any]:
    """Return the row of an engine: its figures for each model, or the operator that it cannot read."""
    from tests.engines import agreement
    from tests.engines.engine import Refused
    from tests.engines.test_opencv import clips

    row: dict[str, Any] = {"engine": engine.name, "from": engine.language, "version": engine.version(), "models": {}}
    for name, model in models.items():
        print(f"{engine.name} {row['version']}, {engine.language}: {name}", file=sys.stderr)
        try:
            found = agreement.differences(engine, model)
        except Refused as error:
            if not clips(model) or "Clip" not in str(error):
                raise
            row["models"][name] = {"refused": "Clip"}
            continue
        agreement.assert_agrees(found, engine.in_order)
        short = {key: float(f"{found[key]:.2g}") for key in ("latents", "images")}
        row["models"][name] = found | short
    return row


def table(results: dict[str, Any]) -> str:
    """Return the table of all figures, for benchmarks/README.md."""
    names = list(results["models"])
    lines = [f"| engine | version | called from | {' | '.join(names)} |", "|---" * (3 + len(names)) + "|"]
    for row in results["rows"]:
        cells = [row["engine"], row["version"], row["from"], *(cell(row["models"][name]) for name in names)]
        lines.append(f"| {' | '.join(cells)} |")
    models = ", ".join(f"{name} {results['models'][name]}" for name in SHIPPED)
    return f"{results['machine']}. {models}; digits {results['models']['digits']}.\n\n" + "\n".join(lines) + "\n"


def cell(found: dict[str, Any]) -> str:
    """Return the figures of an engine for a model as a cell."""
    if "refused" in found:
        return f"cannot read {found['refused']}"
    return f"{figure(found['latents'])}, {figure(found['images'])}, {found['differ']} of {found['values']:,}"


def figure(value: float) -> str:
    """Return a difference in two digits."""
    return f"{value:.1e}" if value else "0"


def brief(results: dict[str, Any]) -> str:
    """Return the short table, for README.md: the largest figures of each engine, and what one of them cannot read."""
    values = sum(found["values"] for found in results["rows"][0]["models"].values())
    head = ["engine", "called from", "latents", "images", f"of {values:,} values in 8 bits differ"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in results["rows"]:
        read = [found for found in row["models"].values() if "refused" not in found]
        largest = [figure(max(found[key] for found in read)) for key in ("latents", "images")]
        differ = f"{sum(found['differ'] for found in read)}"
        differ += " (of models without Clip)" * (len(read) < len(row["models"]))
        lines.append(f"| {row['engine']} {row['version']} | {row['from']} | {' | '.join([*largest, differ])} |")
    return "\n".join(lines) + "\n" + refusals(results["rows"])


def refusals(rows: list[dict[str, Any]]) -> str:
    """Return a sentence on each engine that cannot read a model; the row before it is the first version that can."""
    said = ""
    for before, row in pairwise(rows):
        left = [f"`{name}`" for name, found in row["models"].items() if "refused" in found]
        if left:
            old = f"{row['engine']} {row['version']}, the version of Debian 12,"
            said += f"\n{old} reads what is exported now. It cannot read\n"
            said += f"{' and '.join(left)}, whose Clip needs {before['version']} or later.\n"
    return said


def write(results: dict[str, Any]) -> None:
    documents.replace(HERE / "README.md", "engines", table(results))
    documents.replace(HERE.parent / "README.md", "engines", brief(results))


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    found = run(sys.argv[1:])
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    write(found)
