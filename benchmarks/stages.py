"""Where the time of an image goes on its way to a latent and back: the stages that `aetool bench mnist` measures.

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
