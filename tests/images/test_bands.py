"""TIFFs of other channels than grey and RGB: samples and pages, levels, orientation, and what is refused."""

from __future__ import annotations

import builtins
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.errors import AetoolError, InvalidInput, LimitExceeded
from aetool.images.decode import decode_image, kind_of
from aetool.images.files import find_images, read_batches
from aetool.images.spec import ImageSpec
from aetool.images.tiff import samples_of
from aetool.system.limits import Limits
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions
from tests.cli.test_stacks import banded  # noqa: F401

tifffile = pytest.importorskip("tifffile")

RNG = np.random.default_rng(0)
BANDS = RNG.integers(0, 256, (5, 12, 15), np.uint8)
SPEC = ImageSpec(5, 12, 15)


def tiff(array: np.ndarray, **words) -> bytes:
    stream = io.BytesIO()
    words = {"photometric": "minisblack", **words}
    tifffile.imwrite(stream, array, **words)
    return stream.getvalue()


def interleaved(array: np.ndarray, **words) -> bytes:
    return tiff(np.ascontiguousarray(array.transpose(1, 2, 0)), planarconfig="contig", **words)


def planes(array: np.ndarray, **words) -> bytes:
    return tiff(array, planarconfig="separate", **words)


def pages(array: np.ndarray, **words) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for band in array:
            writer.write(band, photometric="minisblack", contiguous=False, **words)
    return stream.getvalue()


KINDS = [interleaved, planes, pages]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "words", [{}, {"compression": "zlib"}, {"rowsperstrip": 5}, {"bigtiff": True}, {"byteorder": ">"}]
)
def test_samples_and_pages_are_channels(kind, words):
    if kind is pages and ("bigtiff" in words or "byteorder" in words):
        pytest.skip("an option of the whole file")
    assert np.array_equal(decode_image(kind(BANDS, **words), SPEC), BANDS)


@pytest.mark.parametrize("channels", [2, 4, 5, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_channels(kind, channels):
    bands = RNG.integers(0, 256, (channels, 9, 8), np.uint8)
    data = kind(bands)
    assert np.array_equal(decode_image(data, ImageSpec(channels, 9, 8)), bands)
    assert samples_of(data) == (1 if kind is pages else channels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "white"),
    [("u2", 65535), ("u2", 255), ("u2", 4095), ("i2", 4095), ("u4", 1023), ("f4", 1), ("f8", 255), ("f2", 1)],
)
def test_deep_numbers_become_levels_with_one_white(kind, dtype, white):
    numbers = BANDS * (white / 255)
    numbers[0] /= 3
    numbers = numbers.astype(dtype) if dtype[0] == "f" else np.rint(numbers).astype(dtype)
    found = decode_image(kind(numbers), SPEC)
    assert abs(found - numbers.astype(float) * 255 / white).max() <= (0.51 if dtype != "f2" else 0.6)


def test_a_depth_that_the_file_tells_is_white():
    numbers = BANDS.astype(np.uint16) * 2
    found = decode_image(interleaved(numbers, extratags=[(281, "H", 1, 4095, True)]), SPEC)
    assert abs(found - numbers * (255 / 4095)).max() <= 0.51


def test_numbers_that_are_not_finite():
    numbers = np.full((5, 12, 15), 0.5, np.float32)
    numbers[2, 3, 4] = np.nan
    assert decode_image(interleaved(numbers), SPEC)[2, 3, 4] == 0
    numbers[2, 3, 4] = np.inf
    with pytest.raises(InvalidInput, match="infinite brightness in 1 of its 900 numbers"):
        decode_image(interleaved(numbers), SPEC)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_tag_of_the_orientation_turns_all_bands(orientation):
    plain = Image.fromarray(BANDS[0])
    plain.getexif()[274] = orientation
    stream = io.BytesIO()
    plain.save(stream, "TIFF", tiffinfo={274: orientation})
    size = kind_of(stream.getvalue()).size
    expected = decode_image(stream.getvalue(), ImageSpec(1, *size))
    data = interleaved(BANDS, extratags=[(274, "H", 1, orientation, True)])
    assert np.array_equal(decode_image(data, ImageSpec(5, *size))[:1], expected)


def test_bands_are_scaled_and_cropped_as_pictures_are():
    large = RNG.integers(0, 256, (3, 60, 50), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(large.transpose(1, 2, 0)).save(picture, "PNG")
    expected = decode_image(picture.getvalue(), ImageSpec(3, 16, 20))
    found = decode_image(interleaved(np.concatenate([large, large[:2]])), ImageSpec(5, 16, 20))
    assert np.array_equal(found[:3], expected)


def test_thumbnails_and_masks_are_no_channels():
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for band in BANDS:
            writer.write(band, photometric="minisblack", contiguous=False)
            writer.write(band[::2, ::2], photometric="minisblack", contiguous=False, subfiletype=1)
    assert np.array_equal(decode_image(stream.getvalue(), SPEC), BANDS)


def refused(data: bytes, spec: ImageSpec, limits: Limits | None = None) -> str:
    with pytest.raises(AetoolError) as caught:
        decode_image(data, spec, limits or Limits())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_does_not_fit_is_refused_in_a_line():
    assert "a TIFF of 5 channels, where 4 channels are expected" in refused(interleaved(BANDS), ImageSpec(4, 8, 8))
    assert "of 1 channels and 5 pages, where 4" in refused(pages(BANDS), ImageSpec(4, 8, 8)).replace("more", "5")
    assert "of 1 channels and 5 pages, where 6" in refused(pages(BANDS), ImageSpec(6, 8, 8))
    assert "a TIFF of 5 channels, no picture" in refused(interleaved(BANDS), ImageSpec(3, 8, 8))
    assert "differ in size" in refused(pages_of(BANDS[0], BANDS[1][:5]), ImageSpec(2, 8, 8))
    png = io.BytesIO()
    Image.new("RGB", (9, 9)).save(png, "PNG")
    assert "no TIFF, where a TIFF of 5 channels is expected" in refused(png.getvalue(), SPEC)
    assert "a picture of 1 or 3 channels, where 5" in picture_refused(Image.new("L", (9, 9)))
    with pytest.raises(LimitExceeded, match="pixels of 3 channels"):
        decode_image(interleaved(BANDS), SPEC, Limits(pixels=299))
    decode_image(interleaved(BANDS), SPEC, Limits(pixels=300))


def pages_of(*bands: np.ndarray) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for band in bands:
            writer.write(band, photometric="minisblack", contiguous=False)
    return stream.getvalue()


def picture_refused(image: Image.Image) -> str:
    from aetool.images.decode import decode_picture

    with pytest.raises(InvalidInput) as caught:
        decode_picture(image, SPEC)
    return str(caught.value)


def test_damaged_files_end_in_a_line():
    for kind in KINDS:
        data = kind(BANDS)
        for _ in range(150):
            changed = bytearray(data)
            for at in RNG.integers(0, len(data), 3):
                changed[at] = RNG.integers(0, 256)
            cut = bytes(changed[: RNG.integers(8, len(data) + 1)])
            try:
                assert decode_image(cut, SPEC, Limits(pixels=10_000)).shape == SPEC.shape
            except AetoolError as error:
                assert "\n" not in str(error)


def test_without_tifffile_a_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(InvalidInput, match="read by tifffile, which is missing") as caught:
        decode_image(interleaved(BANDS), SPEC)
    assert caught.value.fix == "tiff"


def write(folder: Path, count: int, kind=interleaved, channels: int = 5, scale: float = 1) -> np.ndarray:
    folder.mkdir()
    bands = RNG.integers(0, 256, (count, channels, 12, 15)).astype(np.uint16)
    bands = np.rint(bands * scale).astype(np.uint16 if scale > 1 else np.uint8)
    for i, one in enumerate(bands):
        (folder / f"{i:03}.tif").write_bytes(kind(one))
    return bands


def test_a_folder_of_bands_is_a_data_set(tmp_path):
    bands = write(tmp_path / "a", 20)
    data = load(str(tmp_path / "a"), 0)
    assert data.spec.shape == (5, 12, 15) and not data.skipped
    order = [int(name[:3]) for name in data.train.sources]
    assert np.array_equal(data.train.pixels[np.arange(len(order))], bands[order])
    sized = load(str(tmp_path / "a"), 0, options=FolderOptions(size=(8, 8)))
    assert sized.spec.shape == (5, 8, 8)


def test_pages_are_channels_only_when_asked(tmp_path):
    bands = write(tmp_path / "a", 20, pages)
    assert load(str(tmp_path / "a"), 0).spec.shape == (1, 12, 15)
    data = load(str(tmp_path / "a"), 0, options=FolderOptions(channels=5))
    assert data.spec.shape == (5, 12, 15)
    order = [int(name[:3]) for name in data.train.sources]
    assert np.array_equal(data.train.pixels[np.arange(len(order))], bands[order])


def test_pictures_among_bands_are_left_out_by_name(tmp_path):
    write(tmp_path / "a", 20)
    Image.new("RGB", (15, 12)).save(tmp_path / "a" / "z.png")
    data = load(str(tmp_path / "a"), 0, options=FolderOptions(channels=5))
    assert [Path(failure.path).name for failure in data.skipped] == ["z.png"]
    assert data.spec.channels == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_has_one_white(tmp_path, kind):
    write(tmp_path / "a", 20, kind, scale=16)
    dark = np.full((5, 12, 15), 100, np.uint16)
    (tmp_path / "a" / "dark.tif").write_bytes(kind(dark))
    data = load(str(tmp_path / "a"), 0, options=FolderOptions(channels=5))
    assert data.whites == (("u2", 4095),)
    (batch,) = list(read_batches([f for f in find_images([str(tmp_path / "a")]) if "dark" in f.path], SPEC, 8))
    assert batch.value.max() == batch.value.min() == np.float32(6 / 255) and "4,095" in batch.guesses[0]


def test_pictures_need_no_tifffile(monkeypatch, tmp_path):
    real = builtins.__import__

    def deny(name, *args, **words):
        assert not name.startswith("tifffile")
        return real(name, *args, **words)

    monkeypatch.setattr(builtins, "__import__", deny)
    Image.new("RGB", (9, 9)).save(tmp_path / "a.tif")
    assert decode_image((tmp_path / "a.tif").read_bytes(), ImageSpec(3, 9, 9)).shape == (3, 9, 9)
