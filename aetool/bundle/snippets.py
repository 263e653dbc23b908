"""Snippets: complete programs that print the latents of a bundle as `aetool encode` does, without aetool.

The program in Python prepares pictures as the manifest says. The others take prepared pixels, raw uint8 (c, h, w). A
name in capital letters between two bars stands for a value of the bundle.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aetool.bundle.bundle import Bundle
from aetool.bundle.gate import MODEL, check_graph
from aetool.bundle.gate_protobuf import read_message
from aetool.errors import lookup, printable
from aetool.images.spec import FULL_SIZE, PICTURED, PREPARATIONS

PICTURES = """\
# Prints what `aetool encode -m |NAME| --whole FILES` prints, preparation included. Run: python encode.py FILES
import json, signal, sys
import numpy as np, onnxruntime
from PIL import Image

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that head may end the program
CHANNELS, HEIGHT, WIDTH = |SHAPE|
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # which turn of Pillow makes an orientation upright
session = onnxruntime.InferenceSession(|GRAPH|, providers=["CPUExecutionProvider"])

def prepare(name):  # uint8 (c, h, w)
    image, part, head = Image.open(name), None, open(name, "rb").read(25)
    tags, turn = getattr(image, "tag_v2", {}), image.getexif().get(274, 1)  # Pillow turns a TIFF with the tag itself
    turn = turn if turn in TURNS and 274 not in tags else 1
    if image.mode[0] in "IF" or np.max(tags.get(258, 8)) > 8 or (head[1:4] == b"PNG" and head[24] in (2, 4, 16)):
        image.mode == "P" or sys.exit(f"{name} has not 8 bits a channel: aetool encode --pixels prepares it")
|SCALE|    image.load()
    if image.has_transparency_data:  # before scaling
        behind = Image.new("RGBA", image.size, (|BACKGROUND|, |BACKGROUND|, |BACKGROUND|, 255))
        image = Image.alpha_composite(behind, image.convert("RGBA"))
    image = image.convert("|MODE|")
    image = image.transpose(TURNS[turn]) if turn != 1 else image
    x, y, w, h = part or (0, 0, *image.size)
    scale = min((x + w - x) / WIDTH, (y + h - y) / HEIGHT)  # the centred part with the sides of the image, rows first
    left, top = max(0, (x + w - x - scale * WIDTH) / 2), max(0, (y + h - y - scale * HEIGHT) / 2)
    image = image.resize((WIDTH, image.height), Image.Resampling.LANCZOS, (x + left, 0, x + w - left, image.height))
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, (0, y + top, WIDTH, y + h - top))
    return np.asarray(image, np.uint8).reshape(HEIGHT, WIDTH, CHANNELS).transpose(2, 0, 1)

for name in sys.argv[1:]:
    latent = session.run(None, {"images": prepare(name)[None] / np.float32(255)})[0][0]
    numbers = ", ".join(f"{number:.9g}" for number in latent)
    print(f'{{"source": {json.dumps(name)}, "model": "|IDENTITY|", "latent": [{numbers}]}}')
"""

SCALE = """\
    wide, high = (HEIGHT, WIDTH) if turn > 4 else (WIDTH, HEIGHT)
    if image.format in ("JPEG", "MPO") and image.width >= 4 * wide and image.height >= 4 * high:
        _, (_, _, *part) = image.draft(None, (2 * wide, 2 * high))  # smaller, but still twice as large as wanted
        (w, h), (x, y) = [pair[::-1] if turn > 4 else pair for pair in (part, image.size)]
        part = (x - w if turn in (2, 3, 6, 7) else 0), (y - h if turn in (3, 4, 7, 8) else 0), w, h
"""
"""The decoding of a JPEG at a smaller scale, from the second version of the preparation on."""

FROM_PIXELS = "prepared pixels, raw uint8 (|SHAPE|): aetool encode -m |NAME| --pixels FOLDER/ FILES"

PIXELS = f"""\
# Prints the latents of {FROM_PIXELS}
# Run: python encode.py FOLDER/*.u8
import json, signal, sys
import numpy as np, onnxruntime

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that head may end the program
session = onnxruntime.InferenceSession(|GRAPH|, providers=["CPUExecutionProvider"])
for name in sys.argv[1:]:
    images = np.fromfile(name, np.uint8).reshape(1, |SHAPE|) / np.float32(255)
    latent = session.run(None, {{"images": images}})[0][0]
    numbers = ", ".join(f"{{number:.9g}}" for number in latent)
    print(f'{{{{"source": {{json.dumps(name)}}, "model": "|IDENTITY|", "latent": [{{numbers}}]}}}}')
"""

JAVASCRIPT = f"""\
// Prints the latents of {FROM_PIXELS}
// npm install onnxruntime-web (or onnxruntime-node, named so below); run: node encode.mjs FOLDER/*.u8
import {{ readFileSync }} from "node:fs";
import * as ort from "onnxruntime-web";

const session = await ort.InferenceSession.create(readFileSync(|GRAPH|));
for (const name of process.argv.slice(2)) {{
  const images = Float32Array.from(readFileSync(name), (level) => level / 255);
  const {{ latents }} = await session.run({{ images: new ort.Tensor("float32", images, [1, |SHAPE|]) }});
  const latent = Array.from(latents.data, (number) => Number(number.toPrecision(9)));
  console.log(JSON.stringify({{ source: name, model: "|IDENTITY|", latent }}));
}}
"""

CPP = f"""\
// Prints the latents of {FROM_PIXELS}
// With OpenVINO (pip install openvino): g++ -std=c++17 encode.cpp -I$O/include -L$O/libs -l:libopenvino.so.VERSION
// where O is the folder of the package openvino; run: LD_LIBRARY_PATH=$O/libs ./a.out FOLDER/*.u8
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <vector>
#include <openvino/openvino.hpp>

int main(int count, char** names) {{
    ov::Core core;
    auto model = core.compile_model(|GRAPH|, "CPU", ov::hint::inference_precision(ov::element::f32));
    auto run = model.create_infer_request();
    std::cout << std::setprecision(9);
    for (int i = 1; i < count; i++) {{
        std::ifstream file(names[i], std::ios::binary);
        std::vector<unsigned char> pixels(std::istreambuf_iterator<char>(file), {{}});
        if (pixels.size() != |PIXELS|) {{
            std::cerr << names[i] << " does not hold |PIXELS| bytes\\n";
            return 1;
        }}
        ov::Tensor images(ov::element::f32, {{1, |SHAPE|}});
        for (size_t at = 0; at < pixels.size(); at++) images.data<float>()[at] = pixels[at] / 255.0f;
        run.set_input_tensor(images);
        run.infer();
        const float* latent = run.get_output_tensor().data<float>();
        std::cout << "{{\\"source\\": " << std::quoted(names[i]) << ", \\"model\\": \\"|IDENTITY|\\", \\"latent\\": [";
        for (int k = 0; k < |LATENT_SIZE|; k++) std::cout << (k ? ", " : "") << latent[k];
        std::cout << "]}}\\n";
    }}
}}
"""

NUMPY = f"""\
# Prints the latents of {FROM_PIXELS}
# NumPy alone reads and computes the graph. Run: python encode.py FOLDER/*.u8
import json, signal, sys, numpy as np

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that head may end the program
def number(data, at):  # a whole number of a protocol buffer, and the place behind it
    value = shift = 0
    while data[at] > 127:
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
    return value | data[at] << shift, at + 1
def fields(data):  # the values of a message, by the numbers of its fields in onnx.proto
    found, at = {{}}, 0
    while at < len(data):
        tag, at = number(data, at)
        value, at = (4, at) if tag & 7 == 5 else number(data, at)
        if tag & 7:  # bytes, of which that was the length
            value, at = data[at : at + value], at + value
        found.setdefault(tag >> 3, []).append(value)
    return found
|CONV||OPERATORS|
graph = fields(fields(open(|GRAPH|, "rb").read())[7][0])
known = {{one[8][0]: np.frombuffer(one[9][0], "<f4" if one[2] == [1] else "<i8").reshape(one.get(1, []))
         for one in map(fields, graph[5])}}
for name in sys.argv[1:]:
    known[b"images"] = np.fromfile(name, np.uint8).reshape(|SHAPE|) / np.float32(255)
    for node in map(fields, graph[1]):
        settings = {{one[1][0].decode(): one.get(8) or one.get(3) for one in map(fields, node.get(5, []))}}
        known[node[2][0]] = OPERATORS[node[4][0]](*(known[word] for word in node[1]), **settings)
    numbers = ", ".join(f"{{one:.9g}}" for one in known[b"latents"])
    print(f'{{{{"source": {{json.dumps(name)}}, "model": "|IDENTITY|", "latent": [{{numbers}}]}}}}')
"""

CONV = """\
def conv(x, w, b=np.zeros(1, "f4"), strides=(1, 1), pads=(0,) * 4, **_):  # of x (c, h, w)
    x = np.pad(x, ((0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (1, 2))[:, :: strides[0], :: strides[1]]
    return np.tensordot(w, windows, ((1, 2, 3), (0, 3, 4))) + b[:, None, None]
"""

OPERATORS = {
    "Conv": "conv",
    "Gemm": "lambda x, w, b=0, transB=(0,), **_: x @ (w.T if transB[0] else w) + b",
    "MatMul": "lambda x, w: x @ w",
    "Relu": "lambda x: np.maximum(x, 0)",
    "Sigmoid": "lambda x: 1 / (1 + np.exp(-x))",
    "Clip": "np.clip",
    "Add": "np.add",
    "Mul": "np.multiply",
    "Reshape": "lambda x, shape, **_: x.reshape(shape[1:])",
    "Flatten": "lambda x, **_: x.ravel()",
}
"""What the snippet in NumPy needs for each operator, on a single image."""

BY_REFERENCE = f"""\
# Prints the latents of {FROM_PIXELS}
# NumPy computes the graph, by the operators of aetool without ONNX Runtime. Run: python encode.py FOLDER/*.u8
import json, signal, sys, numpy as np
from aetool.runtime.reference import Reference

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that head may end the program
encoder = Reference(open(|GRAPH|, "rb").read())
for name in sys.argv[1:]:
    images = np.fromfile(name, np.uint8).reshape(1, |SHAPE|) / np.float32(255)
    numbers = ", ".join(f"{{one:.9g}}" for one in encoder.run(images)[0])
    print(f'{{{{"source": {{json.dumps(name)}}, "model": "|IDENTITY|", "latent": [{{numbers}}]}}}}')
"""
"""For graphs with other operators than those of `OPERATORS`, which imported models may have."""


def _in_python(bundle: Bundle) -> str:
    """Return the program for pictures, and for pixels where the images of the model are no pictures."""
    spec = bundle.manifest.image
    if spec.channels not in PICTURED:
        return PIXELS
    whole = PREPARATIONS[spec.preparation].decoding_scale == FULL_SIZE.decoding_scale
    return PICTURES.replace("|SCALE|", "" if whole else SCALE)


def _in_numpy(bundle: Bundle) -> str:
    """Return the program with the operators of the encoder."""
    nodes = read_message(bundle.files["encoder.onnx"], MODEL)["graph"]["nodes"]
    used = {node["operator"] for node in nodes}
    if not used <= OPERATORS.keys():
        return BY_REFERENCE
    items = [f'b"{name}": {code},' for name, code in OPERATORS.items() if name in used]
    lines = ["    " + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) < COLUMNS:
            lines[-1] += " " + item
        else:
            lines.append("    " + item)
    table = "OPERATORS = {\n" + "\n".join(lines) + "\n}"
    return NUMPY.replace("|CONV|", CONV if "Conv" in used else "").replace("|OPERATORS|", table)


def _in_cpp(text: str) -> str:
    """Return a text as a literal of C++, other bytes than letters and signs in octal."""
    plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in os.fsencode(text))
    return f'"{"".join(plain)}"'


COLUMNS = 120
"""The longest line of a program."""
SNIPPETS: dict[str, tuple[Callable[[Bundle], str], Callable[[str], str]]] = {
    "python": (_in_python, repr),
    "javascript": (lambda _: JAVASCRIPT, json.dumps),
    "cpp": (lambda _: CPP, _in_cpp),
    "numpy": (_in_numpy, repr),
}
"""By language: the program for a bundle, and how a text is written there."""


def snippet(bundle: Bundle, path: Path, language: str) -> str:
    """Return the program in `language` for the bundle in the folder `path`; raises `UsageError`, `BundleError`."""
    program, literal = lookup(SNIPPETS, language, "language")
    spec = bundle.manifest.image
    check_graph(bundle.files["encoder.onnx"], ("images", spec.shape), ("latents", (bundle.manifest.latent_size,)), 1)
    values: dict[str, Any] = {
        "NAME": shlex.quote(printable(bundle.name)),
        "IDENTITY": bundle.identity,
        "GRAPH": literal(str(path.resolve() / "encoder.onnx")),
        "MODE": "L" if spec.channels == 1 else "RGB",
        "SHAPE": ", ".join(map(str, spec.shape)),
        "BACKGROUND": spec.background,
        "PIXELS": math.prod(spec.shape),
        "LATENT_SIZE": bundle.manifest.latent_size,
    }
    return re.sub(r"\|([A-Z_]+)\|", lambda found: str(values[found[1]]), program(bundle))
