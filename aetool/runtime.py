"""A bundle at work: sessions of ONNX Runtime on a device, checked on the way in and out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at import: since 1.29 the wheels send telemetry otherwise

import onnxruntime as ort

from aetool.bundle import Bundle
from aetool.errors import BundleError, DeviceUnavailable, lookup
from aetool.gate import check_graph
from aetool.types import Images, Latents, check_images, check_latents

BATCH_VALUES = 1 << 18
"""Image values that one run takes; bounds the memory of a run whatever the image size."""
MAX_BATCH = 256


@dataclass(frozen=True)
class Device:
    """An execution provider, its options, and the package whose wheel brings it."""

    provider: str
    options: Mapping[str, str]
    mend: str


DEVICES: dict[str, Device] = {
    "cpu": Device("CPUExecutionProvider", {}, "pip install onnxruntime"),
    "cuda": Device(
        "CUDAExecutionProvider",
        {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
        "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'",
    ),
}


class Codec:
    """The encoder and the decoder of a bundle, each opened when it is first used.

    device is auto (cuda where it works, else cpu), or a name of `DEVICES`, which is a promise: where it cannot be kept,
    `DeviceUnavailable` is raised. threads is how many a run may use.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int = 1) -> None:
        self.bundle = bundle
        self.spec = bundle.manifest.image
        self.threads = threads
        self.device = choose_device(device)
        self.batch = max(1, min(MAX_BATCH, BATCH_VALUES // math.prod(self.spec.shape)))

    @cached_property
    def _encoder(self) -> ort.InferenceSession:
        return self._open("encoder.onnx", "images", self.spec.shape, "latents", (self.bundle.manifest.latent_size,))

    @cached_property
    def _decoder(self) -> ort.InferenceSession:
        return self._open("decoder.onnx", "latents", (self.bundle.manifest.latent_size,), "images", self.spec.shape)

    def _open(
        self,
        name: str,
        source: str,
        source_shape: tuple[int, ...],
        target: str,
        target_shape: tuple[int, ...],
    ) -> ort.InferenceSession:
        graph = self.bundle.files[name]
        check_graph(graph, (source, source_shape), (target, target_shape), self.batch)
        session = open_session(graph, self.device, self.threads)
        for node, tensor, shape in (
            (session.get_inputs(), source, source_shape),
            (session.get_outputs(), target, target_shape),
        ):
            if [(v.name, v.type, tuple(v.shape[1:])) for v in node] != [(tensor, "tensor(float)", shape)]:
                raise BundleError(f"{name} does not have the {tensor} that its manifest says")
        return session

    def encode(self, images: Images) -> Latents:
        """Return latents (n, k) of images (n, c, h, w) in [0, 1]; raises `InvalidInput`, `BundleError`."""
        return self._run(self._encoder, check_images(images, self.spec.shape), (self.bundle.manifest.latent_size,))

    def decode(self, latents: Latents) -> Images:
        """Return images (n, c, h, w) in [0, 1] of latents (n, k); raises `InvalidInput`, `BundleError`."""
        checked = check_latents(latents, self.bundle.manifest.latent_size)
        images = self._run(self._decoder, checked, self.spec.shape)
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise BundleError("the decoder gave values outside [0, 1]; the bundle is damaged")
        return images

    def reconstruct(self, images: Images) -> Images:
        """Return g(f(x)) for images (n, c, h, w)."""
        return self.decode(self.encode(images))

    def _run(
        self, session: ort.InferenceSession, values: npt.NDArray[np.float32], shape: tuple[int, ...]
    ) -> npt.NDArray[np.float32]:
        """Run by batches; what comes out is finite and of the declared shape, or `BundleError` is raised."""
        name = session.get_inputs()[0].name
        result = np.empty((len(values), *shape), np.float32)
        for start in range(0, len(values), self.batch):
            part = values[start : start + self.batch]
            try:
                (out,) = session.run(None, {name: part})
            except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
                raise BundleError(f"the graph failed to run on {self.device}: {_first_line(error)}") from error
            if out.shape != (len(part), *shape) or not np.isfinite(out).all():
                raise BundleError("the graph gave numbers that are not finite or of another shape; nothing is written")
            result[start : start + self.batch] = out
        return result


def open_session(graph: bytes, device: str, threads: int) -> ort.InferenceSession:
    """Return a session of the graph on `device`, and on no other; raises `BundleError`, `DeviceUnavailable`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = DEVICES[device]
    try:
        session = ort.InferenceSession(
            graph, options, providers=[(wanted.provider, dict(wanted.options))], enable_fallback=0
        )
        session.disable_fallback()
    except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
        kind = BundleError if device == "cpu" else DeviceUnavailable
        raise kind(f"the graph could not be opened on {device}: {_first_line(error)}") from error
    if session.get_providers()[0] != wanted.provider:
        raise DeviceUnavailable(f"{device} was asked for and {session.get_providers()[0]} came; see: aetool devices")
    return session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def choose_device(name: str) -> str:
    """Return the device for auto, cpu or cuda; raises `UsageError`, `DeviceUnavailable`."""
    if name == "auto":
        return "cuda" if not why_not("cuda") else "cpu"
    lookup(DEVICES, name, "device")
    trouble = why_not(name)
    if trouble:
        raise DeviceUnavailable(f"no {name} here: {trouble}; see: aetool devices")
    return name


def why_not(name: str) -> str:
    """Return why a device cannot be used on this machine, or nothing where it can."""
    if DEVICES[name].provider not in ort.get_available_providers():
        if len(runtime_wheels()) > 1:
            return "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files"
        return "this build of ONNX Runtime is without it"
    return _cuda_trouble() if name == "cuda" else ""


def _cuda_trouble() -> str:
    """Return what keeps an installed CUDA build from working: its libraries, or a missing GPU."""
    import ctypes

    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "the NVIDIA driver is not installed (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or not count.value:
        return "the driver finds no GPU"
    return ""


def runtime_wheels() -> dict[str, str]:
    """Return the installed wheels of ONNX Runtime with their versions."""
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def devices() -> list[dict[str, Any]]:
    """Return a row for each device: device, provider, available, and for those that are not, reason and mend."""
    rows = []
    for name, device in DEVICES.items():
        trouble = why_not(name)
        row = {"device": name, "provider": device.provider, "available": not trouble}
        rows.append(row | ({"reason": trouble, "mend": device.mend} if trouble else {}))
    return rows
