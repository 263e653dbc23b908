"""What the programs that train share: MNIST as an .npz file, a clock that stands still for looks at the test images."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

EVERY, CLOSE = 100, 10
"""Steps between two looks at the test images, and those from where the target is within a quarter."""


def mnist(path: str, part: str) -> torch.Tensor:
    """Return the images as uint8 (n, 1, 28, 28) of part train or test."""
    return torch.from_numpy(np.load(path)[part])


def until(steps: Iterator[object], look: Callable[[], float], target: float, limit: float) -> None:
    """Train until a look finds at most `target`, or for `limit` seconds; print how long that took, as JSON lines."""
    taken, at = 0.0, EVERY
    for done in itertools.count(1):
        begun = time.perf_counter()
        next(steps)
        taken += time.perf_counter() - begun
        if done == at:
            mse = look()
            print(json.dumps({"steps": done, "seconds": round(taken, 3), "test_mse": round(mse, 6)}), flush=True)
            if mse <= target or taken > limit:
                return
            at += EVERY if mse > 1.25 * target else CLOSE


def adam(
    network: torch.nn.Module, loss_of: Callable[[torch.Tensor], torch.Tensor], epochs: Iterable[Iterable[torch.Tensor]]
) -> Iterator[None]:
    """Take steps of Adam at 1e-3."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for epoch in epochs:
        for batch in epoch:
            optimizer.zero_grad()
            loss_of(batch).backward()
            optimizer.step()
            yield


def test_mse(
    network: torch.nn.Module, reconstruct: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> float:
    """Return the mean squared error a pixel over test images (n, 1, 28, 28) in [0, 1]."""
    network.eval()
    with torch.inference_mode():
        parts = [(reconstruct(part) - part).square().sum() for part in images.split(500)]
    network.train()
    return float(sum(parts) / images.numel())
