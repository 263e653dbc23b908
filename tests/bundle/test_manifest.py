"""bundle.json: there and back, and every way in which it may be wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from aetool.bundle.golden import Golden, Samples, golden_pictures
from aetool.bundle.manifest import BEFORE, FORMAT, VERSION, Manifest
from aetool.errors import BundleError
from aetool.images.spec import CURRENT, PREPARATIONS, ImageSpec
from tests.toy import toy_manifest

NAMES = [field.name for field in fields(Manifest) if field.name not in ("pictures", "weights", "scoring", "about")]
GOLDEN = ["latents", "images", "encoded"]


def written() -> dict:
    return json.loads(toy_manifest().to_json())


def read(content: object) -> Manifest:
    return Manifest.from_json(json.dumps(content).encode())


def with_image(**changes) -> dict:
    return written() | {"image": written()["image"] | changes}


def with_golden(**changes) -> dict:
    return written() | {"golden": written()["golden"] | changes}


def test_a_manifest_comes_back_from_json():
    manifest = toy_manifest()
    back = Manifest.from_json(manifest.to_json())
    for name in set(NAMES) - {"golden"}:
        assert getattr(back, name) == getattr(manifest, name), name
    for name in GOLDEN:
        array = getattr(back.golden, name)
        assert np.array_equal(array, getattr(manifest.golden, name)) and array.dtype == np.float32
    assert back.to_json() == manifest.to_json()


def test_golden_numbers_come_back_to_the_bit():
    rng = np.random.default_rng(0)
    latents, encoded = rng.normal(size=(2, 3, 4)).astype(np.float32) * 1e-3
    images = rng.uniform(0, 1, (3, 1, 8, 8)).astype(np.float32)
    back = Manifest.from_json(replace(toy_manifest(), golden=Golden(latents, images, encoded)).to_json()).golden
    for found, given in ((back.latents, latents), (back.images, images), (back.encoded, encoded)):
        assert np.array_equal(found.view(np.uint32), given.view(np.uint32))


@pytest.mark.parametrize("classes", [(), ("8",), ("größe", "two\nlines", "", "文字")])
@pytest.mark.parametrize("spec", [ImageSpec(1, 8, 8), ImageSpec(3, 28, 30, 255)])
def test_other_classes_and_specs_come_back(classes, spec):
    golden = Golden(np.zeros((2, 4), np.float32), np.zeros((2, *spec.shape), np.float32), np.zeros((2, 4), np.float32))
    back = Manifest.from_json(replace(toy_manifest(), classes=classes, image=spec, golden=golden).to_json())
    assert back.classes == classes and back.image == spec
    assert back.golden.images.shape == (2, *spec.shape)


def test_the_file_is_readable_json_that_says_what_it_is():
    data = toy_manifest().to_json()
    assert data.endswith(b"}\n") and data.count(b"\n") > 50
    content = json.loads(data)
    assert list(content)[:2] == ["format", "version"]
    assert (content["format"], content["version"]) == (FORMAT, BEFORE) == ("aetool bundle", 2)
    assert set(content) == {"format", "version", "preparation", *NAMES}
    assert content["image"] == {"channels": 1, "height": 8, "width": 8, "background": 0}
    assert content["preparation"] == asdict(PREPARATIONS[CURRENT])
    assert set(content["golden"]) == set(GOLDEN)


def test_golden_pictures_lie_with_the_preparation():
    manifest = replace(toy_manifest(), pictures=golden_pictures(toy_manifest().image))
    content = json.loads(manifest.to_json())
    assert set(content["preparation"]["golden"]) == {"pillow", "png", "jpeg"} and content["version"] == BEFORE
    assert Manifest.from_json(manifest.to_json()).to_json() == manifest.to_json()
    for wrong in (5, {}, content["preparation"]["golden"] | {"jpeg": None}):
        content["preparation"]["golden"] = wrong
        with pytest.raises(BundleError, match="damaged or incomplete"):
            read(content)


def test_a_manifest_with_samples_of_large_images_names_a_newer_version_and_stays_small():
    spec, latents = ImageSpec(3, 512, 512), np.random.default_rng(0).normal(size=(2, 1024)).astype(np.float32)
    images = np.random.default_rng(0).random((2, *spec.shape), np.float32)
    pictures, golden = golden_pictures(spec), Golden(latents, Samples.of(images), latents)
    manifest = replace(toy_manifest(), image=spec, latent_size=1024, golden=golden, pictures=pictures)
    data = manifest.to_json()
    assert json.loads(data)["version"] == VERSION == 3 and len(data) < 256_000
    assert Manifest.from_json(data).to_json() == data


def test_the_largest_images_that_are_kept_whole_stay_small():
    spec, latents = ImageSpec(3, 64, 64), np.random.default_rng(0).normal(size=(2, 1024)).astype(np.float32)
    images = np.random.default_rng(0).random((2, *spec.shape), np.float32)
    golden = Golden(latents, images, latents)
    manifest = replace(toy_manifest(), image=spec, latent_size=1024, golden=golden, pictures=golden_pictures(spec))
    data = manifest.to_json()
    assert json.loads(data)["version"] == BEFORE and len(data) < 256_000
    assert Manifest.from_json(data).to_json() == data


@pytest.mark.parametrize("version", PREPARATIONS)
def test_the_preparation_comes_back_by_its_version(version):
    manifest = replace(toy_manifest(), image=replace(toy_manifest().image, preparation=version))
    assert Manifest.from_json(manifest.to_json()).image.preparation == version


def test_a_manifest_without_a_preparation_has_the_first():
    content = written()
    del content["preparation"]
    assert read(content).image.preparation == 1
    assert json.loads(read(content).to_json())["preparation"]["version"] == 1


def test_a_later_preparation_is_told_and_not_called_damage():
    with pytest.raises(BundleError, match="prepared by version 99, which is not known here; update aetool"):
        read(written() | {"preparation": {"version": 99, "later": 5}})


@pytest.mark.parametrize("value", [None, 2, "2", [], {}, *({"version": v} for v in (None, 0, -1, True, "2", 2.0, [2]))])
def test_a_preparation_that_cannot_be_is_refused(value):
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(written() | {"preparation": value})


def test_unknown_fields_are_left_out():
    assert read(written() | {"later": [1, 2]}).to_json() == toy_manifest().to_json()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_field_is_refused(name):
    content = written()
    del content[name]
    with pytest.raises(BundleError, match=rf"bundle\.json is damaged or incomplete \(KeyError: '{name}'\)"):
        read(content)


@pytest.mark.parametrize("name", ["channels", "height", "width"])
def test_a_missing_field_of_the_image_spec_is_refused(name):
    content = written()
    del content["image"][name]
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(content)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_missing_golden_value_is_refused(name):
    content = written()
    del content["golden"][name]
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(content)


KINDS = {"null": None, "bool": True, "number": 1.5, "text": "text", "list": [1], "object": {"a": 1}}
RIGHT = {"layers": "list", "exported": "text"} | dict.fromkeys(
    ("architecture", "dataset", "training", "distortion", "parity"), "object"
)


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in NAMES for k in KINDS if RIGHT.get(n) != k])
def test_a_field_of_another_kind_is_refused(name, kind):
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(written() | {name: KINDS[kind]})


@pytest.mark.parametrize(
    "changes",
    [{"architecture": {}}, {"dataset": {}}, {"training": {}}, {"distortion": {}}, {"parity": {}}, {"layers": [1]}],
    ids=str,
)
def test_a_field_without_what_aetool_info_shows_of_it_is_refused(changes):
    with pytest.raises(BundleError):
        read(written() | changes)


@pytest.mark.parametrize(
    "quantiles",
    [[], [0.0] * 100, [0.0] * 102, [0.0] * 100 + [-1.0], [0.0] * 100 + [float("nan")], [0.0] * 100 + [float("inf")],
     ["0"] * 101, [True] * 101],
    ids=["none", "100", "102", "falling", "nan", "infinite", "texts", "truths"],
)  # fmt: skip
def test_quantiles_that_are_none_are_refused(quantiles):
    distortion = written()["distortion"] | {"quantiles": quantiles}
    with pytest.raises(BundleError, match="distortion"):
        read(written() | {"distortion": distortion})


@pytest.mark.parametrize("size", [0, -1, 4.0, "4", 65537, 10**30, True, 3, 5])
def test_a_latent_size_that_cannot_be_is_refused(size):
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(written() | {"latent_size": size})


@pytest.mark.parametrize(("size", "fits"), [(1, True), (65536, True), (65537, False)])
def test_a_latent_size_goes_up_to_65536(size, fits):
    content = with_golden(latents=[[0] * size], encoded=[[0] * size]) | {"latent_size": size}
    if fits:
        assert read(content).latent_size == size
        return
    with pytest.raises(BundleError, match="a whole number from 1 to 65536 expected"):
        read(content)


def test_true_is_no_latent_size():
    with pytest.raises(BundleError, match="a whole number from 1 to 65536 expected"):
        read(with_golden(latents=[[0]], encoded=[[0]]) | {"latent_size": True})


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": 0}, {"channels": 2}, {"channels": 4}, {"channels": "1"}, {"channels": 1.0}, {"channels": [1]},
        {"channels": True}, {"channels": 3}, {"height": 0}, {"height": -8}, {"height": 8.0}, {"height": 4097},
        {"height": None}, {"height": 10**30}, {"width": 0}, {"width": "8"}, {"width": True}, {"width": 9},
        {"background": -1}, {"background": 256}, {"background": 0.5}, {"background": None}, {"extra": 1},
        {"preparation": 2},
    ],
    ids=str,
)  # fmt: skip
def test_an_image_spec_that_cannot_be_is_refused(changes):
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(with_image(**changes))


def test_a_background_may_be_left_out():
    content = written()
    del content["image"]["background"]
    assert read(content).image.background == 0


@pytest.mark.parametrize("classes", [["a", "a"], ["a", 1], [None], [["a"]], {"a": 1}, "ab"])
def test_classes_must_be_different_texts(classes):
    with pytest.raises(BundleError, match="class names must be different texts"):
        read(written() | {"classes": classes})


def pixels(*values: float) -> str:
    return base64.b64encode(np.resize(np.array(values, "<f4"), 64).tobytes()).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"latents": [[0, 0, 0]]}, {"latents": [[0, 0, 0, 0, 0]]}, {"latents": [0, 0, 0, 0]}, {"latents": []},
        {"latents": [[0, 0, 0, "x"]]}, {"latents": [[0, 0, 0, None]]}, {"latents": [[0, 0, 0, float("nan")]]},
        {"latents": [[0, 0, 0, 1e300]]}, {"latents": [[0] * 4] * 2}, {"latents": [[0, 0, 0, 0], [0]]},
        {"encoded": [[0] * 4] * 2}, {"encoded": [[0, 0, 0, float("inf")]]}, {"encoded": "text"},
        {"images": ""}, {"images": 5}, {"images": [0.5] * 64}, {"images": pixels(0)[:-4]},
        {"images": pixels(0) + "AAAA"},
        {"images": "*" + pixels(0)[1:]}, {"images": "ä" + pixels(0)[1:]}, {"images": pixels(0, 1.5)},
        {"images": pixels(0, -0.5)}, {"images": pixels(0, np.nan)}, {"images": pixels(0, np.inf)},
    ],
)  # fmt: skip
def test_golden_values_that_cannot_be_are_refused(changes):
    with pytest.raises(BundleError, match="damaged or incomplete"):
        read(with_golden(**changes))


@pytest.mark.parametrize("name", ["latents", "encoded"])
def test_a_golden_number_beyond_float64_is_refused(name):
    with pytest.raises(BundleError):
        read(with_golden(**{name: [[0, 0, 0, 10**400]]}))


@pytest.mark.parametrize("version", [0, 4, 99, "1", None, [1]])
def test_another_version_is_refused(version):
    with pytest.raises(BundleError, match="of another version; update aetool"):
        read(written() | {"version": version})


def test_a_newer_version_is_told_whatever_else_is_in_it():
    with pytest.raises(BundleError, match="of another version"):
        read({"format": FORMAT, "version": 4})


@pytest.mark.parametrize("content", [[], 5, None, "text", {}, {"format": "other"}, {"version": 1}, {"format": None}])
def test_json_that_is_no_manifest_is_refused(content):
    with pytest.raises(BundleError, match="is not the manifest of a bundle"):
        read(content)


@pytest.mark.parametrize("data", [b"", b"{", b"hello", b"\xff\xfe\0", b"[" * 100_000, toy_manifest().to_json()[:-3]])
def test_what_is_no_json_is_refused(data):
    with pytest.raises(BundleError, match="is not JSON"):
        Manifest.from_json(data)


def test_class_names_that_are_no_text_can_be_written():
    manifest = replace(toy_manifest(), classes=("bad\udcff", "light"))
    assert Manifest.from_json(manifest.to_json()).classes == manifest.classes
