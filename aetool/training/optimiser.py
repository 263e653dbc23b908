"""Optimisers: AdamW, and Muon for the weights inside the network of an architecture that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aetool.arrays import OneLine
from aetool.training import checkpoint
from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.config import LEARNING_RATE, TrainConfig

MOMENTUM = 0.95
ORTHOGONAL = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that moves all singular values of a matrix towards 1."""
ITERATIONS = 5
MUON_RATE = 4.0
"""The learning rate of Muon in units of that of AdamW: its steps have the same size in every direction."""


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made orthogonal: of a weight as a matrix, its first axis by all others.

    Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: Tensor, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change the weights by their gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                state, gradient = self.state[weight], weight.grad
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                momentum.lerp_(gradient, 1 - MOMENTUM)
                matrix = gradient.lerp(momentum, MOMENTUM).reshape(len(weight), -1)
                change = orthogonal(matrix) * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.addcmul_(change.view_as(weight), group["lr"], value=-1)
        return closure() if closure else None


def orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors and all singular values near 1."""
    a, b, c = ORTHOGONAL
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    out: Tensor = x.T if tall else x
    return out


@dataclass(frozen=True, eq=False, repr=False)
class Optimisers(OneLine):
    """The optimisers of a network, with the names of the parameters of each."""

    parts: tuple[tuple[torch.optim.Optimizer, list[str]], ...]

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, in place: a recorded step reads it where it lies."""
        for optimiser, _ in self.parts:
            for group in optimiser.param_groups:
                group["lr"].fill_(rate * group["rate"])

    def step(self) -> None:
        """Change the parameters by their gradients, and forget the gradients."""
        for optimiser, _ in self.parts:
            optimiser.step()
        self.forget()

    def forget(self) -> None:
        """Forget the gradients."""
        for optimiser, _ in self.parts:
            optimiser.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of all optimisers, for a checkpoint."""
        parts = (checkpoint.optimiser_tensors(optimiser, names) for optimiser, names in self.parts)
        return {name: tensor for part in parts for name, tensor in part.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state of all optimisers from the tensors of a checkpoint."""
        for optimiser, names in self.parts:
            checkpoint.restore_optimiser(optimiser, names, tensors)


def make_optimisers(network: Autoencoder, config: TrainConfig, device: torch.device) -> Optimisers:
    """Return the optimisers of a network on a device."""
    rates, matrices = network.rates(), network.matrices()
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    groups: dict[float, dict[str, Tensor]] = {}
    for name, parameter in parameters.items():
        if name not in matrices:
            groups.setdefault(rates.get(name, 1.0), {})[name] = parameter
    settings: dict[str, Any] = {"weight_decay": config.weight_decay}
    lists = [{"params": list(group.values()), "rate": rate, "lr": _rate(device)} for rate, group in groups.items()]
    adam = torch.optim.AdamW(lists, **settings, fused=True, capturable=device.type == "cuda")
    parts: list[tuple[torch.optim.Optimizer, list[str]]] = [(adam, [name for g in groups.values() for name in g])]
    if matrices:
        muon = Muon([parameters[name] for name in matrices], lr=_rate(device), **settings)
        muon.param_groups[0]["rate"] = MUON_RATE
        parts.append((muon, matrices))
    return Optimisers(tuple(parts))


def _rate(device: torch.device) -> Tensor:
    """Return a learning rate of its own, which `Optimisers.set_rate` sets."""
    return torch.tensor(LEARNING_RATE, device=device)
