"""The training world: all code with torch, from data to bundle."""

import os

# Read when torch is imported. Threads of OpenMP spin long while they wait: beside a busy process training took nine
# times as long (6.8 -> 60 s for 40 epochs of digits on two cores); spinning this long, four times (7.3 -> 28 s).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
