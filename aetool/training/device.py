"""The device of a training."""

from __future__ import annotations

import torch

from aetool.errors import DeviceUnavailable


def torch_device(name: str) -> torch.device:
    """Return the device called auto, cpu, cuda or mps; raises `DeviceUnavailable`. Only a named mps is used."""
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("torch finds no CUDA device here", fix="no-device")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceUnavailable("torch finds no MPS device here, which Apple's own processors have", fix="no-device")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
