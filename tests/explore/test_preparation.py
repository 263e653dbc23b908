"""Preparation in JavaScript against that of the package: to the bit, nearly so where a JPEG had to be averaged.

Single levels there differ by two, and by three where light or colour was clipped, which pixels no longer tell.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageFile

from aetool.images.decode import decode_image
from aetool.images.golden import golden_pictures
from aetool.images.orientation import ORIENTATION, TURNS, orientation
from aetool.images.spec import ImageSpec
from tests.conftest import REPOSITORY
from tests.images.test_scaled import jpeg, photo

HERE = Path(__file__).parent
SPECS = [ImageSpec(1, 28, 28), ImageSpec(3, 64, 64, 255), ImageSpec(3, 48, 64, 100), ImageSpec(3, 130, 40)]


class Case(NamedTuple):
    """A file; whether a decoder has turned its pixels upright, as browsers do; whether the bytes are left out."""

    data: bytes
    spec: ImageSpec
    upright: bool = False
    averaged: bool = False


@pytest.fixture(scope="module", autouse=True)
def node() -> str:
    """The program node; without it the tests skip loudly."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("NODE MISSING: install node (nodejs) to test the preparation in JavaScript")
    return found


def differences(cases: list[Case], place: Path) -> list[np.ndarray]:
    """Return by how many levels JavaScript and the package differ, an array (c, h, w) a case."""
    listed = []
    for i, case in enumerate(cases):
        image = Image.open(io.BytesIO(case.data))
        image.load()
        turn = orientation(image)
        raw = image.convert("RGBA")
        if case.upright and turn in TURNS:
            raw = raw.transpose(TURNS[turn])
        names = {name: str(place / f"{i}.{name}") for name in ("data", "file", "out")}
        Path(names["data"]).write_bytes(raw.tobytes())
        Path(names["file"]).write_bytes(case.data)
        picture = {"width": raw.width, "height": raw.height, "orientation": turn, "upright": case.upright}
        fields = case.spec.to_dict()
        spec = fields["image"] | {"version": fields["preparation"]["version"]}
        listed.append(names | {"picture": picture, "spec": spec, "averaged": case.averaged})
    (place / "cases.json").write_text(json.dumps(listed))
    subprocess.run(["node", str(HERE / "prepare.js"), str(place / "cases.json")], check=True, timeout=300)
    found = []
    for case, names in zip(cases, listed, strict=True):
        pixels = decode_image(case.data, case.spec)
        here = np.frombuffer(Path(names["out"]).read_bytes(), np.uint8).reshape(pixels.shape)
        found.append(abs(here.astype(int) - pixels))
    return found


def encoded(image: Image.Image, kind: str = "PNG", turn: int = 1) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = turn
    image.save(stream, kind, exif=exif)
    return stream.getvalue()


def pictures(folder: Path, ending: str) -> list[Path]:
    found = sorted(folder.rglob(ending))
    if not found:
        pytest.skip(f"REAL DATA MISSING: no {ending} in {folder.name}")
    return found


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "1", "P"])
def test_pictures_of_every_kind_and_orientation_are_the_same_to_the_bit(mode, tmp_path):
    rng = np.random.default_rng(0)
    cases = []
    sizes = [(53, 37), (32, 32), (20, 90), (7, 5), (64, 64), (300, 1), (28, 28), (131, 260)]
    for i, (width, height) in enumerate(sizes):
        levels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
        image = Image.fromarray(levels if mode in ("RGBA", "LA") else levels[..., :3]).convert(mode)
        data = encoded(image, turn=i % 8 + 1)
        cases += [Case(data, spec, upright) for spec in SPECS for upright in (False, True)]
    assert max(apart.max() for apart in differences(cases, tmp_path)) == 0


def test_jpegs_of_full_size_are_the_same_to_the_bit(tmp_path):
    cases = [Case(jpeg(photo(255, 127), turn), spec) for turn in range(1, 9) for spec in SPECS[1:]]
    cases += [Case(jpeg(photo(300, 260)), ImageSpec(3, 64, 64, preparation=1))]
    assert max(apart.max() for apart in differences(cases, tmp_path)) == 0


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_golden_pictures_are_the_same_to_the_bit(kind, tmp_path):
    cases = [Case(golden_pictures(spec)[kind], spec) for spec in SPECS]
    assert max(apart.max() for apart in differences(cases, tmp_path)) == 0


@pytest.fixture(scope="module", params=[0, 1, 2], ids=["4:4:4", "4:2:2", "4:2:0"])
def large(request) -> list[Case]:
    """JPEGs of all orientations, and of sides that end within a block, turned upright by the decoder or not."""
    sizes = [(1025, 771), (640, 480), (301, 1003), (263, 777)]
    data = [jpeg(photo(*sizes[turn % 4], seed=turn), turn, subsampling=request.param) for turn in range(1, 9)]
    return [Case(one, spec, i % 2 == 0) for i, one in enumerate(data) for spec in (SPECS[i % 2], SPECS[2 + i // 4])]


def test_large_jpegs_are_the_same_to_the_bit(large, tmp_path):
    assert max(apart.max() for apart in differences(large, tmp_path)) == 0


def test_large_jpegs_without_bytes_differ_by_two_levels_at_most(large, tmp_path):
    apart = differences([case._replace(averaged=True) for case in large[::3]], tmp_path)
    assert max(one.max() for one in apart) <= 2
    assert np.mean([(one > 1).mean() for one in apart]) < 0.002


@pytest.mark.parametrize("kind", ["CMYK", "damaged"])
def test_jpegs_that_are_not_decoded_here_differ_by_few_levels(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = jpeg(photo(640, 480).convert("CMYK" if kind == "CMYK" else "RGB"))
    apart = differences([Case(data if kind == "CMYK" else data[:-100], SPECS[1])], tmp_path)[0]
    assert 0 < apart.max() <= 8 and (apart > 2).mean() < 0.01


def test_photos_of_hands_are_the_same_to_the_bit(data_dir, tmp_path):
    chosen = pictures(data_dir / "sign_digits", "*.JPG")[::10][:200]
    assert len(chosen) == 200
    cases = [Case(path.read_bytes(), SPECS[i % len(SPECS)]) for i, path in enumerate(chosen)]
    assert max(apart.max() for apart in differences(cases, tmp_path)) == 0


@pytest.mark.parametrize("averaged", [False, True], ids=["decoded", "averaged"])
def test_photos_of_every_orientation(averaged, data_dir, tmp_path):
    chosen = pictures(data_dir.parent / "corpora" / "exif", "*.jpg")[:: 4 if averaged else 1]
    specs = [SPECS[i % 2] for i in range(len(chosen))]
    cases = [Case(path.read_bytes(), specs[i], i % 2 == 0, averaged) for i, path in enumerate(chosen)]
    apart = differences(cases, tmp_path)
    assert max(one.max() for one in apart) <= (3 if averaged else 0)  # single levels, where light or colour is clipped
    assert np.mean([(one > 1).mean() for one in apart]) < 0.003


def test_photos_without_bytes_or_clipped_light_differ_by_two_levels_at_most(data_dir, tmp_path):
    chosen = pictures(data_dir.parent / "corpora" / "exif", "Landscape*.jpg")
    faint = [jpeg(Image.open(path).convert("RGB").point(lambda level: 64 + level // 2)) for path in chosen[:4]]
    apart = differences([Case(data, SPECS[i % 2], averaged=True) for i, data in enumerate(faint)], tmp_path)
    assert max(one.max() for one in apart) <= 2
    assert np.mean([(one > 1).mean() for one in apart]) < 0.0006  # 3 levels in 10,000


def test_pixels_of_full_size_do_not_tell_those_of_a_smaller_scale():
    """Two files with the same pixels differ by 32 levels there: what a decoder clips, their bytes alone tell."""
    columns = np.tile(np.array([255] * 5 + [0] * 3, np.uint8), (64, 8))
    table, stream, small = bytes([16] * 64), io.BytesIO(), []
    Image.fromarray(columns).save(stream, "JPEG", qtables=[list(table)])
    for mean in (16, 32):
        data = stream.getvalue().replace(table, bytes([mean] + [24] * 63))  # brighter, with more contrast
        image = Image.open(io.BytesIO(data))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), columns)
        image.draft("L", (8, 8))
        small.append(np.asarray(image).astype(int))
    assert (small[1] - small[0]).min() == 32


@pytest.mark.parametrize(
    ("name", "lines", "needed"),
    [
        ("preparation", 150, ['"./jpeg.js"', '"./scaled.js"']),
        ("scaled", 110, ['"./coefficients.js"']),
        ("coefficients", 250, []),
        ("jpeg", 90, []),
    ],
)
def test_the_implementation_stays_small_and_needs_nothing(name, lines, needed):
    text = (REPOSITORY / f"aetool/explore/{name}.js").read_text()
    assert len(text.splitlines()) <= lines
    assert re.findall(r"require\((.*?)\)", text) == needed
