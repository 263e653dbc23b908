"""Time from the key press to the end of a command, compared with a minimal program.

python start.py [TRIALS] > results/start.json
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from turns import aetool, alternate, python, report, row, seconds

from aetool.bundle.lookup import shipped_path

TYPER = python("-c", "import typer")
BARE = """
import numpy as np, onnxruntime as ort
from PIL import Image
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession({graph!r}, options)
out = session.run(None, {{{name!r}: {given}}})[0]
pixels = np.rint(np.resize(out, (28, 28)).clip(0, 1) * 255).astype(np.uint8)
Image.fromarray(pixels).save("bare.png")
"""
"""The minimal program: the imports, a session of a single thread, a run, a PNG."""


def bare(graph: str, name: str, given: str) -> list[str]:
    return python("-c", BARE.format(graph=str(shipped_path("mnist") / graph), name=name, given=given))


def main(trials: int) -> None:
    read = "np.asarray(Image.open('one.png').convert('L'), np.float32)[None, None] / 255"
    draw = bare("decoder.onnx", "latents", "np.zeros((16, 16), np.float32)")
    encode = bare("encoder.onnx", "images", read)
    completion = ["env", "_AETOOL_COMPLETE=complete_bash", "COMP_WORDS=aetool sam", "COMP_CWORD=1", *aetool()]
    seconds(aetool("sample", "-m", "mnist", "--digit", 8, "-n", 1, "--seed", 1, "-o", "one.png"))
    pairs = {
        "aetool --version": (aetool("--version"), "import typer", TYPER, "at most 1.6"),
        "aetool --help": (aetool("--help"), "import typer", TYPER, "at most 1.6"),
        "completion": (completion, "import typer", TYPER, "at most 1.6"),
        "aetool sample --digit 8 -o x.png": (
            aetool("sample", "--digit", 8, "-o", "x.png"), "bare program, decoder", draw, "at most 1.45",
        ),
        "aetool encode one.png": (aetool("encode", "one.png"), "bare program, encoder", encode, "at most 1.38"),
    }  # fmt: skip
    rows = []
    for what, (ours, beside, theirs, bar) in pairs.items():
        turns = {"ours": lambda words=ours: seconds(words), "theirs": lambda words=theirs: seconds(words)}
        taken = alternate(turns, trials)
        rows.append(row(what, beside, taken["ours"], taken["theirs"], bar))
    report("start", rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(Path(place))
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
