"""The training world: all code with torch, from data to bundle."""

import os

from aetool.system.cores import busy
from aetool.system.processes import all_cores

# Read when torch is imported. A thread of OpenMP that waits spins, which takes the core that the other threads wait for
# where other processes keep all cores busy: training took 2.2 times as long as with one thread without spinning, and 2.9
# times with it. On idle cores steps of milliseconds took 2.3 times as long without, and 1.04 times with a fifteenth of
# the spins, so that the default stays there (benchmarks/results/waiting.json).
if "OMP_WAIT_POLICY" not in os.environ and busy(all_cores()):
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
