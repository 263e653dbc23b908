"""The training world: what needs torch, and ends in a bundle."""

import os

# Read when torch is imported. Threads that spin while they wait make training many times slower as soon as anything
# else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
