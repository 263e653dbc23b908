"""Variants of the network on colour photos of 64 and 128 pixels a side, all with the same number of steps.

python benchmarks/variants_colour.py 64 12    at 64 pixels, 12 epochs each
python benchmarks/variants_colour.py 128 8    at 128 pixels

AETOOL_DATA is a folder with sign_digits/. Appends to results/variants_colour.jsonl and writes the table of README.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import documents
import torch
from torch import nn

from aetool.training.architectures.options import ArchitectureConfig, BlendConfig, ConvConfig, ResidualConfig
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions
from aetool.training.loop import Trainer

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results/variants_colour.jsonl"
VARIANTS: dict[str, tuple[str, ArchitectureConfig]] = {
    "blend, the default": ("blend", BlendConfig()),
    "half as wide": ("blend", BlendConfig((16, 32, 64))),
    "wide outside only": ("blend", BlendConfig((48, 64, 128))),
    "narrow outside": ("blend", BlendConfig((16, 64, 128))),
    "wide inside": ("blend", BlendConfig((32, 64, 256))),
    "no inner convolution": ("blend", BlendConfig(depth=0)),
    "two inner convolutions": ("blend", BlendConfig(depth=2)),
    "hidden layer of 256": ("blend", BlendConfig(depth=0, hidden=256)),
    "conv": ("conv", ConvConfig()),
    "residual": ("residual", ResidualConfig()),
}
SMALL = ("blend, the default", "narrow outside", "wide inside", "hidden layer of 256", "conv")
"""The variants that are tried at 128 pixels."""


def products(network: nn.Module, images: torch.Tensor) -> int:
    """Return the multiplications of an encoding and a decoding of one image, in convolutions and linear layers."""
    found = 0

    def count(layer: Any, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal found
        places = given[0] if isinstance(layer, nn.ConvTranspose2d) else out
        found += layer.weight.numel() * (places[0, 0].numel() if places.ndim == 4 else 1)

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.inference_mode():
        network.eval()(images)
    for hook in hooks:
        hook.remove()
    return found


def measure(name: str, size: int, epochs: int) -> dict[str, Any]:
    """Return the row of a variant."""
    architecture, options = VARIANTS[name]
    config = TrainConfig(
        dataset=str(Path(os.environ["AETOOL_DATA"], "sign_digits").resolve()), size=(size, size), latent_size=32,
        architecture=architecture, options=options, epochs=epochs, batch_size=64, lr=0.01, shift=size // 16,
        precision="bfloat16", patience=0, device="cpu",
    )  # fmt: skip
    data = load(config.dataset, 0, options=FolderOptions(size=config.size), choosing=True)
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(config, data, Path(place))
        for _ in trainer.reports():
            pass
    log = trainer.progress.history
    row = {"name": name, "size": size, "steps": trainer.steps, "architecture": architecture, "options": asdict(options)}
    figures = {key: round(log[-1][key], 6) for key in ("train_mse", "test_mse", "pca_mse")}
    work = products(trainer.network, torch.zeros(1, *data.spec.shape))
    return row | figures | {"products": work}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of the results, by size and test mse."""
    lines = [
        "| pixels | variant | steps | million multiplications | test mse | over PCA |",
        "|--:|---" + "|--:" * 4 + "|",
    ]
    for r in sorted(rows, key=lambda r: (r["size"], r["test_mse"])):
        cells = [r["size"], r["name"], r["steps"], f"{r['products'] / 1e6:.1f}", f"{r['test_mse']:.5f}",
                 f"{r['test_mse'] / r['pca_mse']:.3f}"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    size, epochs = int(sys.argv[1]), int(sys.argv[2])
    for name in VARIANTS if size <= 64 else SMALL:
        row = measure(name, size, epochs)
        print(json.dumps(row), flush=True)
        with RESULTS.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    documents.replace(HERE / "README.md", "variants_colour", table(rows))


if __name__ == "__main__":
    main()
