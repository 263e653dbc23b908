"""The code of a preparation cannot change without its version; the golden pictures are the same everywhere."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from aetool.bundle import golden as kept
from aetool.bundle.golden import PIXELS, PLACES, WHOLE, Golden, GoldenPictures, Prepared, Samples
from aetool.errors import BundleError
from aetool.images import golden
from aetool.images.decode import open_image
from aetool.images.golden import golden_pictures, prepared
from aetool.images.jpeg import jpeg_file
from aetool.images.orientation import orientation
from aetool.images.scaled import scale_decoding
from aetool.images.spec import PREPARATIONS, ImageSpec
from tests.images.prepared import FILE, pixels

SPECS = [(1, 28, 28), (3, 64, 64), (3, 24, 40), (1, 8, 8), (3, 130, 512)]
PNG, JPEG = "21f2c4f6f6d71f34", "f9affb489b2e4567"
"""Beginnings of the sha256 of the pixels of the golden PNG, and of the bytes of the golden JPEG."""


@pytest.mark.parametrize("version", PREPARATIONS)
def test_the_pixels_of_every_version_stay(version):
    """To the bit with the Pillow that made the file, within a level with another."""
    with np.load(FILE) as stored:
        same = str(stored[f"{version} pillow"]) == PIL.__version__
        expected = {name: stored[name] for name in stored.files if name.startswith(f"{version} ")}
    del expected[f"{version} pillow"]
    found = pixels(version)
    assert found.keys() == expected.keys(), "run: python -m tests.images.prepared"
    for name, values in found.items():
        apart = abs(values.astype(int) - expected[name]).max()
        assert apart <= (0 if same else 1), f"{name}: other pixels need a new version of the preparation"


def test_golden_pictures_are_the_same_bytes_everywhere():
    found = golden_pictures(ImageSpec(3, 24, 40))
    assert hashlib.sha256(found["jpeg"]).hexdigest()[:16] == JPEG
    with Image.open(io.BytesIO(found["png"])) as image:
        assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == PNG  # zlib may pack otherwise


@pytest.mark.parametrize("shape", SPECS, ids=str)
def test_golden_pictures_have_what_they_are_to_prove(shape):
    spec = ImageSpec(*shape)
    found = golden_pictures(spec)
    png, jpeg = (open_image(found[name]) for name in ("png", "jpeg"))
    assert png.width > spec.height and png.height > spec.width and orientation(png) == 7
    assert {0, 255} < set(np.asarray(png)[..., 3].ravel().tolist()) and png.mode == "RGBA"
    assert jpeg.size == (4 * spec.height, 4 * spec.width) and orientation(jpeg) == 6
    assert scale_decoding(jpeg, spec) == (0, 0, 2 * spec.width, 2 * spec.height)
    assert {name: len(np.unique(one)) > 40 for name, one in prepared(spec).items()} == {"png": True, "jpeg": True}


@pytest.mark.parametrize("change", ["background", "filter", "crop", "scale", "turn"])
def test_another_preparation_is_more_than_a_level_away(change, monkeypatch):
    spec = ImageSpec(3, 32, 32, 200)
    first = {name: Prepared.of(found) for name, found in prepared(spec).items()}
    decode = "aetool.images.decode."
    if change == "background":
        spec = ImageSpec(3, 32, 32, 190)
    elif change == "filter":
        monkeypatch.setattr(decode + "scaled", lambda image, *_: ImageOps.fit(image, (32, 32), Image.BICUBIC))
    elif change == "crop":
        monkeypatch.setattr(decode + "scaled", lambda image, *_: image.resize((32, 32), Image.LANCZOS))
    elif change == "scale":
        spec = ImageSpec(3, 32, 32, 200, 1)
    else:
        monkeypatch.setattr(decode + "TURNS", {})
    apart = {name: first[name].difference(Prepared.of(found)) for name, found in prepared(spec).items()}
    assert max(apart.values()) > 1


def test_a_jpeg_made_in_code_is_read_to_its_last_block():
    for width, height in ((1, 1), (16, 16), (17, 15), (100, 333), (2000, 9)):
        image = open_image(jpeg_file(width, height))
        image.load()
        assert image.size == (width, height) and image.mode == "RGB"
        assert np.asarray(image)[-1, -1].std() >= 0


def test_prepared_pixels_are_compared_by_levels_and_by_their_sha256():
    base = np.full((1, 200, 200), 100, np.uint8)
    assert Prepared.of(base).difference(Prepared.of(base.copy())) == 0
    for step in (1, 2, 100):
        other = base.copy()
        other[0, 50:] += np.uint8(step)
        assert Prepared.of(base).difference(Prepared.of(other)) == step
    hidden = base.copy()
    hidden.ravel()[np.setdiff1d(np.arange(40_000), kept.spread(40_000, PIXELS))[0]] += 9
    assert Prepared.of(base).difference(Prepared.of(hidden)) == 1


@pytest.mark.parametrize(("count", "most"), [(1, 5), (5, 5), (6, 5), (12_289, 4096), (786_432, 4096), (10**7, 4096)])
def test_places_are_in_order_and_in_every_part(count, most):
    places = kept.spread(count, most)
    assert len(places) == min(count, most) and (np.diff(places) > 0).all() and places[-1] < count
    assert (np.diff(places) < 2 * count / len(places) + 2).all()
    if count > 512 * 512:
        assert len(np.unique(places % 512)) > 400


@pytest.mark.parametrize("shape", [(3, 512, 512), (16, 512, 512), (5, 70, 70), (1, 112, 112)], ids=str)
def test_samples_of_large_images_come_back_and_stay_small(shape):
    rng = np.random.default_rng(0)
    images = rng.random((2, *shape), np.float32)
    latents = rng.normal(size=(2, 128)).astype(np.float32)
    golden = Golden(latents, Samples.of(images), latents)
    fields = json.loads(json.dumps(golden.to_dict()))
    assert len(json.dumps(fields, indent=1)) < 64_000
    back = Golden.from_dict(fields, ImageSpec(*shape), 128)
    assert back.images.values.shape == (2, PLACES) and np.array_equal(back.images.values, golden.images.values)
    assert np.array_equal(back.images.means, golden.images.means) and back.images.means.shape == (2, shape[0])
    assert np.array_equal(back.latents, latents)


def sampled(**changes) -> dict:
    spec = ImageSpec(3, 80, 80)
    latents = np.zeros((1, 4), np.float32)
    return Golden(latents, Samples.of(np.zeros((1, *spec.shape), np.float32)), latents).to_dict() | changes


@pytest.mark.parametrize(
    "changes",
    [{"values": ""}, {"values": "AAAA"}, {"values": 5}, {"means": [[0, 0]]}, {"means": [[0, 0, 2]]}, {"means": []},
     {"means": [[0, 0, float("nan")]]}, {"means": [[0, 0, 0]] * 2}, {"values": "//9/fw" * 3641}],
    ids=lambda changes: str(changes)[:30],
)  # fmt: skip
def test_samples_that_cannot_be_are_refused(changes):
    assert Golden.from_dict(sampled(), ImageSpec(3, 80, 80), 4)
    with pytest.raises((ValueError, TypeError)):
        Golden.from_dict(sampled(**changes), ImageSpec(3, 80, 80), 4)


def test_small_images_are_kept_whole():
    assert np.prod(ImageSpec(3, 64, 64).shape) == WHOLE
    with pytest.raises(ValueError, match="another shape"):
        Golden.from_dict(sampled(), ImageSpec(3, 64, 64), 4)


@pytest.mark.parametrize("shape", SPECS, ids=str)
def test_golden_pictures_come_back_from_json_and_stay_small(shape):
    spec = ImageSpec(*shape)
    found = kept.golden_pictures(spec)
    fields = json.loads(json.dumps(found.to_dict()))
    assert len(json.dumps(fields)) < 2 * 4 / 3 * PIXELS + 500
    back = GoldenPictures.from_dict(fields, spec)
    assert back.pillow == PIL.__version__ and back.to_dict() == found.to_dict()
    assert [one.difference(found.pictures[name]) for name, one in back.pictures.items()] == [0, 0]


def test_channels_that_png_and_jpeg_lack_have_no_golden_pictures():
    assert kept.golden_pictures(ImageSpec(5, 16, 16)) is None
    assert GoldenPictures.from_dict(None, ImageSpec(5, 16, 16)) is None


def test_golden_pictures_that_cannot_be_are_refused():
    spec = ImageSpec(1, 8, 8)
    good = kept.golden_pictures(spec).to_dict()
    one = good["png"]
    parts = [None, one | {"pixels": "AAAA"}, one | {"pixels": "*" * 88}, one | {"sha256": 1}, one | {"sha256": "00"}]
    for fields in (5, [], {}, *(good | {"png": part} for part in parts), {"png": one, "pillow": "1"}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            GoldenPictures.from_dict(fields, spec)


def test_a_golden_picture_that_cannot_be_read_is_said(monkeypatch):
    monkeypatch.setattr(golden, "golden_pictures", lambda spec: {"png": b"nothing"})
    with pytest.raises(BundleError, match="a golden picture cannot be prepared here: not an image"):
        prepared(ImageSpec(1, 8, 8))
