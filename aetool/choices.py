"""The choices of a user: names with a line of help and options.

Help pages, shell completion and the README's table of names are made from these tables; a test compares the tables with
the code behind the names. The file imports nothing heavy, for an instant `--help`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Choice(NamedTuple):
    """One line of help, and the options with their defaults as `--set` takes them."""

    help: str
    options: str = ""


SAMPLERS = {
    "local": Choice(
        "noise of the shape of the neighbourhood, at the class's own spread", "count=20 bandwidth=0.75 pure=0.7"
    ),
    "neighbours": Choice("a latent mixed with one of its nearest of the class", "count=50 low=0.3 high=0.7"),
    "mix": Choice("random convex combinations of latents of the class", "m=2 concentration=1.0"),
    "gmm": Choice("a mixture of normal distributions fitted at export; needs no stored latents"),
    "gaussian": Choice("one normal distribution of the class; needs no stored latents"),
}
METHODS = {
    "lerp": Choice("a straight line"),
    "slerp": Choice("an arc"),
    "graph": Choice("through latents of the bank"),
}
KEYS = {
    "class:NAME": Choice("the mean latent of a class"),
    "bank:INDEX": Choice("a latent of the bank, by the index that search prints"),
    "axis:N": Choice(
        "two latents, the ends of principal axis N of the bank, 2 standard deviations before and behind its mean; "
        "axis:N:FROM:TO other deviations, axis:N:class:NAME and axis:N:FROM:TO:class:NAME the axis of a class"
    ),
    "mean:FOLDER": Choice("the mean latent of the pictures of a folder, of a file of latents, or of mean:-"),
}
"""Keys that are no files, each with the form of what follows its colon."""
KEY_STARTS = tuple(form.partition(":")[0] + ":" for form in KEYS)
METRICS = {
    "euclidean": Choice("length of the difference"),
    "cosine": Choice("1 - cosine of the angle"),
}
DEVICES = {
    "auto": Choice("cuda where it works, else cpu"),
    "cpu": Choice("the processor"),
    "cuda": Choice("an NVIDIA GPU, with onnxruntime-gpu"),
    "openvino": Choice("an Intel processor, with the extra openvino"),
    "numpy": Choice("NumPy alone, without ONNX Runtime: slower, and never chosen by auto"),
}
DEVICE_NAMES = {"gpu": "cuda", "nvidia": "cuda", "cuda:0": "cuda", "gpu:0": "cuda"}
"""Other names of devices, as other tools have them."""
TRAINING_DEVICES = {
    "auto": DEVICES["auto"],
    "cpu": DEVICES["cpu"],
    "cuda": Choice("an NVIDIA GPU, where torch has it"),
    "mps": Choice("the GPU of an Apple processor, where torch has it"),
}
PRECISIONS = {
    "float32": Choice("the default"),
    "bfloat16": Choice("faster on processors and GPUs with hardware for bfloat16"),
}
WEIGHTS = {
    "float32": Choice("the default"),
    "float16": Choice("half the bytes, computed in float32; refused where the pictures change"),
}
ARCHITECTURES = {
    "blend": Choice("conv beside PCA, from which it starts: never worse than PCA", "widths=32,64,128 depth=1 hidden=0"),
    "conv": Choice("strided convolutions down to a linear latent, and back", "widths=32,64,128 depth=1"),
    "residual": Choice(
        "conv with a residual block and a hidden layer inside: slower, sharper", "widths=32,64,128 blocks=1 hidden=256"
    ),
}
LAYOUTS = {
    "nchw": Choice("channels first: (n, c, h, w)"),
    "nhwc": Choice("channels last: (n, h, w, c)"),
}
ENGINES = {
    "daft": Choice("Daft, on this machine or a Ray cluster: URLs, patterns and Parquet in, Parquet out"),
}
SNIPPETS = {
    "python": Choice("Pillow and ONNX Runtime: from pictures, as encode prepares them"),
    "javascript": Choice("ONNX Runtime in Node.js: from prepared pixels"),
    "cpp": Choice("OpenVINO in C++: from prepared pixels"),
    "numpy": Choice("NumPy alone: from prepared pixels"),
}
RANGES = {
    "0..1": Choice("as aetool has images; what a sigmoid gives"),
    "-1..1": Choice("what tanh gives"),
    "0..255": Choice("the levels of files"),
}
DATASETS = {
    "digits": Choice("1,797 handwritten digits of 8x8, built in"),
    "mnist": Choice("70,000 handwritten digits of 28x28"),
    "fashion-mnist": Choice("70,000 pictures of clothes of 28x28"),
}
SHIPPED = {
    "mnist": Choice("handwritten digits, 28x28, 16 numbers a latent"),
    "sign_digits": Choice("colour photos of hands, 64x64, 32 numbers a latent"),
}

CHECKED_SUFFIXES = frozenset([".avif", ".heic", ".heif", ".hif"])
"""Suffixes of pictures that not every installation reads: AVIF depends on Pillow, HEIF on the extra heif."""
IMAGE_SUFFIXES = CHECKED_SUFFIXES | {
    ".png", ".apng", ".jpg", ".jpeg", ".jfif", ".jpe", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
    ".pbm",
}  # fmt: skip
"""Suffixes of pictures in walked folders."""
IMAGE_FORMATS = "png, jpg, gif, bmp, webp, tif, ppm or avif files (with the extra heif also heic)"
"""The formats of pictures, for messages."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
ANIMATION_SUFFIXES = (".gif", ".webp", ".apng")
ARRAY_SUFFIXES = (".npz", ".npy")
RAW_SUFFIX = ".u8"
"""The suffix of prepared pixels as they are: uint8 (c, h, w)."""
LATENT_SUFFIXES = (".jsonl", *ARRAY_SUFFIXES)


TABLES = {
    "`train [DATASET]`": DATASETS,
    "`train --arch`": ARCHITECTURES,
    "`train --precision`": PRECISIONS,
    "`export --weights`": WEIGHTS,
    "`sample --method`": SAMPLERS,
    "`interpolate --method`": METHODS,
    "`interpolate` and other keys": KEYS,
    "`search --metric`": METRICS,
    "`--layout`": LAYOUTS,
    "`import --range`": RANGES,
    "`--device`": DEVICES,
    "`encode --engine`": ENGINES,
    "`info --snippet`": SNIPPETS,
    "`-m`": SHIPPED,
}
"""Tables by argument or option."""


PROJECT = "."
"""What pip installs: the checkout, until a release of ours lies on the public index, where the name is not ours yet."""


def installing(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install '{PROJECT}[{extra}]'"


def device_named(name: str) -> str:
    """Return the name of a device as the tables have it: in small letters, and cuda for gpu and cuda:0."""
    return DEVICE_NAMES.get(name.lower(), name.lower())


def listed(table: dict[str, Choice]) -> str:
    """Return the choices as one text for help: "local (...), mix (...)"."""
    return ", ".join(f"{name} ({choice.help})" for name, choice in table.items())


def options_of(table: dict[str, Choice]) -> str:
    """Return the options of all choices as one text for help: "local: count=20 ...; mix: ..."."""
    return "; ".join(f"{name}: {choice.options or 'none'}" for name, choice in table.items())


def in_words(options: Mapping[str, object]) -> str:
    """Return the options of an architecture as one text: "widths 32, 64, 128; depth 1"."""
    lists = {name: value if isinstance(value, list | tuple) else [value] for name, value in options.items()}
    return "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in lists.items())


def markdown() -> str:
    """Return all names as one Markdown table, for documents."""
    rows = []
    for option, table in TABLES.items():
        for i, (name, choice) in enumerate(table.items()):
            options = f"`{choice.options}`" if choice.options else ""
            rows.append(f"| {'' if i else f'for {option}'} | `{name}` | {choice.help} | {options} |")
    return "\n".join(["| where | name | meaning | options for `--set` |", "|---|---|---|---|", *rows]) + "\n"
