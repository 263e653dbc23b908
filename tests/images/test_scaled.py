"""JPEGs are decoded at a smaller scale where that is enough: nearly the same pixels, sooner, by version 2 alone."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from aetool.errors import InvalidInput, LimitExceeded
from aetool.images.decode import decode_image, kind_of, open_image, prepare
from aetool.images.files import ImageFile, new_guesses, pixels_of
from aetool.images.orientation import ORIENTATION, TURNED, TURNS
from aetool.images.scaled import centred, scale_decoding, scaled, stored_bytes
from aetool.images.spec import PREPARATIONS, ImageSpec
from aetool.model.keys import image_files
from aetool.system.limits import LIMITS, Limits

SIZES = [(256, 256), (257, 255), (263, 777), (1025, 1031), (1024, 300), (130, 2000)]


def photo(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return a picture with large shapes and some noise."""
    rng = np.random.default_rng(seed)
    shapes = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    noisy = (np.asarray(shapes) + rng.normal(0, 5, (height, width, 3))).clip(0, 255)
    return Image.fromarray(noisy.astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, turn: int = 1, kind: str = "JPEG", **options) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = turn
    image.save(stream, kind, exif=exif, quality=92, **options)
    return stream.getvalue()


def both(data: bytes, spec: ImageSpec) -> list[np.ndarray]:
    """Return the pixels of both preparations."""
    numbers = spec.channels, spec.height, spec.width, spec.background
    return [decode_image(data, ImageSpec(*numbers, version)).astype(int) for version in (1, 2)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_smaller_scale_gives_nearly_the_same_pixels_up_to_every_edge(size, turn):
    data = jpeg(photo(*size), turn)
    for shape in ((64, 64), (20, 31), (8, 8)):
        first, second = both(data, ImageSpec(3, *shape))
        assert abs(first - second).max() <= 24
        assert np.square(first - second).mean() < 8


@pytest.mark.parametrize("turn", [1, 6, 7])
def test_of_a_large_photo_hardly_a_level_changes(turn):
    first, second = both(jpeg(photo(4033, 3025), turn), ImageSpec(3, 64, 64))
    assert abs(first - second).max() <= 2 and np.square(first - second).mean() < 0.2


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_scale_is_the_smallest_with_twice_the_sides(turn):
    rng = np.random.default_rng(turn)
    for width, height in [*rng.integers(20, 700, (12, 2)).tolist(), [64, 64], [63, 64], [128, 128], [127, 500]]:
        spec = ImageSpec(1, *rng.integers(8, 20, 2).tolist())
        if rng.integers(2):
            spec = ImageSpec(1, 8, 8)
        image = open_image(jpeg(Image.new("L", (width, height)), turn))
        whole = scale_decoding(image, spec)
        wide, high = (height, width) if turn >= TURNED else (width, height)
        scale = max(s for s in (1, 2, 4, 8) if s == 1 or (wide >= 2 * s * spec.width and high >= 2 * s * spec.height))
        assert image.size == (math.ceil(width / scale), math.ceil(height / scale))
        assert (whole is None) == (scale == 1)
        if whole is not None:
            left, top, right, bottom = whole
            assert (right - left, bottom - top) == (wide / scale, high / scale)


def test_the_first_preparation_decodes_at_full_size():
    image = photo(300, 200)
    spec = ImageSpec(3, 16, 16, preparation=1)
    data = jpeg(image)
    with Image.open(io.BytesIO(data)) as opened:
        expected = ImageOps.fit(opened, (16, 16), Image.Resampling.LANCZOS)
    assert np.array_equal(decode_image(data, spec).transpose(1, 2, 0), np.asarray(expected))
    first, second = both(data, spec)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_other_formats_are_prepared_alike_by_both(kind):
    stream = io.BytesIO()
    photo(300, 200).save(stream, kind)
    first, second = both(stream.getvalue(), ImageSpec(3, 16, 16))
    assert np.array_equal(first, second)


def test_a_jpeg_of_less_than_four_times_the_size_is_prepared_alike_by_both():
    first, second = both(jpeg(photo(255, 300)), ImageSpec(3, 64, 64))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
def test_every_kind_of_jpeg_is_scaled(mode, channels, options):
    first, second = both(jpeg(photo(400, 300, mode), 6, **options), ImageSpec(channels, 32, 40))
    assert 0 < abs(first - second).max() <= 6


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_first_picture_of_an_mpo_is_scaled(turn):
    data = jpeg(photo(400, 300), turn, "MPO", save_all=True, append_images=[photo(400, 300, seed=1)])
    assert open_image(data).format == "MPO"
    first, second = both(data, ImageSpec(3, 32, 40))
    assert 0 < abs(first - second).max() <= 6


def test_the_full_size_is_judged_and_seen():
    data = jpeg(photo(320, 200))
    assert kind_of(data).size == (200, 320)
    assert decode_image(data, ImageSpec(1, 8, 8), Limits(pixels=64_000)).shape == (1, 8, 8)
    with pytest.raises(LimitExceeded, match="320 x 200 is more than the 63,999 pixels"):
        decode_image(data, ImageSpec(1, 8, 8), Limits(pixels=63_999))


def test_a_cut_jpeg_is_refused_at_every_scale():
    data = jpeg(photo(320, 200))
    for side in (8, 16, 32, 64):
        with pytest.raises(InvalidInput, match="damaged"):
            decode_image(data[: len(data) // 2], ImageSpec(3, side, side))


def test_an_opened_picture_of_the_caller_keeps_its_size_and_gives_the_pixels_of_its_file(tmp_path):
    path, spec = tmp_path / "x.jpg", ImageSpec(3, 16, 16)
    path.write_bytes(jpeg(photo(300, 200), 6))
    for turn in TURNS:
        path.write_bytes(jpeg(photo(300, 200), turn))
        expected = decode_image(path.read_bytes(), spec)
        with Image.open(path) as opened:
            (file,) = image_files([opened])
            assert np.array_equal(pixels_of(file, spec, LIMITS, new_guesses(LIMITS)), expected)
            assert opened.size == (300, 200)
            opened.load()
            assert stored_bytes(opened) is None and np.asarray(opened).shape == (200, 300, 3)
            (file,) = image_files([opened])
            loaded = pixels_of(file, spec, LIMITS, new_guesses(LIMITS))
            assert abs(loaded.astype(int) - expected).max() <= 6 and opened.size == (300, 200)


@pytest.mark.parametrize("change", [lambda image: image.seek(1), lambda image: image.draft("L", (150, 100))])
def test_an_opened_picture_of_the_caller_is_taken_as_it_is(change):
    data = jpeg(photo(300, 200), 1, "MPO", save_all=True, append_images=[photo(300, 200, seed=1)])
    opened = Image.open(io.BytesIO(data))
    change(opened)
    size, expected = opened.size, opened.copy().convert("RGB")
    opened = Image.open(io.BytesIO(data))
    change(opened)
    (file,) = image_files([opened])
    found = pixels_of(file, ImageSpec(3, 16, 16), LIMITS, new_guesses(LIMITS))
    fitted = np.asarray(ImageOps.fit(expected, (16, 16), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert np.array_equal(found, fitted) and opened.size == size


def test_a_file_and_its_bytes_give_the_same_pixels(tmp_path):
    data, path, spec = jpeg(photo(300, 200), 8), tmp_path / "x.jpg", ImageSpec(3, 16, 16)
    path.write_bytes(data)
    files = [ImageFile(str(path), "x"), ImageFile("-", "x", data=data)]
    found = [pixels_of(file, spec, LIMITS, new_guesses(LIMITS)) for file in files]
    assert np.array_equal(*found) and np.array_equal(found[0], decode_image(data, spec))
    assert np.array_equal(prepare(open_image(data), spec), found[0])


def test_preparations_are_told_in_words_and_by_their_version():
    assert [preparation.version for preparation in PREPARATIONS.values()] == list(PREPARATIONS)
    assert all(len(set(vars(preparation).values())) == 10 for preparation in PREPARATIONS.values())


def lanczos(levels: np.ndarray, first: float, last: float, size: int) -> np.ndarray:
    """Return the part from first to last of columns of levels (n, m) with `size` numbers a column, as Pillow filters.

    Written after the description of the filter: sums of whole coefficients, rounded to levels.
    """
    start, scale = float(np.float32(first)), float(np.float32(last) - np.float32(first)) / size
    wide = max(scale, 1)
    rows = []
    for i in range(size):
        centre = start + (i + 0.5) * scale
        near = np.arange(max(0, int(centre - 3 * wide + 0.5)), min(len(levels), int(centre + 3 * wide + 0.5)))
        away = (near - centre + 0.5) / wide
        weights = np.where(abs(away) <= 3, np.sinc(away) * np.sinc(away / 3), 0)
        whole = np.rint(weights / weights.sum() * (1 << 22)).astype(np.int64)
        rows.append((whole @ levels[near].astype(np.int64) + (1 << 21)) >> 22)
    return np.clip(rows, 0, 255)


@pytest.mark.parametrize("size", [(32, 32), (20, 90), (52, 14), (36, 48), (90, 400), (1, 300), (64, 65)], ids=str)
def test_rows_are_filtered_before_columns_in_every_version_of_pillow(size):
    """Black and white alone: there the order shows, by up to a hundred levels."""
    width, height = size
    levels = np.random.default_rng(width).integers(0, 2, (height, width)).astype(np.uint8) * np.uint8(255)
    for shape in ((20, 44), (64, 64), (44, 20), (8, 51), (90, 20)):
        spec = ImageSpec(1, *shape)
        left, top, right, bottom = centred((0, 0, width, height), spec)
        expected = lanczos(levels.T, left, right, spec.width).T if width != spec.width else levels
        expected = lanczos(expected, top, bottom, spec.height)
        assert abs(prepare(Image.fromarray(levels), spec)[0] - expected).max() <= 1, shape


def test_a_picture_of_one_column_is_scaled_without_its_other_rows():
    assert scaled(Image.new("L", (1, 10_000_000)), ImageSpec(1, 500, 500)).size == (500, 500)
