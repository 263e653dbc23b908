"""The MNIST autoencoder of pythae 0.1.2 (its own networks and loss; batch 100, Adam 1e-3, k = 16), to a test mse.

pip install pythae==0.1.2
python train_pythae.py MNIST.npz TARGET THREADS SECONDS
"""

from __future__ import annotations

import itertools
import sys

import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import AE, AEConfig
from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_AE_MNIST
from train_loop import adam, mnist, test_mse, until

file, target, threads, limit = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
config = AEConfig(input_dim=(1, 28, 28), latent_dim=16)
network = AE(config, encoder=Encoder_Conv_AE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))
images, test = (mnist(file, part) / 255.0 for part in ("train", "test"))
epochs = ((images[rows] for rows in torch.randperm(len(images)).split(100)) for _ in itertools.count())
until(
    adam(network, lambda batch: network(DatasetOutput(data=batch)).loss, epochs),
    lambda: test_mse(network, lambda batch: network(DatasetOutput(data=batch)).recon_x, test),
    float(target),
    float(limit),
)
