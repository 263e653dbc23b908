"""The training world: all code with torch, from data to bundle."""

import os

from aetool.system.cores import busy
from aetool.system.processes import all_cores

# Read when torch is imported. A thread of OpenMP that waits spins, and so takes the core that other threads wait for
# where other processes keep all cores busy: there training took 2.9 times as long as with one thread, and 2.2 times
# without spinning. On idle cores steps of milliseconds took 2.3 times as long without spinning, and 1.04 times with a
# fifteenth of the spins, so that the default stays there (benchmarks/results/waiting.json).
if "OMP_WAIT_POLICY" not in os.environ and busy(all_cores()):
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
