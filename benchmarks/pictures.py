"""The pictures of README.md, made again by the commands stored in their metadata, for example after a new model.

python benchmarks/pictures.py

That of a page, in docs/pictures, is made by explorer.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from aetool.images.provenance import read_provenance

HERE = Path(__file__).parent
REPOSITORY = HERE.parent


def main() -> None:
    """Run each command in the folder of its picture, with the aetool of the repository."""
    readme = (REPOSITORY / "README.md").read_text()
    for name in re.findall(r"!\[[^]]*\]\((benchmarks/[^)]+)\)", readme):
        _, *words = shlex.split(read_provenance((REPOSITORY / name).read_bytes())["command"])
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        folder = (REPOSITORY / name).parent
        subprocess.run([sys.executable, "-m", "aetool", *words], cwd=folder, env=environment, check=True)
        print(name, *words)


if __name__ == "__main__":
    main()
