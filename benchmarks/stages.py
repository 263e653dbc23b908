"""Where the time of an image goes on its way to a latent and back: the stages that `aetool bench mnist` measures.

python stages.py [TRIALS] > results/stages.json
"""

from __future__ import annotations

import json
import subprocess
import sys

from turns import ENVIRONMENT, aetool, report


def main(trials: str) -> None:
    words = aetool("bench", "mnist", "--json", "-q", "--trials", trials)
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, env=ENVIRONMENT)
    report("stages", json.loads(done.stdout)["sections"]["stages"])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "9")
