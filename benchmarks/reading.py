"""Reading of JPEGs, from the file to the pixels of a model, compared with Pillow's open, convert and ImageOps.fit.

python reading.py [TRIALS] > results/reading.json

Both read the same files in turns, in one process and one thread. The mse between their pixels is measured as well.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from turns import PEERS, aetool, alternate, python, report, row, seconds

from aetool.arrays import Pixels
from aetool.bundle.lookup import shipped_path
from aetool.images.files import ImageFile, new_guesses, pixels_of
from aetool.images.spec import ImageSpec
from aetool.system.limits import LIMITS

LARGE, SMALL = (4032, 3024), (480, 360)
"""Width and height of a photo of 12 megapixels, and of a small one."""
PHOTOS = 60
"""Photos of a folder that is encoded whole."""
CALM, GRAINY = (2, 85), (4, 90)
"""Noise in levels, and quality of the JPEG: the first makes 1 MB of 12 megapixels, the second 2.5 MB."""
CASES = (
    (LARGE, 4, CALM, ImageSpec(3, 64, 64), "at least 8"),
    (LARGE, 4, CALM, ImageSpec(3, 256, 256), ""),
    (LARGE, 4, GRAINY, ImageSpec(3, 64, 64), ""),
    (SMALL, 200, CALM, ImageSpec(3, 64, 64), "at least 1.8"),
    (SMALL, 200, GRAINY, ImageSpec(3, 64, 64), ""),
    (SMALL, 200, CALM, ImageSpec(1, 28, 28), ""),
)
"""Size of the photos, their number, noise and quality, what they become, and the bar."""


def photos(folder: Path, size: tuple[int, int], count: int, grain: tuple[int, int]) -> list[Path]:
    """Write JPEGs with large shapes, edges and the noise of a camera, a few of them different; return their paths."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    originals = []
    for i in range(min(count, 4)):
        shapes = Image.fromarray(rng.integers(0, 256, (9 + i, 12, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        shapes.paste(Image.effect_mandelbrot((size[0] // 3, size[1] // 3), (-2, -1.5, 1, 1.5), 40), (size[0] // 4,) * 2)
        noise = rng.normal(0, grain[0], (size[1], size[0], 1))
        path = folder / f"original{i}.jpg"
        Image.fromarray((np.asarray(shapes) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=grain[1])
        originals.append(path.read_bytes())
        path.unlink()
    paths = [folder / f"{i:04}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(originals[i % len(originals)])
    return paths


def ours(paths: list[Path], spec: ImageSpec) -> list[Pixels]:
    guesses = new_guesses(LIMITS)
    return [pixels_of(ImageFile(str(path), path.name), spec, LIMITS, guesses) for path in paths]


def theirs(paths: list[Path], spec: ImageSpec) -> list[Pixels]:
    """Return the pixels (c, h, w) of the bare program."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            fitted = ImageOps.fit(
                image.convert("L" if spec.channels == 1 else "RGB"), (spec.width, spec.height), Image.Resampling.LANCZOS
            )
            found.append(np.moveaxis(np.atleast_3d(np.asarray(fitted)), 2, 0))
    return found


def timed(read: Callable[[list[Path], ImageSpec], object], paths: list[Path], spec: ImageSpec) -> float:
    begun = time.perf_counter()
    read(paths, spec)
    return time.perf_counter() - begun


def reading(trials: int) -> list[dict[str, Any]]:
    rows = []
    for number, (size, count, grain, spec, bar) in enumerate(CASES):
        paths = photos(Path(f"case{number}"), size, count, grain)
        turns = {
            "ours": partial(timed, ours, paths, spec),
            "theirs": partial(timed, theirs, paths, spec),
        }
        taken = alternate(turns, trials)
        kilobytes = f"{paths[0].stat().st_size / 1000:,.0f} kB"
        what = f"{count} JPEGs of {size[0]}x{size[1]}, {kilobytes}, to {' x '.join(map(str, spec.shape))}"
        apart = np.stack(ours(paths, spec)).astype(float) - np.stack(theirs(paths, spec))
        found = row(what, "open, convert, ImageOps.fit", taken["ours"], taken["theirs"], bar)
        rows.append(found | {"mse": float(np.square(apart / 255).mean())})
    return rows


def encoding(trials: int) -> dict[str, Any]:
    """Return the row of a whole command, start and networks included, beside the bare program of `folders.py`."""
    photos(Path("photos"), LARGE, PHOTOS, CALM)
    bare = python(PEERS / "bare_encode.py", shipped_path("mnist") / "encoder.onnx", "photos", 28, 1, 4)
    words = aetool("encode", "photos", "-m", "mnist", "-o", "z.npz")
    taken = alternate({"ours": lambda: seconds(words), "theirs": lambda: seconds(bare)}, max(3, trials // 2))
    what = f"aetool encode of {PHOTOS} JPEGs of {LARGE[0]}x{LARGE[1]}"
    return row(what, "bare program, batch 4", taken["ours"], taken["theirs"], "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 11
        report("reading", [*reading(chosen), encoding(chosen)])
