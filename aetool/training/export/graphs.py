"""Torch networks to ONNX graphs: BatchNorm folded, no trace of the machine, same weights to same bytes."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from aetool.bundle.gate import properties
from aetool.errors import BundleError
from aetool.training.architectures import blend

OPSET = 20


def to_onnx(network: nn.Module, example: Tensor, source: str, target: str) -> bytes:
    """Return `network` as one self-contained graph from tensor `source` to `target`, with a dynamic first axis n."""
    with _quiet():
        program = torch.onnx.export(
            folded(network),
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[source],
            output_names=[target],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
        )
    assert program is not None
    model = program.model_proto
    _anonymise(model)
    _describe(model)
    left = {node.op_type for node in model.graph.node} & {"BatchNormalization"}
    if left:
        raise BundleError("a BatchNorm could not be folded: it must stand behind a convolution or linear layer")
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _anonymise(model: Any) -> None:
    """Drop the exporter's notes about source files, and name the producer."""
    del model.metadata_props[:]
    model.doc_string = ""
    model.producer_name, model.producer_version = "aetool", ""
    graph = model.graph
    graph.doc_string = ""
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""


def _describe(model: Any) -> None:
    """Say range and channel order of the images inside the graph, as the gate allows."""
    for value in (*model.graph.input, *model.graph.output):
        if value.name == "images":
            sizes = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])
            for key, text in properties(sizes).items():
                model.metadata_props.add(key=key, value=text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's prints and warnings off both streams."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def folded(network: nn.Module) -> nn.Module:
    """Return a copy in eval mode, with every BatchNorm folded into the layer before, and what else can be folded."""
    network = copy.deepcopy(network).eval()
    if isinstance(network, blend.Decoder):
        network = network.folded()
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    return network


def _fold_sequence(layers: nn.Sequential) -> None:
    for (before, _), (name, layer) in pairwise(list(layers.named_children())):
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(layers, before, _fuse(getattr(layers, before), layer))
            setattr(layers, name, nn.Identity())


def _fuse(layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
    raise BundleError(f"BatchNorm behind {type(layer).__name__} cannot be folded")


def layer_table(part: str, network: nn.Module, example: Tensor) -> list[dict[str, Any]]:
    """Return a row for each layer with weights, in the order of the data, with its sizes for a single image."""
    rows: list[dict[str, Any]] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        row = {"part": part, "layer": type(layer).__name__, "input": list(given[0].shape[1:]),
               "output": list(out.shape[1:]), "parameters": sum(p.numel() for p in layer.parameters())}  # fmt: skip
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            row |= {key: list(getattr(layer, key + "_size" * (key == "kernel"))) for key in ("kernel", "stride")}
            row["padding"] = [int(side) for side in layer.padding]
        rows.append(row)

    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    with torch.inference_mode():
        network(example)
    for hook in hooks:
        hook.remove()
    return rows
