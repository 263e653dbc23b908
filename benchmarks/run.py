"""All that this machine can measure, from a normal install in a virtual environment of its own; then the tables.

python benchmarks/run.py                      everything; about an hour on two idle cores
python benchmarks/run.py --quick start cost   some of it, with few trials or small folders
python benchmarks/run.py --venv PLACE         keeps the environment there, and uses it again (aetool is installed anew)
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
    "cost": ["1000", "5000"],
    "inference": ["3"],
    "graphs": ["3"],
    "stages": ["3"],
    "training": ["1", "20"],
}
"""Each is the script of that name and prints its result; with the words after it where it is to be quick."""


def install(place: Path) -> Path:
    """Make the environment where it is missing, install aetool into it as a user would, and return its Python."""
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
