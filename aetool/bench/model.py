"""Speed of a model on the current machine: start, stages, batch sizes, devices, threads, memory.

Times on a shared machine mean little alone, so every measurement alternates with a reference, and the ratio counts:
times as fast, more is better.
"""

from __future__ import annotations

import itertools
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aetool.arrays import Images, Latents, to_pixels
from aetool.bench.report import Report, comparison, microseconds, milliseconds
from aetool.bench.start import BARE, BARE_NUMPY, first_bytes, peak_memory
from aetool.bench.timing import Timing, alternate
from aetool.bundle.bundle import Bundle
from aetool.errors import DeviceUnavailable
from aetool.images.decode import open_image, prepare
from aetool.images.folder import picture_folder
from aetool.images.png import png_files
from aetool.latents.files import LatentBatch, to_jsonl
from aetool.runtime.codec import Codec
from aetool.runtime.devices import NUMPY, devices, runtime_wheels
from aetool.system.processes import all_cores
from aetool.system.reading import read_file

BATCHES = (1, 8, 64, 256)


class Bench:
    """Measurements of the model in the folder `path`; each method is one section and yields its rows.

    `trials` is the number of measurements, after one warm-up.
    """

    def __init__(self, path: Path, device: str, threads: int, trials: int) -> None:
        self.path, self.threads, self.trials = path, threads, trials
        self.bundle = Bundle.read(path)
        self.codec = Codec(self.bundle, device, threads)
        bank = self.bundle.bank()
        draw = np.random.default_rng(0).multivariate_normal(bank.mean(None), bank.covariance(None), max(BATCHES))
        self.latents: Latents = draw.astype(np.float32)
        self.images: Images = self.codec.decode(self.latents)

    def machine(self) -> Report:
        """Return model, device, machine and versions."""
        versions = {"python": platform.python_version(), "numpy": np.__version__} | runtime_wheels()
        return {
            "model": f"{self.bundle.name} {self.bundle.identity}",
            "device": self.codec.device,
            "threads": self.threads,
            "cores": all_cores(),
            "system": f"{platform.system()} {platform.machine()}",
            "versions": versions,
            "trials": self.trials,
            "nodes": self.codec.placement(),
        }

    def start(self) -> Iterator[Report]:
        """Yield the time from the start of a process to the first byte of its picture, beside a bare program."""
        program = BARE_NUMPY if self.codec.device == NUMPY else BARE
        ours, bare = first_bytes(self._command(), program, self.bundle, self.trials)
        yield {"what": "aetool sample", "ms": milliseconds(Timing.of(ours))} | comparison("bare program", ours, bare)
        yield {"what": "bare program", "ms": milliseconds(Timing.of(bare))}

    def stages(self) -> Iterator[Report]:
        """Where the time of encoding and decoding goes, in microseconds an image."""
        pixels = to_pixels(self.images)
        n = len(pixels)
        batch = LatentBatch(self.latents, tuple(f"{i}.png" for i in range(n)), (None,) * n, self.bundle.identity)
        with tempfile.TemporaryDirectory() as place, picture_folder(Path(place, "out"), b"") as (named, write):
            paths = [Path(place, f"{i}.png") for i in range(n)]
            for path, data in zip(paths, png_files(pixels), strict=True):
                path.write_bytes(data)
            files = [path.read_bytes() for path in paths]
            numbers = itertools.count()
            stages: dict[str, Callable[[], object]] = {
                "read a file": lambda: [read_file(path) for path in paths],
                "decode": lambda: [open_image(data).load() for data in files],
                "decode and prepare": lambda: [prepare(open_image(data), self.codec.spec) for data in files],
                "run the encoder": lambda: self.codec.encode(self.images),
                "write a record": lambda: to_jsonl(batch),
                "run the decoder": lambda: self.codec.decode(self.latents),
                "make a PNG": lambda: png_files(pixels),
                "make a PNG and write it to a folder": lambda: write(
                    pixels, [named(str(next(numbers))) for _ in range(n)]
                ),
            }
            for name, taken in zip(stages, alternate(list(stages.values()), 1, self.trials), strict=True):
                yield {"what": name, "us_an_image": microseconds(Timing.of(taken), n)}

    def batches(self) -> Iterator[Report]:
        """Yield encoding and decoding by batch size; the ratio is to batch size 1."""
        for part, function, values in self._parts(self.codec):
            runs = [_repeated(function, values[:batch]) for batch in BATCHES]
            seconds = alternate(runs, 1, self.trials)
            for batch, taken in zip(BATCHES, seconds, strict=True):
                row = {"what": f"{part}, batch {batch}", "us_an_image": microseconds(Timing.of(taken), max(BATCHES))}
                yield row | comparison("batch 1", taken, seconds[0])

    def device_rows(self) -> Iterator[Report]:
        """Yield each available device, against the CPU; NumPy only where it is the device of the measurements."""
        codecs: dict[str, Codec] = {}
        for name in (row["device"] for row in devices() if row["available"]):
            if name != NUMPY or self.codec.device == NUMPY:
                try:
                    codec = Codec(self.bundle, name, self.threads)
                    codec.reconstruct(self.images[:1])
                    codecs[name] = codec
                except DeviceUnavailable:
                    continue
        yield from self._beside(next(iter(codecs)), codecs)

    def thread_rows(self) -> Iterator[Report]:
        """Threads within one run, against one thread; those of NumPy are not set here."""
        if self.codec.device == NUMPY:
            return
        counts = [1] + [n for n in (2, 4, 8) if n <= all_cores()]
        codecs = {f"{n} threads" if n > 1 else "1 thread": Codec(self.bundle, self.codec.device, n) for n in counts}
        yield from self._beside("1 thread", codecs)

    def memory(self) -> Iterator[Report]:
        """Peak memory of a process that draws one picture."""
        yield {"what": "aetool sample", "peak_mib": peak_memory(self._command())}

    def torch(self) -> Iterator[Report]:
        """Eager torch with the same architecture and fresh weights, on the CPU with as many threads."""
        from aetool.training.evaluation.eager import eager

        ours = self.codec if self.codec.device == NUMPY else Codec(self.bundle, "cpu", self.threads)
        for (part, function, values), theirs in zip(
            self._parts(ours), eager(self.bundle.manifest, self.threads), strict=True
        ):
            for batch in (1, 64, 256):
                runs = [_repeated(one, values[:batch]) for one in (function, theirs)]
                mine, torchs = alternate(runs, 1, self.trials)
                row = {"what": f"{part}, batch {batch}", "us_an_image": microseconds(Timing.of(mine), max(BATCHES))}
                yield row | comparison("torch", mine, torchs)

    def _command(self) -> list[str]:
        """Return the command for one sampled picture, of a class where the model has classes."""
        words = ["sample", "-m", str(self.path.resolve()), "-n", "1", "-q"]
        words += ["--device", NUMPY] if self.codec.device == NUMPY else []
        return words + (["--class", self.bundle.manifest.classes[0]] if self.bundle.manifest.classes else [])

    def _parts(self, codec: Codec) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
        yield "encoder", codec.encode, self.images
        yield "decoder", codec.decode, self.latents

    def _beside(self, first: str, codecs: dict[str, Codec]) -> Iterator[Report]:
        parts = {name: list(self._parts(codec)) for name, codec in codecs.items()}
        for i, (part, _, values) in enumerate(parts[first]):
            for batch in (1, 64, 256):
                runs = [_repeated(each[i][1], values[:batch]) for each in parts.values()]
                seconds = dict(zip(parts, alternate(runs, 1, self.trials), strict=True))
                for name, taken in seconds.items():
                    row = {
                        "what": f"{name}, {part}, batch {batch}",
                        "us_an_image": microseconds(Timing.of(taken), max(BATCHES)),
                    }
                    yield row | comparison(first, taken, seconds[first])


SECTIONS: dict[str, Callable[[Bench], Iterator[Report]]] = {
    "start": Bench.start,
    "stages": Bench.stages,
    "batches": Bench.batches,
    "devices": Bench.device_rows,
    "threads": Bench.thread_rows,
    "memory": Bench.memory,
    "torch": Bench.torch,
}


def _repeated(function: Callable[[Any], Any], values: Any) -> Callable[[], None]:
    """Return a function that calls `function` with the same values until the largest batch of images has passed."""

    def run() -> None:
        for _ in range(max(BATCHES) // len(values)):
            function(values)

    return run
