"""The MNIST autoencoder of pythae 0.1.2 (its own networks and loss; batch 100, Adam 1e-3, k = 16), to a test mse.

pip install pythae==0.1.2, in an environment of its own
python train_pythae.py MNIST.npz [TARGET [THREADS [SECONDS]]]
"""

from __future__ import annotations

import sys

import torch
from pythae.data.datasets import DatasetOutput
from pythae.models import AE, AEConfig
from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_AE_MNIST
from train_loop import mnist, train

file, target, threads, limit = [*sys.argv[1:], *["0.0170", "2", "1200"][len(sys.argv) - 2 :]]
torch.set_num_threads(int(threads))
torch.manual_seed(0)
config = AEConfig(input_dim=(1, 28, 28), latent_dim=16)
network = AE(config, encoder=Encoder_Conv_AE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))
images = mnist(file, "train") / 255.0


def epochs():
    return (images[rows] for rows in torch.randperm(len(images)).split(100))


train(
    network,
    lambda batch: network(DatasetOutput(data=batch)).loss,
    lambda batch: network(DatasetOutput(data=batch)).recon_x,
    epochs,
    mnist(file, "test") / 255.0,
    float(target),
    float(limit),
)
