"""The loop of the tutorials with the network of aetool: a transform for each image in a Dataset, DataLoader, batch 128.

python train_tutorial.py MNIST.npz TARGET THREADS SECONDS
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from train_loop import adam, mnist, test_mse, until

from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ARCHITECTURES

file, target, threads, limit = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
network = build("conv", ARCHITECTURES["conv"], (1, 28, 28), 16)


class Digits(Dataset):
    """As torchvision's MNIST with ToTensor: each image through Pillow to a tensor in [0, 1]."""

    def __init__(self) -> None:
        self.images = mnist(file, "train")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> torch.Tensor:
        image = Image.fromarray(self.images[i, 0].numpy())
        return torch.from_numpy(np.array(image, np.uint8)[None]).to(torch.float32).div(255)


test = mnist(file, "test") / 255.0
until(
    adam(
        network,
        lambda batch: torch.nn.functional.mse_loss(network(batch), batch),
        itertools.repeat(DataLoader(Digits(), batch_size=128, shuffle=True)),
    ),
    lambda: test_mse(network, network, test),
    float(target),
    float(limit),
)
