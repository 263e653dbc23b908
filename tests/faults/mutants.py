"""Changed bundles whose sums are right again, opened and run in a process with little memory.

    python -m tests.faults.mutants FOLDER SEED FIRST LAST

Each mutant must end in a clean error or in a finite picture of the declared shape. The worker writes a line a mutant,
so that one that kills it is known.
"""

from __future__ import annotations

import random
import resource
import sys
import traceback
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.helper import make_node as node

from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import FILES, write
from aetool.bundle.half import half
from aetool.bundle.lookup import shipped_path
from aetool.errors import AetoolError, LimitExceeded
from aetool.runtime.codec import Codec
from tests.toy import onnx_graph, write_toy

MEMORY = 1 << 30
"""Bytes that a mutant may take."""
NUMBERS = (
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    16,
    28,
    255,
    256,
    65_536,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
    -1,
    -2,
)
WORDS = ("", "NOTSET", "SAME_UPPER", "VALID", "images", "latents", "ai.onnx", "com.microsoft", "x" * 5000, "\0", "ä")
OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Relu", "Sigmoid", "Clip", "Add", "Mul", "Reshape", "Flatten",
             "Cast", "Concat", "Loop", "If", "Tile", "Expand", "Identity", "Constant", "Resize", "Pad", "Gather",
             "Transpose", "MaxPool", "AveragePool", "LeakyRelu", "Elu", "Selu", "HardSwish", "Tanh")  # fmt: skip


def imported(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of the toy bundle with graphs of the operators that imported graphs have."""
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    encoder = [
        node("Transpose", ["images"], ["a"], perm=[0, 1, 3, 2]), node("LeakyRelu", ["a"], ["b"], alpha=0.2),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        node("AveragePool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2], count_include_pad=0),
        node("Tanh", ["d"], ["e"]), node("Flatten", ["e"], ["latents"], axis=1),
    ]  # fmt: skip
    decoder = [
        node("Reshape", ["latents", "shape"], ["a"]), node("Elu", ["a"], ["b"], alpha=1.0),
        node("Resize", ["b", "", "scales"], ["c"], **nearest), node("Selu", ["c"], ["d"], alpha=1.5, gamma=1.0),
        node("Mul", ["d", "channels"], ["e"]), node("HardSwish", ["e"], ["f"]), node("Sigmoid", ["f"], ["images"]),
    ]  # fmt: skip
    constants = {"shape": np.array([-1, 1, 2, 2]), "scales": np.array([1, 1, 4, 4], np.float32),
                 "channels": np.full((1, 1, 1), 2, np.float32)}  # fmt: skip
    image, latent = ("images", ["n", 1, 8, 8]), ("latents", ["n", 4])
    graphs = {"encoder.onnx": onnx_graph(encoder, image, latent, {}),
              "decoder.onnx": onnx_graph(decoder, latent, image, constants)}  # fmt: skip
    return files | graphs


def mutant(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Return the files of a bundle with one to four changes in one of them."""
    name = rng.choices(FILES, (1, 2, 4, 4))[0]
    data = files[name]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        graph = name.endswith(".onnx")
        data = in_graph(data, rng) if graph and rng.random() < 0.6 else in_bytes(data, rng, graph)
    return files | {name: data}


def in_bytes(data: bytes, rng: random.Random, graph: bool) -> bytes:
    """Change, remove, repeat or insert bytes; in graphs and archives mostly where their structure is."""
    ends = 3000 if rng.random() < 0.8 else len(data)
    at = rng.randrange(max(1, min(ends, len(data))))
    at = len(data) - at - 1 if rng.random() < 0.5 else at
    size = rng.choice((1, 1, 2, 4, 8, 100))
    part = data[at : at + size]
    new = rng.choice((bytes(size), rng.randbytes(size), b"\xff" * size, part + part, b"", part[::-1]))
    if rng.random() < 0.1:
        return data[:at]
    return data[:at] + new + data[at + size :]


def in_graph(data: bytes, rng: random.Random) -> bytes:
    """Change what a graph says, in a way that leaves it a message."""
    try:
        model = onnx.load_from_string(data)
    except Exception:  # already past that
        return in_bytes(data, rng, True)
    graph = model.graph
    try:
        rng.choice(
            (attribute, rewire, operator, dimension, shape_of_constant, number_of_constant, repeat, drop, type_of)
        )(graph, rng)
        return model.SerializeToString()
    except Exception:  # there is nothing of that kind to change, or it cannot be written
        return in_bytes(data, rng, True)


def attribute(graph, rng):
    found = rng.choice([a for node in graph.node for a in node.attribute])
    if found.ints:
        found.ints[rng.randrange(len(found.ints))] = rng.choice(NUMBERS)
    elif found.type == onnx.AttributeProto.STRING:
        found.s = rng.choice(WORDS).encode()
    elif found.type == onnx.AttributeProto.FLOAT:
        found.f = rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38))
    else:
        found.i = rng.choice(NUMBERS)


def rewire(graph, rng):
    node = rng.choice(graph.node)
    names = [*(t.name for t in graph.initializer), *(o for n in graph.node for o in n.output), "images", "latents", ""]
    node.input[rng.randrange(len(node.input))] = rng.choice(names)


def operator(graph, rng):
    rng.choice(graph.node).op_type = rng.choice(OPERATORS)


def dimension(graph, rng):
    value = rng.choice([*graph.input, *graph.output, *graph.value_info])
    rng.choice(value.type.tensor_type.shape.dim).dim_value = rng.choice(NUMBERS)


def shape_of_constant(graph, rng):
    tensor = rng.choice(graph.initializer)
    tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)


def number_of_constant(graph, rng):
    """Put other numbers into a constant, of the right count."""
    tensor = rng.choice(graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            array *= array.dtype.type(rng.choice((0, -1, 1e30, np.inf, np.nan, 1e-40)))
    else:
        array.flat[rng.randrange(array.size)] = rng.choice(NUMBERS)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def repeat(graph, rng):
    several = rng.choice((graph.node, graph.initializer, graph.input, graph.output, graph.value_info))
    several.extend([several[rng.randrange(len(several))]] * rng.choice((1, 2, 3000)))


def drop(graph, rng):
    several = rng.choice((graph.node, graph.initializer, graph.input, graph.output))
    del several[rng.randrange(len(several))]


def type_of(graph, rng):
    tensor = rng.choice(graph.initializer)
    tensor.data_type = rng.choice((0, 1, 2, 6, 7, 8, 10, 11, 16, 99))


def use(folder: Path) -> str:
    """Open a bundle and do with it what commands do; returns what came of it."""
    try:
        bundle = Bundle.read(folder)
        manifest = bundle.manifest
        codec = Codec(bundle, "cpu")
        latents = np.linspace(-3, 3, 3 * manifest.latent_size, dtype=np.float32).reshape(3, -1)
        images = codec.decode(latents)
        assert images.shape == (3, *manifest.image.shape) and np.isfinite(images).all(), "not a finite picture"
        again = codec.encode(images)
        assert again.shape == latents.shape and np.isfinite(again).all(), "not finite latents"
        bundle.bank()
    except AetoolError as error:
        assert str(error).isprintable() and len(str(error)) < 1000, f"not one line: {str(error)[:200]!r}"
        return "refused"
    return "works"


def peak() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Make and use the mutants FIRST to LAST of SEED; see above."""
    place, seed, first, last = Path(sys.argv[1]), *map(int, sys.argv[2:])
    toy = write_toy(place / "toy")
    sources = [{name: (folder / name).read_bytes() for name in FILES} for folder in (toy, shipped_path("mnist"))]
    small = {name: half(data) if name.endswith(".onnx") else data for name, data in sources[1].items()}
    sources.append(imported(sources[0]))
    write(place / "imported", sources[-1], "", replace=False)
    assert (use(toy), use(place / "imported")) == ("works", "works")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    for i in range(first, last):
        rng = random.Random(f"{seed} {i}")
        print("start", i, flush=True)
        try:
            write(place / "mutant", mutant(rng.choice([*sources, small]), rng), "", replace=(place / "mutant").exists())
            came = use(place / "mutant")
        except LimitExceeded:
            came = "refused"  # as large as no file of a bundle is written, nor read
        except BaseException:
            came = "wrong " + traceback.format_exc().replace("\n", " | ")
        print("end", i, peak(), came, flush=True)


if __name__ == "__main__":
    main()
