"""Image files to arrays: every mode with known pixels, orientation, alpha, resizing, folders, batches, damage."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from aetool.choices import CHECKED_SUFFIXES, IMAGE_SUFFIXES
from aetool.errors import AetoolError, InvalidInput, LimitExceeded, ReadWriteError
from aetool.images import decode, files
from aetool.images.decode import decode_image, open_image, prepare
from aetool.images.files import Failure, ImageFile, find_images, read_batches, walk
from aetool.images.spec import ImageSpec
from aetool.system.limits import Limits

GREY = ImageSpec(1, 2, 2)
COLOUR = ImageSpec(3, 2, 2)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(values, mode: str = "L", **kinds) -> Image.Image:
    """Return a picture of 2 x 2 pixels, or one with as many rows as `values` has."""
    array = np.array(values, **kinds)
    picture = Image.new(mode, array.shape[1::-1])
    picture.putdata([tuple(p) if array.ndim == 3 else p for p in array.reshape(-1, *array.shape[2:]).tolist()])
    return picture


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def palette_picture() -> Image.Image:
    image = Image.new("P", (2, 2))
    image.putpalette([*RED, *GREEN, *BLUE, 10, 20, 30])
    image.putdata([0, 1, 2, 3])
    return image


def luma(r: int, g: int, b: int) -> int:
    return round(0.299 * r + 0.587 * g + 0.114 * b)


def test_spec_shape_is_channels_height_width():
    assert ImageSpec(3, 8, 16).shape == (3, 8, 16)
    assert prepare(Image.new("RGB", (50, 40)), ImageSpec(3, 8, 16)).shape == (3, 8, 16)


# Modes


def test_mode_l_is_taken_as_it_is_and_copied_to_three_channels():
    levels = [[0, 1], [254, 255]]
    assert prepare(picture(levels), GREY).tolist() == [levels]
    assert prepare(picture(levels), COLOUR).tolist() == [levels] * 3


def test_mode_1_is_black_and_white():
    assert prepare(picture([[0, 255], [255, 0]], "1"), GREY).tolist() == [[[0, 255], [255, 0]]]


def test_mode_rgb_keeps_its_channels_and_becomes_grey_by_luma():
    pixels = [[RED, GREEN], [BLUE, (10, 20, 30)]]
    assert prepare(picture(pixels, "RGB"), COLOUR).tolist() == np.transpose(pixels, (2, 0, 1)).tolist()
    assert prepare(picture(pixels, "RGB"), GREY).tolist() == [[[luma(*p) for p in row] for row in pixels]]


def test_mode_p_looks_its_colours_up():
    assert prepare(palette_picture(), COLOUR)[:, 1, 1].tolist() == [10, 20, 30]
    assert prepare(palette_picture(), GREY).tolist() == [[[76, 150], [29, luma(10, 20, 30)]]]


@pytest.mark.parametrize("transparency", [3, bytes([255, 255, 255, 0])])
def test_mode_p_with_a_transparent_colour_shows_the_background_there(transparency):
    data = encoded(palette_picture(), transparency=transparency)
    assert Image.open(io.BytesIO(data)).mode == "P"
    pixels = decode_image(data, ImageSpec(3, 2, 2, 77))
    assert pixels[:, 1, 1].tolist() == [77, 77, 77]
    assert pixels[:, 0, 0].tolist() == list(RED)


def test_mode_pa_looks_its_colours_up_and_goes_over_the_background():
    image = palette_picture().convert("PA")
    image.putalpha(picture([[255, 255], [255, 0]]))
    assert image.mode == "PA"
    pixels = prepare(image, ImageSpec(3, 2, 2, 77))
    assert pixels[:, 0, 1].tolist() == list(GREEN)
    assert pixels[:, 1, 1].tolist() == [77, 77, 77]


@pytest.mark.parametrize("background", [0, 100, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_goes_over_the_background(mode, background):
    levels, alphas = [0, 200, 200, 200], [0, 0, 128, 255]
    pixels = [(level, a) if mode == "LA" else (level,) * 3 + (a,) for level, a in zip(levels, alphas, strict=True)]
    image = picture([pixels[:2], pixels[2:]], mode)
    expected = [level * a / 255 + background * (255 - a) / 255 for level, a in zip(levels, alphas, strict=True)]
    for spec in (ImageSpec(1, 2, 2, background), ImageSpec(3, 2, 2, background)):
        for channel in prepare(image, spec):
            assert channel.ravel().tolist() == pytest.approx(expected, abs=0.6)
            assert channel[0].tolist() == [background] * 2 and channel[1, 1] == 200


def test_mode_cmyk_is_mixed_from_its_inks():
    pixels = [[(0, 0, 0, 0), (255, 0, 0, 0)], [(0, 255, 255, 0), (0, 0, 0, 255)]]
    expected = [[(255, 255, 255), (0, 255, 255)], [RED, (0, 0, 0)]]
    assert prepare(picture(pixels, "CMYK"), COLOUR).tolist() == np.transpose(expected, (2, 0, 1)).tolist()


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_grey_of_16_bits_is_scaled_and_not_clipped(dtype):
    image = Image.fromarray(np.array([[0, 257 * 100], [257 * 200 + 128, 65535]], dtype))
    assert image.mode.startswith("I;16")
    assert prepare(image, GREY).tolist() == [[[0, 100], [200, 255]]]
    assert prepare(image, COLOUR).tolist() == [[[0, 100], [200, 255]]] * 3


def test_mode_i_is_read_as_16_bits_and_limited():
    image = Image.fromarray(np.array([[-5, 257 * 100], [65535, 1 << 30]], np.int32))
    assert image.mode == "I"
    assert prepare(image, GREY).tolist() == [[[0, 100], [255, 255]]]


def test_mode_f_is_read_as_fractions_or_as_levels():
    fractions = Image.fromarray(np.array([[0, 0.2], [0.5, 1]], np.float32))
    assert prepare(fractions, GREY).tolist() == [[[0, 51], [128, 255]]]
    levels = Image.fromarray(np.array([[np.nan, 2.4], [-np.inf, 270]], np.float32))
    assert prepare(levels, GREY).tolist() == [[[0, 2], [0, 255]]]


def test_grey_of_16_bits_from_a_png_and_a_tiff_file():
    image = Image.fromarray(np.array([[0, 1000], [40000, 65535]], np.uint16))
    for kind in ("PNG", "TIFF"):
        assert decode_image(encoded(image, kind), GREY).tolist() == [[[0, 4], [156, 255]]]


def test_the_first_frame_of_an_animation_counts():
    frames = [picture([[10, 20], [30, 40]]), picture([[99, 99], [99, 99]])]
    for kind in ("GIF", "PNG", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert open_image(data).n_frames == 2
        assert decode_image(data, GREY).tolist() == [[[10, 20], [30, 40]]]


# Orientation and size

UPRIGHT = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: UPRIGHT.T[::-1],
    7: UPRIGHT.T[::-1, ::-1],
    8: UPRIGHT.T[:, ::-1],
}
"""By EXIF orientation: which side the first row and the first column of the file are (EXIF 2.3, tag 274)."""


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_gives_the_same_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(STORED[orientation])), exif=exif)
    assert decode_image(data, ImageSpec(1, 2, 3)).tolist() == [UPRIGHT.tolist()]


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_that_there_is_not_turns_nothing(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_image(encoded(Image.fromarray(UPRIGHT), exif=exif), ImageSpec(1, 2, 3)).tolist() == [UPRIGHT.tolist()]


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3, 50), (50, 3), (7, 9), (200, 120)])
@pytest.mark.parametrize("level", [0, 1, 100, 255])
def test_a_flat_picture_stays_flat_at_any_size(size, level):
    assert (prepare(Image.new("L", size, level), ImageSpec(1, 8, 16)) == level).all()
    assert (prepare(Image.new("RGB", size, (level,) * 3), ImageSpec(3, 16, 8)) == level).all()


@pytest.mark.parametrize("wide", [True, False])
def test_the_centre_is_cropped(wide):
    thirds = np.repeat(np.array([0, 100, 255], np.uint8), 8)[None].repeat(8, 0)
    image = Image.fromarray(thirds if wide else np.ascontiguousarray(thirds.T))
    assert (prepare(image, ImageSpec(1, 8, 8)) == 100).all()
    larger = image.resize((image.width * 3, image.height * 3), Image.Resampling.NEAREST)
    shrunk = prepare(larger, ImageSpec(1, 8, 8)).astype(int)
    assert abs(shrunk[:, 1:-1, 1:-1] - 100).max() < 5  # what is beside the crop rings a little


def test_shrinking_averages_instead_of_picking():
    checks = Image.fromarray(((np.indices((64, 64)).sum(0) % 2) * 255).astype(np.uint8))
    pixels = prepare(checks, ImageSpec(1, 8, 8)).astype(int)
    assert abs(pixels - 127.5).max() < 8


def test_what_is_smaller_is_enlarged():
    pixels = prepare(picture([[0, 255], [0, 255]]), ImageSpec(1, 8, 8))[0].astype(int)
    assert (np.diff(pixels.mean(0)[1:-1]) > 0).all()
    assert pixels[:, :2].max() < 50 and pixels[:, -2:].min() > 200


# Folders


def tree(root, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_folder_is_walked_in_sorted_order_and_sub_folders_are_classes(tmp_path):
    tree(tmp_path, "c.webp", "a.jpg", "b/x/2.png", "b/1.Jpeg", "Z.PNG", "b.gif", "10.bmp", "9.tiff", "d/e/f/g.ppm")
    found = list(find_images([str(tmp_path)]))
    assert [(file.relative, file.label) for file in found] == [
        ("10.bmp", None), ("9.tiff", None), ("Z.PNG", None), ("a.jpg", None), ("b/1.Jpeg", "b"), ("b/x/2.png", "b"),
        ("b.gif", None), ("c.webp", None), ("d/e/f/g.ppm", "d"),
    ]  # fmt: skip
    assert [file.path for file in found] == [str(tmp_path / file.relative) for file in found]


def test_a_folder_gives_files_by_suffix_in_any_case_and_no_dot_files(tmp_path):
    kept = [f"{i:02}{suffix}" for i, suffix in enumerate(sorted(IMAGE_SUFFIXES - CHECKED_SUFFIXES))]
    tree(tmp_path, *kept, "x.PnG", ".hidden.png", ".dot/a.png", "notes.txt", "noext", "png", "a.png.bak", "a.npz")
    assert [file.relative for file in find_images([str(tmp_path)])] == [*kept, "x.PnG"]
    assert len(kept) == 15


def test_links_to_files_count_and_links_to_folders_are_followed_once(tmp_path):
    tree(tmp_path, "in/a.png", "out/b.png")
    (tmp_path / "in/link.png").symlink_to("../out/b.png")
    (tmp_path / "in/loop").symlink_to(".")
    (tmp_path / "in/other").symlink_to("../out")
    (tmp_path / "in/broken.png").symlink_to("nothing")
    assert [file.relative for file in find_images([str(tmp_path / "in")])] == ["a.png", "link.png", "other/b.png"]


def test_a_named_file_is_always_tried(tmp_path):
    tree(tmp_path, "b/.hidden", "b/picture.txt")
    names = [str(tmp_path / "b/picture.txt"), str(tmp_path / "b/.hidden"), "missing.png"]
    found = list(find_images(names))
    assert [file.path for file in found] == names
    assert [(file.relative, file.label) for file in found] == [
        ("picture.txt", None), (".hidden", None), ("missing.png", None)
    ]  # fmt: skip


def test_names_that_are_no_text_are_found(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(encoded(picture([[1, 2], [3, 4]])))
    (batch,) = read_batches(find_images([str(tmp_path)]), GREY, 8)
    assert batch.files[0].relative == "\udcff.png"


def test_a_folder_that_cannot_be_read_is_a_failure_among_the_others(tmp_path):
    gone = str(tmp_path / "missing")
    assert list(walk(gone)) == [gone]
    (batch,) = read_batches([ImageFile(gone, "missing")], ImageSpec(1, 8, 8), 4)
    assert "missing: No such file or directory" in str(batch.failures[0].error)


def test_fifos_are_skipped_in_a_folder_and_refused_by_name_without_hanging(tmp_path):
    tree(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert [file.relative for file in find_images([str(tmp_path)])] == ["a.png"]
    (batch,) = read_batches(find_images([str(tmp_path / "b.png")]), GREY, 8)
    assert isinstance(batch.failures[0].error, ReadWriteError)
    assert "not a regular file" in str(batch.failures[0].error)


def test_a_fifo_that_is_written_to_is_read_by_name(tmp_path):
    tree(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    line = 'exec 3<>"$1/b.png"; (sleep 0.3; cat "$1/a.png" >&3; sleep 0.3) & exec 3>&-; wait'
    writer = subprocess.Popen(["bash", "-c", line, "-", tmp_path])
    while True:  # until the writer has it open
        (batch,) = read_batches(find_images([str(tmp_path / "b.png")]), GREY, 8)
        if batch.files or writer.poll() is not None:
            break
    (expected,) = read_batches(find_images([str(tmp_path / "a.png")]), GREY, 8)
    assert writer.wait(30) == 0 and np.array_equal(batch.value, expected.value)


# Batches


def flat(level: int) -> ImageFile:
    return ImageFile(f"{level}.png", f"{level}.png", data=encoded(Image.new("L", (2, 2), level)))


BAD = [ImageFile(f"bad{i}", f"bad{i}", data=b"no image") for i in range(8)]


def summary(batches) -> list[tuple[list[int], list[str]]]:
    """Return the levels of flat images and the names of the failures, batch by batch."""
    result = []
    for batch in batches:
        assert batch.value.dtype == np.float32 and batch.value.shape[1:] == (1, 2, 2)
        levels = np.rint(batch.value[:, 0, 0, 0] * 255).astype(int).tolist()
        assert [file.path for file in batch.files] == [f"{level}.png" for level in levels]
        result.append((levels, [failure.path for failure in batch.failures]))
    return result


def test_batches_keep_the_order_and_the_first_has_one_image():
    assert summary(read_batches(map(flat, range(6)), GREY, 2)) == [([0], []), ([1, 2], []), ([3, 4], []), ([5], [])]
    assert summary(read_batches([], GREY, 2)) == []


def test_the_first_batch_is_there_before_the_second_file_is_asked_for():
    def files():
        yield flat(7)
        pytest.fail("read ahead")

    assert summary([next(read_batches(files(), GREY, 4))]) == [([7], [])]


def test_failures_come_in_the_batch_where_they_happened():
    files = [BAD[0], flat(1), flat(2), BAD[1], flat(3), BAD[2]]
    assert summary(read_batches(files, GREY, 2)) == [([1], ["bad0"]), ([2, 3], ["bad1"]), ([], ["bad2"])]


def test_failures_alone_are_reported_before_there_are_too_many():
    assert summary(read_batches([*BAD[:5], flat(1)], GREY, 2)) == [([], ["bad0", "bad1"]), ([], ["bad2", "bad3"]),
                                                                   ([1], ["bad4"])]  # fmt: skip


def test_a_failure_says_which_file_and_why(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (batch,) = read_batches(find_images([str(tmp_path / "text.png")]), GREY, 4)
    (failure,) = batch.failures
    assert isinstance(failure, Failure) and isinstance(failure.error, InvalidInput)
    assert failure.path == str(tmp_path / "text.png")
    assert str(failure.error) == "not an image that can be read"
    (batch,) = read_batches(find_images([str(tmp_path / "missing.png")]), GREY, 4)
    assert isinstance(batch.failures[0].error, ReadWriteError)


# Failures of any kind

ERRORS = [
    ZeroDivisionError("0/0"), zlib.error("x"), RecursionError(), UnicodeDecodeError("utf-8", b"x", 0, 1, "y"),
    KeyError(3), MemoryError(), Exception("plug-in"), struct.error("x"), OSError(5, "x"), UserWarning("x"),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("place", "name"), [(files, "read_file"), (Image, "open"), (decode, "prepare")])
def test_whatever_is_raised_for_one_picture_is_a_failure_of_that_picture(tmp_path, monkeypatch, error, place, name):
    for level in range(3):
        (tmp_path / f"{level}.png").write_bytes(encoded(Image.new("L", (2, 2), level)))
    real, calls = getattr(place, name), iter(range(3))

    def fails(*given, **named):
        if next(calls) == 1:
            raise error
        return real(*given, **named)

    monkeypatch.setattr(place, name, fails)
    batches = list(read_batches(find_images([str(tmp_path)]), GREY, 8))
    assert [file.relative for batch in batches for file in batch.files] == ["0.png", "2.png"]
    (failure,) = [failure for batch in batches for failure in batch.failures]
    assert failure.path.endswith("1.png") and isinstance(failure.error, AetoolError)
    assert str(failure.error).isprintable()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_no_failure_of_a_picture(monkeypatch, error):
    def stops(*given, **named):
        raise error

    picture = flat(1)
    monkeypatch.setattr(Image, "open", stops)
    with pytest.raises(error):
        list(read_batches([picture], GREY, 8))


def test_too_little_memory_for_one_picture_is_said(monkeypatch):
    def fails(*given, **named):
        raise MemoryError

    data = encoded(Image.new("L", (2, 2)))
    monkeypatch.setattr(decode, "flatten", fails)
    with pytest.raises(InvalidInput, match="not enough memory for the image"):
        decode_image(data, GREY)


# Damage


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF0000WEBP"]
)
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(InvalidInput, match="not an image that can be read"):
        decode_image(data, GREY)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_picture_cut_in_half_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    assert decode_image(data, GREY).shape == (1, 2, 2)
    with pytest.raises(InvalidInput):
        decode_image(data[: len(data) // 2], GREY)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_no_changed_byte_raises_anything_but_the_errors_of_aetool(kind):
    data = encoded(Image.effect_noise((8, 8), 90).convert("RGB"), kind)
    for at in range(0, len(data), max(1, len(data) // 200)):
        changed = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            assert decode_image(changed, GREY).shape == (1, 2, 2)
        except AetoolError as error:
            assert error.exit_code in (4, 6)


def test_too_many_pixels_are_refused():
    data = encoded(Image.new("L", (8, 9)))
    assert decode_image(data, GREY, Limits(pixels=72)).shape == (1, 2, 2)
    with pytest.raises(LimitExceeded, match="8 x 9 is more than the 71 pixels accepted"):
        decode_image(data, GREY, Limits(pixels=71))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_001, 1_000_000])
def test_a_bomb_is_refused_before_it_is_decoded(side):
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(LimitExceeded, match="more than the 100,000,000 pixels accepted"):
        decode_image(data, GREY)
