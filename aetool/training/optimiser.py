"""The optimiser: AdamW with a learning rate for each group of parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from aetool.training.architectures.autoencoder import Autoencoder
from aetool.training.config import LEARNING_RATE, TrainConfig


def make_optimiser(network: Autoencoder, config: TrainConfig) -> tuple[torch.optim.Optimizer, list[str]]:
    """Return the optimiser of a network, and the names of its parameters in the order of the optimiser."""
    rates = network.rates()
    groups: dict[float, dict[str, Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(rates.get(name, 1.0), {})[name] = parameter
    optimiser = torch.optim.AdamW(
        [{"params": list(group.values()), "rate": rate} for rate, group in groups.items()],
        lr=config.lr or LEARNING_RATE, weight_decay=config.weight_decay, fused=True,
    )  # fmt: skip
    return optimiser, [name for group in groups.values() for name in group]
