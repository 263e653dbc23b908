"""The model: a bundle at work, with every verb of the command line as a method.

Methods ending in -ed work on streams in bounded memory, for the commands. The other methods collect the streams, and
raise the first error. A verb imports its own modules, for a fast start of commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aetool.arrays import Images, Latents, Pixels, check_latents
from aetool.bundle.bundle import Bundle
from aetool.choices import device_named
from aetool.errors import UsageError, lookup, printable
from aetool.images.files import FileBatch, ImageFile
from aetool.latents.files import LatentBatch
from aetool.model import keys
from aetool.model.keys import Key, Part, Source, image_files, read_parts, unnamed
from aetool.model.named_keys import mean_of, without_pictures
from aetool.runtime.codec import ON_PROCESSOR, Codec
from aetool.runtime.parallel import over_files
from aetool.system.limits import LIMITS, Limits

if TYPE_CHECKING:
    from aetool.bundle.scoring import Maps
    from aetool.generation.paths import WalkFigures
    from aetool.generation.sampling import Sampler
    from aetool.images.layout import Layout
    from aetool.latents.bank import Bank
    from aetool.latents.search import Hit
    from aetool.model.pictures import Pictures
    from aetool.model.scores import Score, Scored
    from aetool.model.steps import Again, Compared
    from aetool.model.walks import Walk


def load(name: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Model:
    """Return a model: a folder with a bundle, a name in ./models, a shipped name, or hf:OWNER/NAME[@REVISION].

    None stands for the default model. `device` is a name of `aetool devices`; `threads` is the number of cores,
    None for a single core for few images and all cores for many.
    Raises `BundleError`, `DeviceUnavailable`.
    """
    from aetool.bundle.lookup import default_path, find_path

    path = default_path()[0] if name is None else find_path(str(name))
    return Model(Bundle.read(path), device, threads)


class Model:
    """A bundle at work on a device."""

    def __init__(
        self, bundle: Bundle, device: str = "auto", threads: int | None = None, limits: Limits = LIMITS
    ) -> None:
        self.bundle, self.cores, self.limits = bundle, threads, limits
        # On the processor many images are spread over processes of one thread each, elsewhere over threads.
        self.codec = Codec(bundle, device, 1 if device_named(device) in ("auto", *ON_PROCESSOR) else threads or 1)

    def __repr__(self) -> str:
        """Return one line."""
        m = self.bundle.manifest
        shape = " x ".join(map(str, m.image.shape))
        name = printable(self.bundle.name)
        return f"<model {name} {self.bundle.identity}: images of {shape}, latents of {m.latent_size}>"

    def prepare(self, source: str | Path | bytes) -> Pixels:
        """Return a picture file as uint8 (c, h, w), prepared for the model; raises `InvalidInput`, `ReadWriteError`."""
        from aetool.images.decode import decode_image
        from aetool.images.files import read_image

        data = source if isinstance(source, bytes) else read_image(ImageFile(str(source), "", named=True))
        return decode_image(data, self.bundle.manifest.image, self.limits)

    def encode(self, sources: Source | Images | Iterable[Source]) -> Latents:
        """Return latents (n, k) of pictures, or of images float32 (n, c, h, w) in [0, 1]."""
        if isinstance(sources, np.ndarray):
            return self.codec.encode(sources)
        return keys.joined(keys.values(self.encoded(self._files(sources)))).latents

    def encoded(self, files: Iterable[ImageFile], cores: int | None = None) -> Iterator[FileBatch[LatentBatch]]:
        """Yield the latents of picture files."""
        for batch in over_files(files, self.codec, Codec.encode, cores or self.cores, self.limits):
            yield batch.with_value(keys.latents_of(batch.files, batch.value, self.bundle.identity))

    def decode(self, latents: Latents | LatentBatch) -> Pictures:
        """Return the pictures of latents (n, k)."""
        size = self.bundle.manifest.latent_size
        batch = latents if isinstance(latents, LatentBatch) else unnamed(check_latents(np.atleast_2d(latents), size))
        return self._pictures([keys.check_model(batch, self.bundle)])

    def reconstruct(self, sources: Source | Iterable[Source]) -> Pictures:
        """Return the reconstructions g(f(x)) of pictures; their sheet shows the originals too."""
        from aetool.model.pictures import paired

        return paired(self, self._files(sources))

    def compared(self, files: Iterable[ImageFile]) -> Iterator[FileBatch[Compared]]:
        """Yield picture files beside their reconstructions."""
        from aetool.model.steps import compared

        yield from over_files(files, self.codec, compared, self.cores, self.limits)

    def reconstructed(self, files: Iterable[ImageFile], measured: bool) -> Iterator[FileBatch[Again]]:
        """Yield the reconstructions of picture files, and their distortions if `measured`."""
        from aetool.model import steps

        step = steps.measured_reconstructions if measured else steps.reconstructions
        yield from over_files(files, self.codec, step, self.cores, self.limits)

    def score(self, sources: Source | Iterable[Source]) -> list[Score]:
        """Return the score of each picture."""
        return [score for scores, _ in keys.values(self.scored(self._files(sources))) for score in scores]

    def scored(
        self, files: Iterable[ImageFile], maps: str | None = None, show: tuple[int, ...] | None = None
    ) -> Iterator[FileBatch[Scored]]:
        """Yield the scores of picture files, with heat maps as arrays or pictures of channels `show` (see `MAPS`)."""
        from aetool.model.scores import scored

        return scored(self, files, maps, show)

    def maps(self, sources: Source | Iterable[Source]) -> Maps:
        """Return the heat map of each picture, float32 (n, h, w): where it is unlike the training images."""
        from aetool.model.scores import maps_of

        return maps_of(self, self._files(sources))

    def sample(
        self,
        name: str | None = None,
        n: int = 16,
        seed: int | None = None,
        method: str | Sampler = "local",
        images: Source | Iterable[Source] | None = None,
    ) -> Pictures:
        """Return n new pictures of the class `name`, None for the whole bank; `images` are taken as the class.

        `method` is the name of a sampler, or a sampler such as `Local(bandwidth=0.5)`. Raises `UsageError`.
        """
        from aetool.model.drawing import fresh_seed

        bank = None if images is None else self.bank_of(keys.values(self.encoded(self._files(images))))
        labels = {name: None} if bank else self.labels([name])
        seed = fresh_seed() if seed is None else seed
        return self._pictures(self.sampled(labels, n, seed, method, bank), seed=seed)

    def classes(self) -> tuple[str, ...]:
        """Return the names of all classes; raises `UsageError` where the model has none."""
        if not self.bundle.manifest.classes:
            raise UsageError("this model knows no classes", fix="no-each")
        return self.bundle.manifest.classes

    def bank_of(self, batches: Iterable[LatentBatch]) -> Bank:
        """Return the bank of pictures unknown to the model; raises `InvalidInput` for fewer than two."""
        from aetool.model.drawing import bank_of

        return bank_of(batches)

    def labels(self, names: Iterable[str | None]) -> dict[str | None, int | None]:
        """Return the number of each class by its name in the model, None for the whole bank; raises `UsageError`."""
        bank = self.bundle.bank()
        numbers = [bank.class_index(name) for name in names]
        return {None if number is None else bank.classes[number]: number for number in numbers}

    def sampled(
        self,
        labels: Mapping[str | None, int | None],
        n: int,
        seed: int,
        method: str | Sampler = "local",
        bank: Bank | None = None,
    ) -> Iterator[LatentBatch]:
        """Yield n new latents of each class, drawn from the bank of the bundle or from `bank`."""
        from aetool.generation.sampling import SAMPLERS
        from aetool.model.drawing import drawn

        sampler = lookup(SAMPLERS, method, "method") if isinstance(method, str) else method
        yield from drawn(sampler, bank or self.bundle.bank(), labels, n, seed)

    def interpolate(
        self, *given: Key, steps: int = 10, method: str = "lerp", even: bool = False, loop: bool = False
    ) -> Pictures:
        """Return the pictures of a path from key to key, `steps` from each to the next, both counted."""
        from aetool.model.walks import strip

        joined = self.joined(given)
        walk = self.walked(joined.latents, steps, method, even, loop)
        return self._pictures([walk.pictures], strip(joined, steps, walk))

    def walked(
        self, latents: Latents, steps: int, method: str = "lerp", even: bool = False, loop: bool = False
    ) -> Walk:
        """Return the path through latents (m, k), with even steps if `even` is asked for."""
        from aetool.model.walks import walked

        return walked(self, latents, steps, method, even, loop)

    def figures(self, path: Latents) -> WalkFigures:
        """Return the figures of a path (n, k), n at least 2."""
        from aetool.generation import paths

        bank = self.bundle.bank()
        return paths.measure(path, self.codec.decode, bank, paths.spacing(bank))

    def plane(self, rows: int, columns: int) -> Pictures:
        """Return the plane of latents of two numbers, decoded at regular places; raises `UsageError` for others."""
        from aetool.images.layout import Layout
        from aetool.model.drawing import plane_of

        return self._pictures([plane_of(self.bundle, rows, columns)], Layout(columns=columns))

    def combine(self, *given: Key, weights: Sequence[float] | None = None) -> Pictures:
        """Return the picture of the sum of keys, each times its weight; without weights, of their mean."""
        return self._pictures([self.combined(self.latents(given), weights)])

    def combined(self, latents: Latents, weights: Sequence[float] | None = None) -> LatentBatch:
        """Return the sum of latents (m, k), each times its weight; without weights, their mean."""
        from aetool.generation.arithmetic import combine

        return LatentBatch(combine(latents, weights), ("combined",), (None,), None)

    def perturb(self, *given: Key, sigma: float = 0.5, n: int = 8, seed: int | None = None) -> Pictures:
        """Return n variations of each key: its latent with noise; sigma 1 is the spread of the whole bank."""
        from aetool.images.layout import Layout
        from aetool.model.drawing import fresh_seed

        seed = fresh_seed() if seed is None else seed
        batches = self.batches(read_parts(given, self.limits))
        return self._pictures(self.perturbed(keys.values(batches), sigma, n, seed), Layout(columns=n), seed)

    def perturbed(self, batches: Iterable[LatentBatch], sigma: float, n: int, seed: int) -> Iterator[LatentBatch]:
        """Yield n variations of each latent of the batches."""
        from aetool.model.drawing import perturbed

        return perturbed(batches, self.bundle.bank(), sigma, n, seed)

    def search(
        self, query: Key, n: int = 10, metric: str = "euclidean", known: Iterable[LatentBatch] | None = None
    ) -> list[list[Hit]]:
        """Return the n nearest latents of the bank, or of `known`, to each latent of the query, nearest first."""
        return self.nearest(self.latents([query]), n, metric, known)

    def nearest(
        self, latents: Latents, n: int, metric: str, known: Iterable[LatentBatch] | None = None
    ) -> list[list[Hit]]:
        """Return the n nearest latents of the bank, or of `known`, to each of the latents (q, k)."""
        from aetool.latents import search

        chosen = lookup(search.METRICS, metric, "metric")
        searched = search.bank_batches(self.bundle.bank()) if known is None else self.own(known)
        return search.search(latents, searched, n, chosen)

    def latents(self, given: Iterable[Key]) -> Latents:
        """Return the latents (m, k) of keys; raises the error of the first unusable key."""
        return self.joined(given).latents

    def joined(self, given: Iterable[Key]) -> LatentBatch:
        """Return the latents (m, k) of keys with their sources, names and classes."""
        return keys.joined(keys.values(self.batches(read_parts(given, self.limits))))

    def batches(self, parts: Iterable[Part], cores: int | None = None) -> Iterator[FileBatch[LatentBatch]]:
        """Yield the latents of parts of keys, in their order, neighbouring pictures encoded together."""
        for part in keys.grouped(parts):
            if isinstance(part, list):
                yield from self.encoded(part, cores)
            elif isinstance(part, keys.Mean):
                yield mean_of(part.name, self.batches(part.of, cores), self.bundle.manifest.latent_size)
            else:
                yield without_pictures(part, self.bundle)

    def own(self, batches: Iterable[LatentBatch]) -> Iterator[LatentBatch]:
        """Yield batches of latents; raises `InvalidInput` for latents of another model."""
        return (keys.check_model(batch, self.bundle) for batch in batches)

    def signed(self, batches: Iterable[LatentBatch]) -> Iterator[LatentBatch]:
        """Yield batches with the identity of this model, and the names of their pictures as sources."""
        return (replace(batch, sources=batch.titles, names=None, model=self.bundle.identity) for batch in batches)

    def each_image(self, files: Iterable[ImageFile], layout: str | None = None) -> Iterator[ImageFile]:
        """Yield picture files; in place of a stack (.npz, .npy) each of its images (see `open_stack`)."""
        from aetool.images.stacked import unstacked

        return unstacked(files, self.bundle.manifest.image, self.limits, layout)

    def _files(self, sources: Any) -> Iterator[ImageFile]:
        return self.each_image(image_files(keys.listed(sources)))

    def _pictures(
        self, batches: Iterable[LatentBatch], layout: Layout | None = None, seed: int | None = None
    ) -> Pictures:
        from aetool.model.pictures import decoded

        return decoded(self, keys.joined(self.signed(batches)), layout, seed)
