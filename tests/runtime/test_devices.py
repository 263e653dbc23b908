"""Devices: what there is, why not the rest, and promises that are kept on the live session."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec

import numpy as np
import onnxruntime
import pytest

from aetool import Bundle, Codec
from aetool.arrays import to_pixels
from aetool.bundle.lookup import shipped_path
from aetool.errors import BundleError, DeviceUnavailable, UsageError
from aetool.runtime import codec as codec_module
from aetool.runtime import devices
from aetool.runtime.codec import _padded
from aetool.runtime.devices import DEVICES, choose_device, known_devices, open_session, placement, why_not
from tests.toy import toy_graphs, toy_latents, toy_pixels

openvino = pytest.mark.skipif(why_not("openvino") is not None, reason=f"no openvino here: {why_not('openvino')}")
plugin = pytest.mark.skipif(not find_spec("onnxruntime_ep_openvino"), reason="OpenVINO's plug-in is not installed")
FAR = 1e-5
"""How far float32 on OpenVINO may be from the CPU: images in [0, 1], latents in units of their spread."""


def test_every_device_is_there_or_says_why_not():
    rows = {row["device"]: row for row in devices.devices()}
    assert set(DEVICES) <= set(rows) and rows["cpu"]["available"]
    for row in rows.values():
        assert row["available"] or (row["reason"] and row["fix"])


def test_a_name_is_a_promise():
    assert choose_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="tpu"):
        choose_device("tpu")
    for name in known_devices():
        if why_not(name):
            with pytest.raises(DeviceUnavailable, match=f"no {name} here: .*; fix: .+"):
                choose_device(name)


@pytest.mark.skipif(not why_not("cuda"), reason="there is a GPU here")
def test_auto_is_the_cpu_where_there_is_no_gpu():
    assert choose_device("auto") == "cpu"


def test_wheels_that_overwrite_each_other_are_told(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(devices, "runtime_wheels", lambda: {"onnxruntime": "1", "onnxruntime-gpu": "1"})
    assert "overwrite each other" in why_not("cuda").reason
    monkeypatch.setattr(devices, "runtime_wheels", lambda: {"onnxruntime": "1"})
    assert why_not("cuda").reason == "this build of ONNX Runtime is without it"


def test_a_missing_driver_is_told(monkeypatch):
    def missing(name, *mode):
        raise OSError(name)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(devices.ctypes, "CDLL", missing)
    assert "driver" in why_not("cuda").reason and "nvidia-smi" in why_not("cuda").fix
    assert choose_device("auto") == "cpu"


def test_other_providers_are_devices_by_their_own_names(monkeypatch):
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CoreMLExecutionProvider", "AzureExecutionProvider"]
    )
    assert set(known_devices()) == {*DEVICES, "coreml"}
    assert not why_not("coreml")


def test_a_missing_plugin_is_told(monkeypatch):
    monkeypatch.setitem(DEVICES, "other", devices.Device("NoneSuch", "pip install it", plugin="none_such_plugin"))
    assert why_not("other") == ("the package none-such-plugin is not installed", "pip install it")


@plugin
def test_a_plugin_that_takes_no_processor_is_told(monkeypatch):
    """As OpenVINO's, which takes none but Intel's."""
    every = onnxruntime.get_ep_devices
    monkeypatch.setattr(
        onnxruntime, "get_ep_devices", lambda: [one for one in every() if one.ep_name == DEVICES["cpu"].provider]
    )
    for _ in range(2):
        assert "takes no processor of this machine" in why_not("openvino").reason
        assert why_not("openvino").fix == "--device cpu computes the same"


@plugin
def test_a_plugin_that_cannot_be_loaded_is_told(monkeypatch, tmp_path):
    import onnxruntime_ep_openvino

    monkeypatch.setitem(
        DEVICES, "openvino", devices.Device("Broken", "pip install it", plugin="onnxruntime_ep_openvino")
    )
    monkeypatch.setattr(onnxruntime_ep_openvino, "get_library_path", lambda: str(tmp_path / "none.so"))
    assert "could not be loaded" in why_not("openvino").reason and "onnxruntime-ep-openvino" in why_not("openvino").fix


def test_the_cpu_runs_every_node():
    graph = toy_graphs()["decoder.onnx"]
    assert placement(open_session(graph, "cpu", 1, record=True)) == {"CPUExecutionProvider": 3}
    with pytest.raises(BundleError, match="could not be opened on cpu"):
        open_session(b"no graph", "cpu", 1)


def test_a_device_that_was_not_named_may_fail(toy, monkeypatch):
    """auto takes a GPU that then cannot be used: the CPU does it. cuda, by name, is refused."""

    def refuse(graph, device, threads, record=False):
        if device != "cpu":
            raise DeviceUnavailable("no")
        return open_session(graph, device, threads, record)

    monkeypatch.setattr(codec_module, "choose_device", lambda name: "cuda")
    monkeypatch.setattr(codec_module, "open_session", refuse)
    codec = Codec(Bundle.read(toy), "auto")
    assert codec.decode(toy_latents()).shape == (12, 1, 8, 8) and codec.device == "cpu"
    with pytest.raises(DeviceUnavailable):
        Codec(Bundle.read(toy), "cuda").decode(toy_latents())


def test_batches_elsewhere_than_on_the_cpu_have_few_sizes():
    sizes = {len(_padded(np.ones((n, 2), np.float32), 200)) for n in range(1, 201)}
    assert sizes == {1, 2, 4, 8, 16, 32, 64, 128, 200}
    assert _padded(np.ones((3, 2), np.float32), 200).tolist() == [[1, 1]] * 3 + [[0, 0]]


@openvino
def test_openvino_computes_the_toy(toy):
    codec = Codec(Bundle.read(toy), "openvino")
    assert np.array_equal(to_pixels(codec.decode(toy_latents())), toy_pixels(toy_latents()))
    assert codec.placement() == {
        "encoder": {"OpenVINOExecutionProvider": 2}, "decoder": {"OpenVINOExecutionProvider": 3}
    }  # fmt: skip


@openvino
@pytest.mark.parametrize("name", ["mnist"])
def test_openvino_agrees_with_the_cpu(name):
    bundle = Bundle.read(shipped_path(name))
    here, there = Codec(bundle, "cpu"), Codec(bundle, "openvino")
    latents = bundle.bank().latents[:70]
    images = here.decode(latents)
    assert abs(there.decode(latents) - images).max() < FAR
    spread = np.sqrt(bundle.bank().covariance(None).diagonal().mean())
    assert abs(there.encode(images) - here.encode(images)).max() < FAR * spread
    assert all(set(part) == {"OpenVINOExecutionProvider"} for part in there.placement().values())


@openvino
def test_commands_keep_the_promise(aetool):
    done = aetool("verify", "mnist", "--device", "openvino", "--json")
    assert done.returncode == 0, done.stderr
    proof = json.loads(done.stdout)
    assert proof["device"] == "openvino" and set(proof["nodes"]["decoder"]) == {"OpenVINOExecutionProvider"}
    done = aetool("sample", "-m", "mnist", "--device", "openvino", "--seed", "1", "--no-metadata")
    again = aetool("sample", "-m", "mnist", "--device", "cpu", "--seed", "1", "--no-metadata")
    assert done.returncode == 0 and len(done.stdout) > 1000 and not done.stderr
    assert abs(len(done.stdout) - len(again.stdout)) < 200


def test_the_table_says_what_to_type(aetool):
    done = aetool("devices")
    assert re.search(rb"^cpu +yes$", done.stdout, re.M)
    if why_not("cuda"):
        assert "; ".join(why_not("cuda")).encode() in done.stdout
