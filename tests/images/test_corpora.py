"""Pictures that nobody here made: PngSuite against a second decoder, EXIF examples, and files that broke decoders."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from aetool.errors import AetoolError
from aetool.images.decode import decode_image
from aetool.images.spec import ImageSpec
from tests import plain_png
from tests.conftest import command

CORPORA = Path(os.environ.get("AETOOL_DATA") or "missing").parent / "corpora"
NOT_COMPOSITED = {
    "ftbwn0g16.png": "prepare drops the transparency of 16-bit grey (tRNS)",
    "iftbwn0g16.png": "prepare drops the transparency of 16-bit grey (tRNS)",
    "ftbbn0g04.png": "Pillow compares the tRNS of 4-bit grey, unscaled, with scaled pixels",
    "iftbbn0g04.png": "Pillow compares the tRNS of 4-bit grey, unscaled, with scaled pixels",
}


def corpus(name: str) -> Path:
    if not (CORPORA / name).is_dir():
        pytest.skip(f"CORPORA MISSING: set AETOOL_DATA to a folder beside corpora/{name} to run this test")
    return CORPORA / name


def against_second_decoder(names: list[str]) -> list[str]:
    """Return which of the PNG files come out otherwise than the specification says, by more than rounding."""
    wrong = []
    for background in (0, 64):
        for name in names:
            data = (corpus("png-modes") / name).read_bytes()
            expected = plain_png.over(plain_png.decode(data), background).transpose(2, 0, 1)
            found = decode_image(data, ImageSpec(3, 32, 32, background))
            rounding = 1 if "16" in name else 0.501  # Pillow cuts colour of 16 bits instead of rounding it
            if found.shape != (3, 32, 32) or abs(found - expected).max() > rounding:
                wrong.append(f"{name} over {background}")
    return wrong


def test_every_kind_of_png_decodes_as_the_specification_says():
    names = [path.name for path in corpus("png-modes").glob("*.png") if path.name not in NOT_COMPOSITED]
    assert len(names) > 50
    assert against_second_decoder(names) == []


@pytest.mark.parametrize("name", NOT_COMPOSITED)
def test_grey_png_with_one_transparent_level_is_put_over_the_background(name):
    corpus("png-modes")
    assert against_second_decoder([name]) == []


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_photos_come_out_upright_whatever_their_exif_orientation(kind):
    folder, spec = corpus("exif"), ImageSpec(3, 32, 32)
    upright = decode_image((folder / f"{kind}_1.jpg").read_bytes(), spec).astype(int)
    turned = np.rot90(upright, axes=(1, 2))
    for orientation in range(9):
        found = decode_image((folder / f"{kind}_{orientation}.jpg").read_bytes(), spec)
        assert abs(found - upright).mean() < 1 and abs(found - turned).mean() > 30


@pytest.mark.filterwarnings("ignore")
def test_files_that_broke_decoders_work_or_are_refused():
    paths = sorted(corpus("bad-images").iterdir())
    assert len(paths) > 70
    refused = 0
    for path in paths:
        try:
            assert decode_image(path.read_bytes(), ImageSpec(1, 16, 16)).shape == (1, 16, 16)
        except AetoolError as error:
            refused += 1
            assert error.exit_code in (4, 6), path.name
            assert str(error).isprintable() and len(str(error)) < 300, path.name
    assert len(paths) // 2 < refused < len(paths)


def test_a_damaged_picture_is_named_in_one_line_without_python_warnings(toy):
    path = corpus("bad-images") / "crash-2020-10-test.tif"
    done = subprocess.run(command(["encode", path, "-m", toy]), capture_output=True, timeout=60)
    assert done.returncode == 4 and b"is skipped: " in done.stderr
    assert b"Warning: " not in done.stderr


def test_damaged_pictures_are_a_line_each_whatever_c_libraries_print(toy):
    done = subprocess.run(command(["encode", corpus("bad-images"), "-m", toy]), capture_output=True, timeout=120)
    *lines, last = (line for line in done.stderr.decode().splitlines() if " left out: " not in line)
    assert done.returncode == 3 and all(line.startswith("aetool: warning: ") for line in lines)
    assert last == f"aetool: {len(done.stdout.splitlines())} done, {len(lines)} failed"
