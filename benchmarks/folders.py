"""Speed of encoding and decoding folders, compared with a minimal program with a process per core.

python folders.py [TRIALS [SMALL LARGE]] > results/folders.json
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from turns import ENVIRONMENT, PEERS, aetool, alternate, python, report, row, seconds

from aetool import Bundle, Codec
from aetool.arrays import to_pixels
from aetool.bundle.lookup import shipped_path

BATCHES = (16, 64, 256)
MEMORY = Path("/dev/shm")
"""Folder in memory on Linux, for the cost of writing without a disk."""


def fill_small(folder: Path, count: int) -> None:
    """Write `count` different PNGs of 28x28 digits, decoded from means of two latents of the bank."""
    bundle = Bundle.read(shipped_path("mnist"))
    codec, bank = Codec(bundle, "cpu"), bundle.bank().latents
    rng = np.random.default_rng(0)
    for start in range(0, count, 1000):
        a, b = (bank[rng.integers(len(bank), size=1000)] for _ in "ab")
        place = folder / f"{start // 1000:03}"
        place.mkdir(parents=True)
        for i, data in enumerate(pillow_png(to_pixels(codec.decode((a + b) / 2)))):
            (place / f"{start + i:06}.png").write_bytes(data)


def pillow_png(pixels: np.ndarray) -> list[bytes]:
    """Return grey pixels (n, 1, h, w) as PNG files written by Pillow with its defaults."""
    files = []
    for tile in pixels:
        stream = io.BytesIO()
        Image.fromarray(tile[0]).save(stream, "PNG")
        files.append(stream.getvalue())
    return files


def fill_large(folder: Path, count: int) -> None:
    """Write `count` JPEGs of 480x360, copies of 64 enlarged and noisy hands of the shipped model."""
    bundle = Bundle.read(shipped_path("sign_digits"))
    pixels = to_pixels(Codec(bundle, "cpu").decode(bundle.bank().latents[:64]))
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    originals = []
    for tile in pixels:
        large = np.asarray(Image.fromarray(tile.transpose(1, 2, 0)).resize((480, 360), Image.Resampling.BICUBIC))
        noisy = (large + rng.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=90)
        originals.append(stream.getvalue())
    for i in range(count):
        (folder / f"{i:05}.jpg").write_bytes(originals[i % len(originals)])


def bare_encode(model: str, folder: str, size: int, channels: int, batch: int) -> list[str]:
    return python(PEERS / "bare_encode.py", shipped_path(model) / "encoder.onnx", folder, size, channels, batch)


def best_batch(make) -> int:
    """Return the fastest batch size of the minimal program."""
    return min(BATCHES, key=lambda batch: seconds(make(batch)))


def encoding(what: str, model: str, folder: str, size: int, channels: int, trials: int, suffixes: list[str]) -> list:
    batch = best_batch(lambda batch: bare_encode(model, folder, size, channels, batch))
    cases = {suffix: aetool("encode", folder, "-m", model, "-o", f"z{suffix}") for suffix in suffixes}
    turns = {name: lambda words=words: seconds(words) for name, words in cases.items()}
    turns["bare"] = lambda: seconds(bare_encode(model, folder, size, channels, batch))
    taken = alternate(turns, trials)
    return [
        row(f"encode {what} to {name}", f"bare program, batch {batch}", taken[name], taken["bare"], "at least 0.85")
        for name in suffixes
    ]


def decoding(trials: int) -> list:
    def bare(batch: int, *folder: str) -> list[str]:
        return python(PEERS / "bare_decode.py", shipped_path("mnist") / "decoder.onnx", "z.npz", batch, *folder)

    places = (f"out{i}" for i in itertools.count())  # a new folder each time: after deletions ext4 creates files slowly

    def ours(place: str) -> float:
        os.sync()
        return seconds(aetool("decode", "z.npz", "-m", "mnist", "-o", f"{place}/"))

    def files() -> float:
        os.sync()
        return seconds(bare(batch, next(places)))

    batch = best_batch(bare)
    turns = {"ours": lambda: ours(next(places)), "nowhere": lambda: seconds(bare(batch)), "files": files}
    if MEMORY.is_dir():
        turns["memory"] = lambda: in_memory(ours)
    taken = alternate(turns, trials)
    nowhere, beside = taken["nowhere"], f"bare program, batch {batch}, to"
    rows = [
        row("decode to a folder", f"{beside} nowhere", taken["ours"], nowhere, "at least 0.85"),
        row("decode to a folder", f"{beside} files", taken["ours"], taken["files"], "at least 0.85"),
    ]
    if MEMORY.is_dir():
        rows.append(
            row(f"decode to a folder in {MEMORY}", f"{beside} nowhere", taken["memory"], nowhere, "at least 0.85")
        )
    return rows


def in_memory(measure: Callable[[str], float]) -> float:
    """Return the result of `measure` for a temporary folder in memory."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        return measure(f"{place}/out")


def first_record(trials: int) -> dict:
    """Return the seconds from process start to the first record; the rest of the encoding is cut off."""
    found = []
    for _ in range(trials):
        begun = time.perf_counter()
        with subprocess.Popen(
            aetool("encode", "small", "-m", "mnist", "-q"), stdout=subprocess.PIPE, env=ENVIRONMENT
        ) as p:
            assert json.loads(p.stdout.readline())["source"]
            found.append(round(time.perf_counter() - begun, 4))
            p.stdout.close()
    return {"seconds": found, "bar": 1.0, "holds": sorted(found)[len(found) // 2] < 1.0}


def equal_to_one_by_one() -> bool:
    """Return whether every thousandth latent of the folder equals the latent of its picture alone, bit for bit."""
    records = [json.loads(line) for line in Path("z.jsonl").read_text().splitlines()]
    names = [record["source"] for record in records]
    assert names == sorted(names)
    return all(record["latent"] == alone(record["source"]) for record in records[::1000])


def alone(name: str) -> list[float]:
    words = aetool("encode", name, "-m", "mnist")
    return json.loads(subprocess.run(words, capture_output=True, check=True, env=ENVIRONMENT).stdout)["latent"]


def main(trials: int, small: int, large: int) -> None:
    fill_small(Path("small"), small)
    fill_large(Path("large"), large)
    rows = encoding(f"{small:,} PNGs of 28x28", "mnist", "small", 28, 1, trials, [".jsonl", ".npz"])
    same = equal_to_one_by_one()
    rows += decoding(trials)
    rows += encoding(f"{large:,} JPEGs of 480x360", "sign_digits", "large", 64, 3, max(3, trials // 2), [".jsonl"])
    report("folders", rows, first_record=first_record(trials), equal_to_one_by_one=same)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        given = [int(word) for word in sys.argv[1:]]
        main(*(given + [7, 20_000, 4_000][len(given) :]))
