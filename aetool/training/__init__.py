"""The training world: all code with torch, from data to bundle."""

import os

# Read when torch is imported. Threads of OpenMP spin long while they wait: with both of two cores busy, 4 epochs of
# digits took 15.6 s with 20,000 spins, 2.3 s with 1,000 and 2.3 s with one thread (benchmarks/waiting.py measures it).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
