"""The zoo's graphs of flax, through jax2onnx: `python -m tests.zoo.make_flax FOLDER`.

Needs `pip install jax flax jax2onnx optax` in an environment of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import onnx
import optax
from flax import nnx
from jax2onnx import to_onnx

from tests.zoo.pictures import rectangles


class Encoder(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a = nnx.Conv(1, 8, (3, 3), strides=2, rngs=rngs)
        self.b = nnx.Conv(8, 8, (3, 3), strides=2, rngs=rngs)
        self.c = nnx.Linear(8 * 25, 8, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.b(nnx.relu(self.a(x))))
        return self.c(x.reshape(x.shape[0], -1))


class Decoder(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a = nnx.Linear(8, 8 * 25, rngs=rngs)
        self.b = nnx.ConvTranspose(8, 8, (3, 3), strides=2, rngs=rngs)
        self.c = nnx.ConvTranspose(8, 1, (3, 3), strides=2, rngs=rngs)

    def __call__(self, z: jax.Array) -> jax.Array:
        x = nnx.tanh(self.a(z)).reshape(z.shape[0], 5, 5, 8)
        return nnx.sigmoid(self.c(nnx.leaky_relu(self.b(x))))


def main(folder: Path) -> None:
    """Write the graphs."""
    encoder, decoder = Encoder(nnx.Rngs(0)), Decoder(nnx.Rngs(1))
    images = jnp.asarray(rectangles(2000, 1, 20, 20).transpose(0, 2, 3, 1) / 255, jnp.float32)
    pair = nnx.List([encoder, decoder])
    optimiser = nnx.Optimizer(pair, optax.adam(3e-3), wrt=nnx.Param)

    @nnx.jit
    def step(pair, optimiser, batch):
        gradients = nnx.grad(lambda pair: jnp.square(pair[1](pair[0](batch)) - batch).mean())(pair)
        optimiser.update(pair, gradients)

    for i in range(400):
        step(pair, optimiser, images[jax.random.randint(jax.random.key(i), (64,), 0, len(images))])
    place = folder / "flax-conv"
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(encoder, [("B", 20, 20, 1)]), place / "encoder.onnx")
    onnx.save(to_onnx(decoder, [("B", 8)]), place / "decoder.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
