"""Images with nothing to learn from are told, with their number and the option that may help; training goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from aetool.training.data.alike import all_equal, count_blank
from aetool.training.data.dataset import load


def drawing(path, colour, i):
    """Save a line of one colour on transparency."""
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    ImageDraw.Draw(image).line((i % 16, 2, 15 - i % 16, 13), fill=(*colour, 255), width=2)
    path.parent.mkdir(exist_ok=True)
    image.save(path)


WORDS = ["--epochs", 1, "--latent-dim", 2, "--threads", 1, "-q"]


@pytest.mark.parametrize(
    ("black", "white", "background", "said"),
    [
        (20, 0, [], None),
        (0, 20, [], None),
        (14, 6, [], None),
        (9, 11, [], None),
        (
            20,
            0,
            ["--background", 0],
            "all 20 images are equal once prepared, so there is nothing to learn; dark drawings",
        ),
        (14, 6, ["--background", 0], "14 of 20 images have one colour everywhere once prepared; dark drawings"),
        (9, 11, ["--background", 0], None),
        (20, 0, ["--background", 255], None),
        (0, 20, ["--background", 255], "all 20 images are equal once prepared, so there is nothing to learn\n"),
    ],
)
def test_drawings_that_vanish_are_told_and_training_goes_on(cli, workplace, black, white, background, said):
    for i in range(20):
        drawing(workplace / f"in/{i:02}.png", (0, 0, 0) if i < black else (255, 255, 255), i)
    code, out, err = cli("train", "in", *background, *WORDS)
    assert (code, out) == (0, b"runs/in\n")
    warnings = [line + "\n" for line in err.splitlines() if "once prepared" in line]
    assert len(warnings) == (said is not None) and (said is None or said in warnings[0])
    assert said is None or ("a --background other than 0, as 255" in warnings[0]) == (background[1] == 0)


def test_equal_images_of_a_file_are_told_without_an_option(cli, workplace):
    np.savez("d.npz", images=np.full((20, 16, 16), 9, np.uint8))
    code, _, err = cli("train", "d.npz", *WORDS)
    assert code == 0 and "warning: all 20 images are equal once prepared, so there is nothing to learn\n" in err


def test_one_other_image_or_pixel_is_a_difference(workplace):
    data = load("digits", 0)
    assert not all_equal(data) and count_blank(data) == 0
    flat = np.full((4, 3, 9, 9), 7, np.uint8)
    flat[:, 1] = 8  # a colour
    train, test = replace(data.train, pixels=flat[:3]), replace(data.test, pixels=flat[3:].copy())
    same = replace(data, train=train, test=test)
    assert all_equal(same) and count_blank(same) == 4
    test.pixels[0, 2, 8, 7] = 6
    assert not all_equal(same) and count_blank(same) == 3
