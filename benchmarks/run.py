"""All measurements of speed, with aetool installed in a new virtual environment; then the tables.

python benchmarks/run.py                      everything; about an hour on two idle cores
python benchmarks/run.py --quick start cost   some scripts, with few trials or small folders
python benchmarks/run.py --venv PLACE         keeps the environment in PLACE for later runs (aetool is installed anew)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import tables

HERE = Path(__file__).resolve().parent
SCRIPTS: dict[str, list[str]] = {
    "start": ["5"],
    "folders": ["3", "3000", "400"],
    "reading": ["3"],
    "cost": ["1000", "5000"],
    "inference": ["3"],
    "graphs": ["3"],
    "stages": ["3"],
    "training": ["1", "20"],
}
"""Scripts by name, each with its arguments for --quick; a script prints its result."""


def install(place: Path) -> Path:
    """Return the Python of the environment in `place`, made if missing, with aetool installed as by a user."""
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    extras = f"{HERE.parent}[train,openvino]"
    subprocess.run([*pip, extras, "-r", str(HERE / "peers/requirements.txt")], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(HERE.parent)], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SCRIPTS)}; default: all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--venv", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        python = install(given.venv or Path(place, "venv"))
        results = Path(place) if given.quick else HERE / "results"
        for name in given.names or SCRIPTS:
            begun = time.monotonic()
            words = [str(python), str(HERE / f"{name}.py"), *(SCRIPTS[name] if given.quick else [])]
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True, cwd=place)
            (results / f"{name}.json").write_bytes(done.stdout)
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        print(tables.speed(results))
        if not given.quick:
            tables.write(results)


if __name__ == "__main__":
    main()
