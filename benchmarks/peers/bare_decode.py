"""The least that decoding latents can be: ONNX Runtime and PNG by Pillow in a process a core, written to files or not.

python bare_decode.py DECODER.onnx LATENTS.npz BATCH [FOLDER]
"""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

graph, latents, batch = sys.argv[1], np.load(sys.argv[2])["latents"], int(sys.argv[3])
folder = Path(sys.argv[4]) if len(sys.argv) > 4 else None


def start() -> None:
    global session
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def decode(first: int) -> int:
    (images,) = session.run(None, {"latents": latents[first : first + batch]})
    pixels = np.rint(images * 255).astype(np.uint8)
    for i, tile in enumerate(pixels):
        picture = Image.fromarray(tile[0] if len(tile) == 1 else np.ascontiguousarray(tile.transpose(1, 2, 0)))
        picture.save(folder / f"{first + i:06}.png" if folder else io.BytesIO(), "PNG")
    return len(images)


if __name__ == "__main__":
    if folder:
        folder.mkdir()
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0)), start) as pool:
        print(sum(pool.imap(decode, range(0, len(latents), batch))))
