"""Devices: the execution providers of the machine, the problems of unusable ones, and sessions on a named device."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np  # noqa: F401  before ONNX Runtime: what its libraries say when they fail is heard

from aetool.choices import device_named, installing
from aetool.errors import BundleError, DeviceUnavailable, lookup
from aetool.system.quiet import quiet_libraries

if TYPE_CHECKING:
    import onnxruntime as ort


@dataclass(frozen=True)
class Device:
    """An execution provider, the command that installs it, its options by threads, and the package of a plug-in."""

    provider: str
    fix: str = ""
    options: Callable[[int], dict[str, str]] = field(default=lambda _threads: {})
    plugin: str | None = None


class Problem(NamedTuple):
    """The reason why a device is unusable, and the fix."""

    reason: str
    fix: str


def _openvino_options(threads: int) -> dict[str, str]:
    """Return options for float32 throughout (the default is bfloat16 on CPUs with bfloat16) and for `threads`."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
    return {"load_config": json.dumps({"CPU": config, "GPU": {"INFERENCE_PRECISION_HINT": "f32"}})}


NUMPY = "numpy"
"""The device without ONNX Runtime: `aetool.runtime.reference`."""
SUFFIX = "ExecutionProvider"
NO_DEVICES = frozenset({"AzureExecutionProvider"})
"""Providers of remote services, not devices of the machine."""

DEVICES: dict[str, Device] = {
    "cpu": Device("CPUExecutionProvider", "pip install onnxruntime"),
    "cuda": Device(
        "CUDAExecutionProvider",
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu[cuda,cudnn]'",
        lambda _threads: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    ),
    "openvino": Device(
        "OpenVINOExecutionProvider",
        installing("openvino"),
        _openvino_options,
        plugin="onnxruntime_ep_openvino",
    ),
    NUMPY: Device("NumPy"),
}


@cache
def onnx_runtime() -> Any:
    """Return the library of ONNX Runtime; raises `DeviceUnavailable` where it is missing or cannot be loaded."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read at import: since 1.29 the wheels send telemetry otherwise
    try:
        with quiet_libraries():  # on some machines it speaks of every card it does not find
            import onnxruntime
        _ = onnxruntime.InferenceSession  # not there where only a folder of that name is left
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise _broken(error) from error
        raise DeviceUnavailable("ONNX Runtime is not installed", fix="no-runtime") from None
    except Exception as error:  # a missing library, another version of NumPy
        raise _broken(error) from error
    return onnxruntime


def _broken(error: Exception) -> DeviceUnavailable:
    return DeviceUnavailable(f"ONNX Runtime is installed and cannot be loaded: {first_line(error)}", fix="bad-runtime")


def _runtime_problem() -> Problem | None:
    """Return the problem of ONNX Runtime itself, None where it can be loaded."""
    try:
        onnx_runtime()
    except DeviceUnavailable as error:
        again = "--force-reinstall " if error.fix == "bad-runtime" else ""
        return Problem(str(error), f"pip install {again}onnxruntime")
    return None


def known_devices() -> dict[str, Device]:
    """Return `DEVICES` and the other providers of the installed ONNX Runtime, by their names in small letters."""
    if _runtime_problem():
        return DEVICES
    ort = onnx_runtime()
    found = [*ort.get_available_providers(), *(device.ep_name for device in ort.get_ep_devices())]
    known = {device.provider for device in DEVICES.values()} | NO_DEVICES
    others = [provider for provider in dict.fromkeys(found) if provider.partition(".")[0] not in known]
    return DEVICES | {name.replace(SUFFIX, "").lower(): Device(name) for name in others}


def choose_device(name: str) -> str:
    """Return the device for a name; auto stands for cuda where usable, else cpu; gpu and cuda:0 are cuda.

    auto never stands for numpy, which is chosen by name. Raises `UsageError`, `DeviceUnavailable`.
    """
    name = device_named(name)
    if name == NUMPY:
        return name
    if name == "auto":
        there = DEVICES["cuda"].provider in onnx_runtime().get_available_providers()
        return "cuda" if there and not _cuda_problem() else "cpu"
    if name != "cpu":
        lookup({"auto": None, **known_devices()}, name, "device")
    onnx_runtime()  # whose absence is told before the lack of a provider
    problem = why_not(name)
    if problem:
        raise DeviceUnavailable(f"no {name} here: {problem.reason}; fix: {problem.fix}")
    return name


def open_session(graph: bytes, device: str, threads: int, record: bool = False) -> ort.InferenceSession:
    """Return a session of the graph on `device`, and on no other; raises `BundleError`, `DeviceUnavailable`.

    `record` keeps where the nodes run, for `placement`.
    """
    options = onnx_runtime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1" if record else "0")
    wanted = known_devices()[device] if device not in DEVICES else DEVICES[device]
    try:
        with quiet_libraries() if device != "cpu" else contextlib.nullcontext():
            session = _open(graph, options, wanted, threads)
        session.disable_fallback()
    except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
        kind = BundleError if device == "cpu" else DeviceUnavailable
        raise kind(f"the graph could not be opened on {device}: {first_line(error)}") from error
    if session.get_providers()[0] != wanted.provider:
        raise DeviceUnavailable(f"{device} was asked for and {session.get_providers()[0]} came", fix="devices")
    return session


def _open(graph: bytes, options: ort.SessionOptions, wanted: Device, threads: int) -> ort.InferenceSession:
    """Open a session; on devices other than the CPU, no node may fall back to the CPU."""
    ort, settings = onnx_runtime(), wanted.options(threads)
    if wanted is not DEVICES["cpu"]:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    units = _plugged(wanted)
    if units:
        options.add_provider_for_devices(units[:1], settings)
        return ort.InferenceSession(graph, options, enable_fallback=0)
    return ort.InferenceSession(graph, options, providers=[(wanted.provider, settings)], enable_fallback=0)


def _plugged(wanted: Device) -> list[Any]:
    """Return the units (processors, cards) of a plug-in device; empty for built-in providers."""
    if wanted.provider in ("CPUExecutionProvider", "CUDAExecutionProvider"):
        return []
    return [unit for unit in onnx_runtime().get_ep_devices() if unit.ep_name == wanted.provider]


def placement(session: ort.InferenceSession) -> dict[str, int]:
    """Return how many nodes run on which provider, of a session opened with `record`."""
    parts = session.get_provider_graph_assignment_info()
    return dict(Counter(part.ep_name for part in parts for _ in part.get_nodes()))


def first_line(error: Exception) -> str:
    """Return the first line of a library's error message, cut to a readable length."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def why_not(name: str) -> Problem | None:
    """Return the problem of a device on this machine, None for a usable device."""
    if name == NUMPY:
        return None
    problem = _runtime_problem()
    if problem:
        return problem._replace(fix=DEVICES[name].fix) if name != "cpu" else problem
    device = known_devices()[name]
    if device.plugin:
        return _plugin_problem(device)
    if device.provider not in onnx_runtime().get_available_providers():
        both = {"onnxruntime", "onnxruntime-gpu"} <= runtime_wheels().keys()
        reason = "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files"
        return Problem(reason if both else "this build of ONNX Runtime is without it", device.fix)
    return _cuda_problem() if name == "cuda" else None


def _plugin_problem(device: Device) -> Problem | None:
    """Return the problem of a plug-in, None for a usable plug-in, which is registered afterwards."""
    package = str(device.plugin).replace("_", "-")
    try:
        if not _plugged(device):
            _register(str(device.plugin), device.provider)
    except ModuleNotFoundError:
        return Problem(f"the package {package} is not installed", device.fix)
    except Exception as error:  # a missing library, another version of ONNX Runtime
        fix = f"pip install --upgrade onnxruntime {package}"
        return Problem(f"its library could not be loaded: {first_line(error)}", fix)
    if _plugged(device):
        return None
    makers = ", ".join(sorted({unit.device.vendor for unit in onnx_runtime().get_ep_devices()}))
    return Problem(f"its plug-in takes no processor of this machine ({makers})", "--device cpu computes the same")


@cache
def _register(plugin: str, provider: str) -> None:
    """Register the library of a plug-in with ONNX Runtime, which accepts it once."""
    from importlib import import_module

    with quiet_libraries():
        onnx_runtime().register_execution_provider_library(provider, import_module(plugin).get_library_path())


def _cuda_problem() -> Problem | None:
    """Return the problem of an installed CUDA build: driver, GPU or libraries; None where all work."""
    try:
        driver = ctypes.CDLL("libcuda.so.1" if os.name != "nt" else "nvcuda.dll")
    except OSError:
        return Problem(
            "the NVIDIA driver is not installed (libcuda.so.1)", "install it, until nvidia-smi lists the GPU"
        )
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or not count.value:
        return Problem("the driver finds no GPU", "nvidia-smi must list one; containers need --gpus all")
    with contextlib.redirect_stdout(io.StringIO()), quiet_libraries():  # it prints what it does not find
        onnx_runtime().preload_dlls()
    major = str(onnx_runtime().cuda_version).partition(".")[0]
    for library in (f"libcudart.so.{major}", f"libcublas.so.{major}", "libcudnn.so.9") if os.name != "nt" else ():
        try:
            ctypes.CDLL(library)
        except OSError:
            return Problem(f"{library} was not found", "pip install 'onnxruntime-gpu[cuda,cudnn]'")
    return None


def runtime_wheels() -> dict[str, str]:
    """Return the installed wheels of ONNX Runtime and its plug-ins with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-openvino"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def devices() -> list[dict[str, Any]]:
    """Return a row for each device: device, provider, available, and for unavailable devices reason and fix."""
    rows = []
    for name, device in known_devices().items():
        problem = why_not(name)
        row = {"device": name, "provider": device.provider, "available": problem is None}
        rows.append(row | (problem._asdict() if problem else {}))
    return rows
