"""The zoo's graphs of PyTorch: `python -m tests.zoo.make_torch FOLDER [NAME…]`.

Each model is written as users of PyTorch write theirs, trained for seconds on `rectangles`, and exported by the
exporter that its name ends with: `old` (TorchScript, dynamo=False) or `dynamo`.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnx
import torch
from torch import Tensor, nn

from tests.zoo.pictures import rectangles


class View(nn.Module):
    """A view as tutorials write it: with the batch of the example inside, where the exporter freezes it."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), *self.shape)


class Member(NamedTuple):
    """A pair of networks, the shape of its images, and what makes its input of images in [0, 1]."""

    encoder: nn.Module
    decoder: nn.Module
    shape: tuple[int, int, int]
    prepare: Callable[[Tensor], Tensor] = lambda x: x


def conv() -> Member:
    """Strides, a linear latent, output_padding, a sigmoid."""
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(),
                            nn.Linear(8 * 49, 8))  # fmt: skip
    decoder = nn.Sequential(nn.Linear(8, 8 * 49), nn.ReLU(), nn.Unflatten(1, (8, 7, 7)),
                            nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1), nn.ReLU(),
                            nn.ConvTranspose2d(8, 1, 3, 2, 1, output_padding=1), nn.Sigmoid())  # fmt: skip
    return Member(encoder, decoder, (1, 28, 28))


def leaky() -> Member:
    """BatchNorm and LeakyReLU, colour, tanh and images from -1 to 1."""
    encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
                            nn.Conv2d(8, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), View(-1),
                            nn.Linear(8 * 16, 8))  # fmt: skip
    decoder = nn.Sequential(nn.Linear(8, 8 * 16), nn.BatchNorm1d(8 * 16), nn.LeakyReLU(0.2), View(8, 4, 4),
                            nn.ConvTranspose2d(8, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
                            nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())  # fmt: skip
    return Member(encoder, decoder, (3, 16, 16), lambda x: x * 2 - 1)


def dense() -> Member:
    """Linear layers on flat images."""
    encoder = nn.Sequential(nn.Linear(144, 32), nn.ReLU(True), nn.Linear(32, 6))
    decoder = nn.Sequential(nn.Linear(6, 32), nn.ReLU(True), nn.Linear(32, 144), nn.Sigmoid())
    return Member(encoder, decoder, (1, 12, 12), lambda x: x.flatten(1))


def pooled() -> Member:
    """MaxPool and Upsample, BatchNorm behind an activation, and no activation at the end."""
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2),
                            nn.Conv2d(8, 8, 3, padding=1), nn.ELU(), nn.AvgPool2d(2), nn.Flatten(),
                            nn.Linear(8 * 16, 8))  # fmt: skip
    decoder = nn.Sequential(nn.Linear(8, 8 * 16), nn.SELU(), nn.Unflatten(1, (8, 4, 4)), nn.Upsample(scale_factor=2),
                            nn.Conv2d(8, 8, 3, padding=1), nn.Hardswish(), nn.BatchNorm2d(8),
                            nn.Upsample(scale_factor=2), nn.Conv2d(8, 1, 3, padding=1))  # fmt: skip
    return Member(encoder, decoder, (1, 16, 16))


def odd() -> Member:
    """Odd sides that differ, colour, and the normalisation by mean and standard deviation of three channels."""
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.PReLU(8), nn.Conv2d(8, 8, 5, 2, 2, groups=2), nn.ReLU6(),
                            nn.Flatten(), nn.Linear(8 * 20, 8))  # fmt: skip
    decoder = nn.Sequential(nn.Linear(8, 8 * 20), nn.PReLU(), nn.Unflatten(1, (8, 4, 5)),
                            nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=(0, 1)), nn.SiLU(),
                            nn.ConvTranspose2d(8, 3, 3, 2, 1, output_padding=(1, 0)))  # fmt: skip
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return Member(encoder, decoder, (3, 14, 19), lambda x: (x - mean) / std)


def columns() -> Member:
    """Convolutions down to (n, k, 1, 1) and back, as DCGAN has them, and a cropped end without an activation."""

    class Crop(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :, 1:-1, :14]

    encoder = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2, True), nn.ZeroPad2d((0, 1, 0, 1)),
                            nn.Conv2d(8, 8, 4, 2, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(8, 8, 4))  # fmt: skip
    decoder = nn.Sequential(nn.ConvTranspose2d(8, 8, 4), nn.Tanh(), nn.ConvTranspose2d(8, 8, 4, 2, 1),
                            nn.Tanh(), nn.ConvTranspose2d(8, 1, 4, 2, 1), Crop())  # fmt: skip
    return Member(encoder, decoder, (1, 14, 14))


def gelu() -> Member:
    """GELU and tanh, as tutorials on colour images have them."""
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 8, 3, padding=1), nn.GELU(),
                            nn.Conv2d(8, 8, 3, 2, 1), nn.GELU(), nn.Flatten(), nn.Linear(8 * 16, 8))  # fmt: skip
    decoder = nn.Sequential(nn.Linear(8, 8 * 16), nn.GELU(), nn.Unflatten(1, (8, 4, 4)),
                            nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1), nn.GELU(),
                            nn.ConvTranspose2d(8, 3, 3, 2, 1, output_padding=1), nn.Tanh())  # fmt: skip
    return Member(encoder, decoder, (3, 16, 16), lambda x: x * 2 - 1)


MEMBERS = {"conv": conv, "leaky": leaky, "dense": dense, "pooled": pooled, "odd": odd, "columns": columns,
           "gelu": gelu}  # fmt: skip


def trained(member: Member, steps: int = 800) -> Member:
    """Return the pair after a short training, in eval mode."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = member.prepare(torch.from_numpy(rectangles(2000, *member.shape)).float() / 255)
    network = nn.Sequential(member.encoder, member.decoder)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        batch = images[torch.randint(len(images), (64,))]
        loss = (network(batch) - batch).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    return member


def export(member: Member, exporter: str, folder: Path) -> None:
    """Write encoder.onnx and decoder.onnx as a user does: without a dynamic batch, unless the exporter says so."""
    example = member.prepare(torch.zeros(1, *member.shape))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        for name, network, given in (("encoder", member.encoder, example), ("decoder", member.decoder, None)):
            given = member.encoder(example) if given is None else given
            options = {
                "old": {"dynamo": False},
                "aged": {"dynamo": False, "opset_version": 13},
                "free": {"dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}},
                "dynamo": {"dynamo": True, "external_data": False},
                "open": {"dynamo": True, "external_data": False, "dynamic_shapes": ({0: torch.export.Dim("b")},)},
            }[exporter]
            if exporter == "open":
                given = torch.cat([given, given])
            torch.onnx.export(network, (given,), str(folder / f"{name}.onnx"), verbose=False, **options)
            _anonymise(folder / f"{name}.onnx")


def _anonymise(path: Path) -> None:
    """Drop the notes on source files that the exporters write, which say where this repository lies."""
    model = onnx.load(path)
    for item in (model, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.save(model, path)


EXPORTERS = {"conv": ("old", "dynamo"), "leaky": ("old", "open"), "dense": ("dynamo",), "pooled": ("free", "dynamo"),
             "odd": ("old", "dynamo"), "columns": ("old", "open"), "gelu": ("aged", "dynamo")}  # fmt: skip


def main(folder: Path, names: list[str]) -> None:
    """Write the graphs of the members named, or of all."""
    for name, exporters in EXPORTERS.items():
        if names and name not in names:
            continue
        torch.manual_seed(0)
        member = trained(MEMBERS[name]())
        for exporter in exporters:
            place = folder / f"torch-{name}-{exporter}"
            place.mkdir(parents=True, exist_ok=True)
            export(member, exporter, place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
