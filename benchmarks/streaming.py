"""Peak memory and rate of `aetool encode FOLDER` by number of files; the files are hard links to a few pictures.

python benchmarks/streaming.py 1000 20000 > benchmarks/results/streaming.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aetool import Bundle, Codec
from aetool.pictures import encode_picture
from aetool.sampling import SAMPLERS, rng_for
from aetool.types import to_pixels

LAUNCHER = """
import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss)
sys.exit(status != 0)
"""
"""Starts a command from a small process: a child begins with the peak of the one it was forked from."""


def fill(folder: Path, count: int) -> None:
    """Make `count` digits in `folder`, all but 16 of them hard links, in sub-folders of 1,000."""
    bundle = Bundle.find("mnist")
    latents = SAMPLERS["neighbours"].draw(bundle.bank(), None, 16, rng_for(0))
    pictures = [encode_picture(pixels) for pixels in to_pixels(Codec(bundle, "cpu").decode(latents))]
    originals = [folder / f".{i}.png" for i in range(16)]
    for path, data in zip(originals, pictures, strict=True):
        path.write_bytes(data)
    for i in range(count):
        place = folder / f"{i // 1000:03}"
        place.mkdir(exist_ok=True)
        os.link(originals[i % 16], place / f"{i:06}.png")


def measure(count: int) -> dict[str, float]:
    """Encode `count` files in a process of its own; return its peak memory in MiB and files a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        fill(folder, count)
        words = [sys.executable, "-m", "aetool", "encode", str(folder), "-m", "mnist", "-o", f"{name}/z.jsonl"]
        start = time.perf_counter()
        launched = subprocess.run([sys.executable, "-c", LAUNCHER, *words], capture_output=True, check=True)
        seconds = time.perf_counter() - start
        assert len(Path(f"{name}/z.jsonl").read_bytes().splitlines()) == count
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return {
        "files": count,
        "peak_mib": round(int(launched.stdout) / scale, 1),
        "files_per_second": round(count / seconds),
    }


if __name__ == "__main__":
    print(json.dumps([measure(int(count)) for count in sys.argv[1:]], indent=1))
