"""Pixels of each preparation, kept in prepared.npz: other pixels need a new version of the preparation.

    python -m tests.images.prepared

adds the pixels of the versions that are missing, and never changes those of a version that is there.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from aetool.arrays import Pixels
from aetool.images.decode import decode_image
from aetool.images.golden import golden_pictures
from aetool.images.jpeg import jpeg_file
from aetool.images.spec import PREPARATIONS, ImageSpec

FILE = Path(__file__).with_suffix(".npz")
SPECS = ((1, 28, 28, 0), (3, 24, 40, 255), (3, 16, 9, 100))


def files(spec: ImageSpec) -> dict[str, bytes]:
    """Return a picture file of each kind that is prepared in its own way."""
    y, x = np.mgrid[:37, :53]
    grey = ((x * 5 + y * 3) % 256).astype(np.uint8)
    colours = np.dstack([grey, grey[::-1], 255 - grey])
    deep, floats = (grey.astype(np.uint16) * 16 + 5), (grey / np.float32(255))
    alpha = Image.fromarray(np.dstack([colours, (x * 255 // 52).astype(np.uint8)]))
    palette = Image.fromarray(colours).quantize(64, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    kinds = {"small": grey[:5, :7], "grey": grey, "colours": colours, "deep": deep}
    made = {name: _encoded(Image.fromarray(values), "PNG") for name, values in kinds.items()}
    made |= {"alpha": _encoded(alpha, "PNG"), "grey alpha": _encoded(alpha.convert("LA"), "PNG")}
    made |= {"palette": _encoded(palette, "PNG", transparency=3), "floats": _encoded(Image.fromarray(floats), "TIFF")}
    made |= {"cmyk": _encoded(Image.fromarray(colours).convert("CMYK"), "TIFF"), "one bit": b"P1 3 2 1 0 1 0 0 1\n"}
    made |= {f"jpeg {side}": jpeg_file(side, side * 3 // 4) for side in (60, 251, 400, 777)}
    return made | {f"golden {name}": data for name, data in golden_pictures(spec).items()}


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(version: int) -> dict[str, Pixels]:
    """Return the prepared pixels of one version, by picture and spec."""
    specs = [ImageSpec(*numbers, version) for numbers in SPECS]
    return {
        f"{version} {name} {'x'.join(map(str, spec.shape))}": decode_image(data, spec)
        for spec in specs
        for name, data in files(spec).items()
    }


def main() -> None:
    """Add the versions that are missing."""
    found = dict(np.load(FILE)) if FILE.exists() else {}
    versions = {name.split()[0] for name in found}
    for version in PREPARATIONS:
        if str(version) not in versions:
            found |= {**pixels(version), f"{version} pillow": np.array(PIL.__version__)}
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
