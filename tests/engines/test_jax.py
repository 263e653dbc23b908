"""JAX, by an interpreter of our own for the operators of exported graphs, on the CPU."""

from __future__ import annotations

from typing import Any

from tests.engines.engine import Arrays, Engine, apart, package


def operators() -> dict[str, Any]:
    """Return the operators as functions of JAX, with inputs and attributes as ONNX has them."""
    import jax
    import jax.numpy as jnp

    def conv(x, weights, bias=0.0, *, strides, pads, between=(1, 1), **_):
        pairs, names = list(zip(pads[:2], pads[2:], strict=True)), ("NCHW", "OIHW", "NCHW")
        found = jax.lax.conv_general_dilated(x, weights, strides, pairs, between, None, names)
        return found + jnp.reshape(bias, (-1, 1, 1))

    def transposed(x, weights, bias=0.0, *, strides, pads, **_):
        pads = [weights.shape[2 + axis % 2] - 1 - pad for axis, pad in enumerate(pads)]
        turned = jnp.flip(weights, (2, 3)).swapaxes(0, 1)
        return conv(x, turned, bias, strides=(1, 1), pads=pads, between=strides)

    def gemm(x, weights, bias, *, transB=0, **_):
        return x @ (weights.T if transB else weights) + bias

    def reshape(x, shape, **_):
        return x.reshape([int(size) for size in shape])

    plain = {"Relu": jax.nn.relu, "Sigmoid": jax.nn.sigmoid, "Add": jnp.add, "Mul": jnp.multiply, "Clip": jnp.clip}
    return plain | {"Conv": conv, "ConvTranspose": transposed, "Gemm": gemm, "Reshape": reshape}


def run(graph: str, batches: Arrays) -> Arrays:
    import jax
    import onnx

    jax.config.update("jax_platforms", "cpu")
    described = onnx.load(graph).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in described.initializer}
    known = operators()

    @jax.jit
    def forward(batch):
        values = constants | {described.input[0].name: batch}
        for node in described.node:
            attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            values[node.output[0]] = known[node.op_type](*(values[name] for name in node.input), **attributes)
        return values[described.output[0].name]

    return [jax.device_get(forward(batch)) for batch in batches]


ENGINE = Engine("JAX", "Python, operators of ours", package("jax"), apart(__name__))


def test_jax_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
