"""A bundle at work: sessions of ONNX Runtime on a device, or the reference, checked on the way in and out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, Latents, check_images, check_latents
from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.gate import check_graph
from aetool.choices import device_named
from aetool.errors import BundleError, DeviceUnavailable
from aetool.runtime.devices import DEVICES, NUMPY, choose_device, first_line, open_session, placement

if TYPE_CHECKING:
    import onnxruntime as ort

    from aetool.runtime.reference import Reference

Tensor = tuple[str, tuple[int, ...]]
"""A tensor of a graph: its name, and its sizes without the batch."""

BATCH_VALUES = 1 << 18
"""Most image values of one run; bounds the memory for images of every size."""
MAX_BATCH = 256
"""Most images of one run, fewer where the gate says so."""
CPU_RUN = 64
"""Most images of one run on a CPU: the values of larger batches leave the processor's caches (see benchmarks/)."""
ON_PROCESSOR = ("cpu", NUMPY)
"""Devices that each worker process can use for itself, and that take batches of every size equally well."""


class Opened(NamedTuple):
    """The function of a graph, values (n, ...) to values (n, ...), and the most items of a run."""

    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]
    most: int


class Codec:
    """The encoder and decoder of a bundle or of graphs, each opened on first use.

    `device` is auto (cuda where usable, else cpu), or a name of `known_devices`; an unusable device raises
    `DeviceUnavailable`. `threads` is the number of threads of a run of ONNX Runtime.
    """

    def __init__(self, source: Bundle | Graphs, device: str = "auto", threads: int = 1) -> None:
        self.graphs = source.graphs if isinstance(source, Bundle) else source
        self.spec = self.graphs.spec
        self.threads = threads
        self.device = choose_device(device)
        self._may_change = device_named(device) == "auto"
        self.batch = max(1, min(MAX_BATCH, BATCH_VALUES // math.prod(self.spec.shape)))
        self.run_size = min(self.batch, CPU_RUN) if self.on_processor else self.batch

    def __repr__(self) -> str:
        """Return one line."""
        shape = " x ".join(map(str, self.spec.shape))
        return f"<codec on {self.device}: images of {shape}, latents of {self.graphs.latent_size}>"

    @property
    def on_processor(self) -> bool:
        """Whether each worker process can compute for itself."""
        return self.device in ON_PROCESSOR

    @cached_property
    def _encoder(self) -> Opened:
        return self._open(self.graphs.encoder, ("images", self.spec.shape), ("latents", (self.graphs.latent_size,)))

    @cached_property
    def _decoder(self) -> Opened:
        return self._open(self.graphs.decoder, ("latents", (self.graphs.latent_size,)), ("images", self.spec.shape))

    def close(self) -> None:
        """Let go of the sessions and their memory; the next run opens its session again."""
        for name in ("_encoder", "_decoder"):
            self.__dict__.pop(name, None)

    def _open(self, graph: bytes, source: Tensor, target: Tensor) -> Opened:
        """Return the function of a graph from tensor `source` to `target`; raises `BundleError` for any other graph."""
        most = check_graph(graph, source, target, self.batch)
        if self.device == NUMPY:
            return Opened(_reference(graph).run, most)
        session = self._session(graph)
        for values, (name, shape) in ((session.get_inputs(), source), (session.get_outputs(), target)):
            if [(v.name, v.type, tuple(v.shape[1:])) for v in values] != [(name, "tensor(float)", shape)]:
                raise BundleError(f"a graph does not have the {name} that its manifest says")
        return Opened(lambda values: session.run(None, {source[0]: values})[0], most)

    def _session(self, graph: bytes) -> ort.InferenceSession:
        """Return a session on the device, or on the CPU where the device was chosen by auto and fails."""
        try:
            return open_session(graph, self.device, self.threads)
        except DeviceUnavailable:
            if not self._may_change:
                raise
            self.device = "cpu"
            return open_session(graph, self.device, self.threads)

    def placement(self) -> dict[str, dict[str, int]]:
        """Return the number of nodes by provider for each graph, from sessions opened for the purpose."""
        graphs = {"encoder": self.graphs.encoder, "decoder": self.graphs.decoder}
        if self.device == NUMPY:
            return {name: {DEVICES[NUMPY].provider: len(_reference(graph).nodes)} for name, graph in graphs.items()}
        return {
            name: placement(open_session(graph, self.device, self.threads, record=True))
            for name, graph in graphs.items()
        }

    def encode(self, images: Images) -> Latents:
        """Return latents (n, k) of images (n, c, h, w) in [0, 1]; raises `InvalidInput`, `BundleError`."""
        return self._run(self._encoder, check_images(images, self.spec.shape), (self.graphs.latent_size,))

    def decode(self, latents: Latents) -> Images:
        """Return images (n, c, h, w) in [0, 1] of latents (n, k); raises `InvalidInput`, `BundleError`."""
        checked = check_latents(latents, self.graphs.latent_size)
        images = self._run(self._decoder, checked, self.spec.shape)
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise BundleError("the decoder gave values outside [0, 1]; the bundle is damaged")
        return images

    def reconstruct(self, images: Images) -> Images:
        """Return g(f(x)) for images (n, c, h, w)."""
        return self.decode(self.encode(images))

    def _run(self, opened: Opened, values: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Return the output of a graph, run in batches; raises `BundleError` for infinite values or another shape."""
        size = min(self.run_size, opened.most)
        result = np.empty((len(values), *shape), np.float32)
        for start in range(0, len(values), size):
            part = values[start : start + size]
            try:
                out = opened.run(part if self.on_processor else _padded(part, size))
            except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
                raise BundleError(f"the graph failed to run on {self.device}: {first_line(error)}") from error
            out = out[: len(part)]
            if out.shape != (len(part), *shape) or not np.isfinite(out).all():
                raise BundleError("the graph gave numbers that are not finite or of another shape; nothing is written")
            result[start : start + len(part)] = out
        return result


def _reference(graph: bytes) -> Reference:
    from aetool.runtime.reference import Reference  # seldom needed

    return Reference(graph)


def _padded(values: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.float32]:
    """Return values with zeros behind up to a power of two, at most `most`: each new size is slow at first."""
    size = min(most, 1 << (len(values) - 1).bit_length())
    return np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]), np.float32)])
