"""What the two training peers share: MNIST as an .npz file, Adam at 1e-3, a clock that stands still for the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch

EVERY, CLOSE = 100, 10
"""Steps between two looks at the test images, and those from where the target is within a tenth."""


def mnist(path: str, part: str) -> torch.Tensor:
    """Return the images as uint8 (n, 1, 28, 28) of part train or test."""
    return torch.from_numpy(np.load(path)[part])


def test_mse(reconstruct: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> float:
    """Return the mean squared error a pixel over test images (n, 1, 28, 28) in [0, 1]."""
    with torch.inference_mode():
        parts = [(reconstruct(part) - part).square().sum() for part in images.split(500)]
    return float(sum(parts) / images.numel())


def train(
    network: torch.nn.Module,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    reconstruct: Callable[[torch.Tensor], torch.Tensor],
    epochs: Callable[[], Iterable[torch.Tensor]],
    test: torch.Tensor,
    target: float,
    limit: float,
) -> None:
    """Train until the test mse is at most `target`, or for `limit` seconds; print how long that took, as JSON lines."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    taken, steps, look = 0.0, 0, EVERY
    begun = time.perf_counter()
    while True:
        for batch in epochs():
            network.train()
            optimizer.zero_grad()
            loss_of(batch).backward()
            optimizer.step()
            steps += 1
            if steps == look:
                taken += time.perf_counter() - begun
                network.eval()
                mse = test_mse(reconstruct, test)
                print(json.dumps({"steps": steps, "seconds": round(taken, 2), "test_mse": round(mse, 6)}), flush=True)
                if mse <= target or taken > limit:
                    return
                look += EVERY if mse > 1.1 * target else CLOSE
                begun = time.perf_counter()
