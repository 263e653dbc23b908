"""Time of an image in each stage of encoding and decoding, as measured by `aetool bench mnist`.

python stages.py [TRIALS] > results/stages.json
"""

from __future__ import annotations

import sys

from turns import report

from aetool.bench.model import Bench
from aetool.bundle.lookup import shipped_path

if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    report("stages", list(Bench(shipped_path("mnist"), "cpu", 1, trials).stages()))
