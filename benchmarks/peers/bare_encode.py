"""The least that encoding a folder can be: Pillow and ONNX Runtime in a process a core; the result is thrown away.

python bare_encode.py ENCODER.onnx FOLDER SIZE CHANNELS BATCH
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

graph, folder, size, channels, batch = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
mode = "L" if channels == 1 else "RGB"


def start() -> None:
    global session
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def encode(paths: list[str]) -> int:
    pixels = np.empty((len(paths), channels, size, size), np.uint8)
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            image = image.convert(mode)
            if image.size != (size, size):
                image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
            pixels[i] = image if channels == 1 else np.asarray(image).transpose(2, 0, 1)
    session.run(None, {"images": pixels.astype(np.float32) / np.float32(255)})
    return len(paths)


if __name__ == "__main__":
    files = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix in (".png", ".jpg"))
    chunks = [files[i : i + batch] for i in range(0, len(files), batch)]
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0)), start) as pool:
        print(sum(pool.imap(encode, chunks)))
