"""The background of transparent pictures is chosen against what is drawn, said, and kept."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aetool import Bundle
from aetool.images.decode import kind_of
from aetool.images.drawing import CONTRAST, background_for
from aetool.images.png import SIGNATURE, chunk
from aetool.training.config import TrainConfig

WORDS = ["--epochs", 1, "--latent-dim", 2, "--threads", 1]


def drawn(level: int, mode: str = "RGBA", beneath: int = 77, alpha: int = 255) -> Image.Image:
    """Return a disc of one level on nothing; the colour below what is transparent does not count."""
    image = Image.new("RGBA", (40, 30), (beneath,) * 3 + (0,))
    ImageDraw.Draw(image).ellipse((8, 5, 30, 25), fill=(level,) * 3 + (alpha,))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def level_of(data: bytes) -> float | None:
    return kind_of(data, drawn=True).drawing


@pytest.mark.parametrize("level", [0, 3, 128, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_the_level_of_a_drawing_is_seen_whatever_lies_below_the_transparency(level, mode, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    for beneath in (0, 255):
        for alpha in (255, 90):
            found = level_of(encoded(drawn(level, mode, beneath, alpha), kind, **options))
            assert found == pytest.approx(level, abs=2 if kind == "PNG" else 3)


def test_palettes_and_single_transparent_colours_count():
    for level in (0, 255):
        palette = Image.new("P", (40, 30), 1)
        palette.putpalette([level] * 3 + [9, 200, 9])
        ImageDraw.Draw(palette).rectangle((5, 5, 20, 20), fill=0)
        for kind in ("PNG", "GIF"):
            assert level_of(encoded(palette, kind, transparency=1)) == pytest.approx(level, abs=1)
        grey = Image.new("L", (40, 30), 99)
        ImageDraw.Draw(grey).rectangle((5, 5, 20, 20), fill=level)
        assert level_of(encoded(grey, transparency=99)) == pytest.approx(level, abs=1)
        deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        assert level_of(encoded(deep, transparency=99 * 257)) == pytest.approx(level, abs=1)


def test_grey_of_few_bits_with_one_transparent_level_is_scaled():
    for bits in (2, 4):
        rows = bytes([0] + [0x55] * 8) * 8 + bytes([0] + [255] * 8) * 8  # level 1 or 5, and white
        level = 1 if bits == 2 else 5
        head = struct.pack(">IIBBBBB", 64 // bits, 16, bits, 0, 0, 0, 0)
        parts = [(b"IHDR", head), (b"tRNS", struct.pack(">H", level)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        assert level_of(SIGNATURE + b"".join(chunk(*part) for part in parts)) == pytest.approx(255, abs=1), bits


def test_numbers_of_twelve_bits_are_scaled_before_they_are_judged():
    values = np.zeros((16, 16, 4), np.uint16)
    values[4:12, 4:12] = 4095
    rows = np.pad(values.byteswap().view(np.uint8).reshape(16, -1), ((0, 0), (1, 0)))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 6, 0, 0, 0)), (b"IDAT", zlib.compress(rows.tobytes())),
             (b"IEND", b"")]  # fmt: skip
    assert level_of(SIGNATURE + b"".join(chunk(*part) for part in parts)) == pytest.approx(255, abs=1)


def test_opaque_and_empty_pictures_have_no_drawing():
    opaque = Image.new("RGBA", (9, 9), (5, 5, 5, 255))
    empty = Image.new("RGBA", (9, 9), (5, 5, 5, 0))
    for image in (opaque, empty, Image.new("L", (9, 9)), Image.new("RGB", (9, 9))):
        assert level_of(encoded(image)) is None
    assert kind_of(encoded(drawn(0))).drawing is None  # not asked for


@pytest.mark.parametrize(
    ("levels", "background"),
    [([], 0), ([0], 255), ([255], 0), ([0] * 14 + [255] * 6, 128), ([20, 40, 200], 255), ([100, 180, 240], 0),
     ([128] * 5, 0), ([90], 255), ([160], 0), ([0, 128, 255], 0)],
)  # fmt: skip
def test_the_background_is_the_one_on_which_the_fewest_drawings_vanish(levels, background):
    assert background_for(levels) == background


def test_no_drawing_vanishes_where_one_background_shows_all():
    rng = np.random.default_rng(0)
    for _ in range(200):
        levels = rng.uniform(*sorted(rng.uniform(0, 255, 2)), 9).tolist()
        seen = [b for b in (0, 128, 255) if all(abs(level - b) >= CONTRAST for level in levels)]
        assert not seen or background_for(levels) in seen


def fill(folder: Path, levels: list[int]) -> None:
    folder.mkdir()
    for i, level in enumerate(levels):
        image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
        ImageDraw.Draw(image).line((i % 16, 2, 15 - i % 16, 13), fill=(level,) * 3 + (255,), width=2)
        image.save(folder / f"{i:02}.png")


@pytest.mark.parametrize(
    ("levels", "background", "said"),
    [([0] * 20, 255, "20 transparent pictures on white, level 255: what is drawn has a mean level of 0 of 255"),
     ([255] * 20, 0, "20 transparent pictures on black, level 0: what is drawn has a mean level of 255 of 255"),
     ([0] * 10 + [255] * 10, 128, "20 transparent pictures on grey, level 128: what is drawn")],
)  # fmt: skip
def test_training_chooses_says_and_keeps_the_background(cli, workplace, levels, background, said):
    fill(workplace / "in", levels)
    for again in range(2):  # from the files, and from the cache
        code, _, err = cli("train", "in", *WORDS)
        assert code == 0 and err.count(said) == 1 and "once prepared" not in err
        run = "runs/in" + ("-2" if again else "")
        fields = json.loads(Path(run, "config.json").read_text())
        assert fields["image"]["background"] == background and fields["config"]["background"] is None
    fill(workplace / "more", [128] * 30)
    for path in (workplace / "more").iterdir():  # other drawings that came in change nothing
        path.rename(workplace / "in" / f"more-{path.name}")
    code, _, err = cli("export")
    assert code == 0 and "gone" not in err and "30 new pictures" in err
    bundle = Bundle.find("in")
    assert bundle.manifest.image.background == background and "--background" not in bundle.manifest.training["command"]
    assert cli("encode", *(f"in/{source}" for source in bundle.bank().sources), "-m", "in", "-o", "z.npy")[0] == 0
    assert np.array_equal(np.load("z.npy"), bundle.bank().latents)


@pytest.mark.parametrize("background", [0, 9, 255])
def test_a_given_background_is_taken_and_nothing_is_said(cli, workplace, background):
    fill(workplace / "in", [0, 128] * 10)
    code, _, err = cli("train", "in", *WORDS, "--background", background)
    assert code == 0 and "transparent" not in err
    fields = json.loads(Path("runs/in/config.json").read_text())
    assert fields["image"]["background"] == fields["config"]["background"] == background
    assert f"--background {background}" in TrainConfig(dataset="in", background=background).command()


def test_a_folder_without_transparency_says_nothing(cli, workplace):
    (workplace / "in").mkdir()
    for i in range(20):
        Image.new("RGBA" if i % 2 else "L", (16, 16), (5, i, 5, 255) if i % 2 else i).save(f"in/{i:02}.png")
    code, _, err = cli("train", "in", *WORDS)
    assert code == 0 and "transparent" not in err
    assert json.loads(Path("runs/in/config.json").read_text())["image"]["background"] == 0


def test_the_command_of_an_older_run_on_a_data_set_can_be_typed():
    """Its configuration has the background 0 that was the default, which a named data set refuses."""
    config = TrainConfig.from_dict(TrainConfig(dataset="mnist").to_dict() | {"background": 0})
    assert "--background" not in config.command()
    assert "--background 0" in TrainConfig(dataset="photos", background=0).command()
