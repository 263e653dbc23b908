"""Model cards: what hubs read of them, what an author says, and the picture of samples."""

from __future__ import annotations

import io
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.bundle.about import About, about
from aetool.bundle.bundle import Bundle
from aetool.bundle.card import card, repository
from aetool.bundle.folder import CARD, SAMPLES, SAMPLES_BYTES, check_free, write
from aetool.bundle.front import front_matter
from aetool.bundle.manifest import Manifest
from aetool.errors import UsageError
from aetool.images.layout import Layout, encode_pictures
from aetool.latents.bank import make_bank
from aetool.latents.bank_file import write_bank
from aetool.model.overview import COLUMNS, ROWS, SIDE, _fitted, overview
from tests.banded import write_banded
from tests.toy import toy_bank, toy_latents, toy_manifest

ABOUT = About("Apache-2.0", "Ada | Lovelace", "Four quadrants.\n\nOf *grey*.")


def fields(text: str) -> list[str]:
    """Return the lines of the front matter."""
    start, lines, _ = text.split("---\n", 2)
    assert start == ""
    return lines.splitlines()


def whole(manifest: Manifest, name: str = "toy", **more) -> str:
    return card(name, "0" * 16, manifest, True, (6, 6), True, **more)


def with_bank(path: Path, bank, **changes) -> Bundle:
    bundle = Bundle.read(path)
    files = {**bundle.files, "bank.npz": write_bank(bank)}
    return replace(bundle, files=files, manifest=replace(bundle.manifest, classes=bank.classes, **changes))


# Front matter


def test_a_hub_finds_library_licence_data_and_results_beside_pca():
    d = toy_manifest().distortion | {"test": 0.00438, "pca": 1e-9, "psnr": 24.5, "ssim": 0.95}
    manifest = replace(toy_manifest(), distortion=d, about=ABOUT)
    lines = fields(front_matter("toy", manifest))
    assert lines[:2] == ["library_name: aetool", "license: apache-2.0"] and "datasets: []" in lines
    at = lines.index("    metrics:")
    assert lines[at + 1 : at + 7] == [
        "    - type: mse", '      name: "Test mse, per value in [0, 1]"', "      value: 0.0043800",
        "    - type: mse", '      name: "Test mse of PCA with 4 components"', "      value: 0.0000000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "command", "found"),
    [
        ("mnist", "aetool train mnist --epochs 5", "- ylecun/mnist"),
        ("fashion-mnist", "aetool train fashion-mnist", "- zalando-datasets/fashion_mnist"),
        ("mnist", "aetool import encoder.onnx decoder.onnx --data mnist", "- ylecun/mnist"),
        ("mnist", "aetool train ./mnist", "datasets: []"),
        ("mnist", "aetool train --files-from mnist", "datasets: []"),
        ("emotion", "aetool train emotion", "datasets: []"),
    ],
)
def test_only_data_sets_that_the_hub_has_are_named(name, command, found):
    manifest = toy_manifest()
    training = manifest.training | {"command": command} | ({"imported": {}} if "import" in command else {})
    lines = fields(front_matter("x", replace(manifest, dataset=manifest.dataset | {"name": name}, training=training)))
    assert found in lines


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_figures_that_were_not_measured_are_left_out(value):
    d = dict.fromkeys(("test", "pca", "psnr", "ssim", "train"), value)
    lines = fields(front_matter("toy", replace(toy_manifest(), distortion=d)))
    assert "model-index:" not in lines and "metrics:" not in " ".join(lines)


@pytest.mark.parametrize(
    "name", ['"', "a: b", "- x", "---", "yes", "\\", "#", "größe", "\U0001f600", "a\x1b\x85\u2028b", "\udc80"]
)
def test_names_stay_texts_of_yaml(name):
    manifest = replace(toy_manifest(), dataset=toy_manifest().dataset | {"name": name})
    text = front_matter(name, manifest)
    (line,) = (line for line in fields(text) if line.startswith("- name: "))
    assert re.fullmatch(r'- name: "([^"\\]|\\["\\])*"', line) and text.encode().decode().replace("\n", "").isprintable()


# What an author says


def test_licence_author_and_description_are_on_the_card_and_in_the_manifest():
    manifest = replace(toy_manifest(), about=ABOUT)
    text = whole(manifest)
    assert "# toy\n\nFour quadrants.\n\nOf *grey*.\n\nAn autoencoder" in text
    assert "| Author | Ada \\| Lovelace |\n| License | apache-2.0 |\n" in text
    again = Manifest.from_json(manifest.to_json())
    assert again.about == replace(ABOUT, license="apache-2.0")
    assert Manifest.from_json(toy_manifest().to_json()).about is None


@pytest.mark.parametrize(
    "said",
    [{"license": "my own"}, {"license": "mit\n"}, {"license": "a" * 65}, {"license": "mit: x"}, {"author": "a" * 501},
     {"description": " "}, {"description": "a" * 20_001}, {"license": "-"}],
)  # fmt: skip
def test_what_is_no_licence_or_too_long_is_refused(said):
    with pytest.raises(UsageError) as caught:
        about(**({"license": None, "author": None, "description": None} | said))
    assert len(str(caught.value)) < 200


def test_options_of_export_fill_the_card(digits_run, cli, tmp_path):
    words = ["--license", "MIT", "--author", "Ada", "--description", "Digits."]
    code, _, err = cli("export", digits_run, "-o", tmp_path / "x", "-q", *words)
    assert code == 0, err
    text = (tmp_path / "x" / CARD).read_text()
    assert "license: mit" in fields(text) and "| Author | Ada |" in text and "\nDigits.\n" in text
    assert Bundle.read(tmp_path / "x").manifest.about == About("mit", "Ada", "Digits.")
    assert {b"license       mit", b"author        Ada"} <= set(cli("info", tmp_path / "x")[1].splitlines())
    assert (tmp_path / "x" / SAMPLES).stat().st_size < SAMPLES_BYTES and "![" in text
    code, out, err = cli("export", digits_run, "-o", tmp_path / "y", "--license", "my own")
    assert (code, out) == (2, b"") and "apache-2.0" in err and err.count("\n") == 1 and not (tmp_path / "y").exists()


# The rest of the card


def test_classes_have_their_counts():
    assert "| Classes | dark: 6, light: 6 training images |" in whole(toy_manifest())
    many = replace(toy_manifest(), classes=tuple(f"c{i}" for i in range(100)))
    assert "c19: 1 and 80 more training images |" in card("x", "0" * 16, many, True, (1,) * 100)
    assert "| Classes | none |" in card("x", "0" * 16, replace(toy_manifest(), classes=()), True)


def test_the_only_link_is_that_to_the_samples_and_stands_only_where_they_are():
    assert re.findall(r"\]\((.*?)\)", whole(toy_manifest())) == [SAMPLES]
    without = card("toy", "0" * 16, toy_manifest(), True, (6, 6))
    assert "](" not in without and SAMPLES not in without and "http" not in without


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("mnist", "mnist"), ("my model", "my-model"), ("größe", "gr-e"), ("a--b..c", "a-b.c"), ("...", "model"),
     ("x.git", "x"), ("-a.", "a"), ("a" * 200, "a" * 90), ("\u202e", "model"), ("a-2", "a-2"), ("$(rm)", "rm")],
)  # fmt: skip
def test_the_card_tells_the_one_line_that_shares_the_bundle(name, allowed):
    from aetool.bundle.address import address_of

    text = whole(toy_manifest(), name)
    assert re.findall(r"^    (hf upload .*)", text, re.M) == [f"hf upload OWNER/{allowed} . ."]
    assert repository(name) == allowed and address_of(f"hf:OWNER/{allowed}").name == allowed


# The picture


def image_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_samples_are_outside_the_sums_optional_and_never_read(toy, tmp_path):
    bundle = Bundle.read(toy)
    write(tmp_path / "x", dict(bundle.files), "card", replace=False, samples=b"no picture")
    assert Bundle.read(tmp_path / "x").files == bundle.files
    assert SAMPLES not in (tmp_path / "x" / "SHA256SUMS").read_text()
    (tmp_path / "x" / SAMPLES).unlink()
    (tmp_path / "x" / SAMPLES).symlink_to("/dev/zero")
    Bundle.read(tmp_path / "x")
    check_free(tmp_path / "x", force=True)
    (tmp_path / "x" / SAMPLES).rename(tmp_path / "x" / "Samples.png")
    with pytest.raises(Exception, match=r"Samples.png does not belong there"):
        Bundle.read(tmp_path / "x")


def test_commands_take_no_samples_for_data(toy, tmp_path, cli, workplace):
    bundle = Bundle.read(toy)
    write(tmp_path / "x", dict(bundle.files), "card", replace=False, samples=overview(bundle))
    for place in ("x", "."):
        code, out, err = cli("encode", place, "-m", toy)
        assert (code, out) == (4, b"") and "no image found" in err
    assert len(cli("encode", "x/samples.png", "-m", toy)[1].splitlines()) == 2 * COLUMNS  # named, it is a picture


def test_rows_are_classes_with_their_reconstructions_first(toy, cli, workplace):
    data = overview(Bundle.read(toy))
    Path("samples.png").write_bytes(data)
    assert data == overview(Bundle.read(toy))
    code, _, _ = cli("encode", "samples.png", "-m", toy, "-o", "z.npy", "-q")
    latents = np.load("z.npy")
    assert code == 0 and latents.shape == (2 * COLUMNS, 4)
    known = toy_latents()
    assert all(np.abs(known - row).max(1).min() < 0.003 for row in latents[[0, 1, 2, 3, 12, 13, 14, 15]])
    assert (latents[:12] < 0.6).all() and (latents[12:] > 0.5).all()


def test_without_latents_in_the_bank_all_are_new(toy):
    full, labels = toy_bank(), np.repeat([0, 1], 6)
    for mixtures in (None, full.mixtures):
        bank = make_bank(toy_latents(), labels, list("abcdefghijkl"), full.classes, 0, False, mixtures)
        assert overview(with_bank(toy, bank)) is not None


def test_few_images_many_classes_and_none(toy):
    one = make_bank(toy_latents()[:1], np.zeros(1, int), ["a"], ("only",), 0)
    assert image_of(overview(with_bank(toy, one))).shape[0] < 2 * SIDE
    many = make_bank(toy_latents(), np.arange(12), list("abcdefghijkl"), tuple(f"größe {i}" for i in range(12)), 0)
    assert image_of(overview(with_bank(toy, many))).shape[0] == ROWS * (SIDE + 2) + 2
    none = make_bank(toy_latents(), np.full(12, -1), list("abcdefghijkl"), (), 0)
    assert image_of(overview(with_bank(toy, none))).shape == (4 * (SIDE + 2) + 2, COLUMNS * (SIDE + 2) + 2)
    partly = make_bank(toy_latents()[:6], np.zeros(6, int), list("abcdef"), ("dark", "light"), 0)
    assert image_of(overview(with_bank(toy, partly))).shape[0] < 2 * SIDE


def test_bundles_of_bands_and_without_images_have_no_picture(toy, tmp_path):
    assert overview(Bundle.read(write_banded(tmp_path / "banded"))) is None
    empty = make_bank(np.empty((0, 4), np.float32), np.empty(0, int), [], ("dark", "light"), 0)
    assert overview(with_bank(toy, empty)) is None


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 64), (3, 512, 512), (1, 8, 512), (3, 63, 17), (3, 65, 64)])
def test_the_picture_is_small_however_badly_it_is_compressed(shape):
    noise = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    fitted = np.tile(_fitted(noise), (ROWS * COLUMNS // 2, 1, 1, 1))
    assert max(fitted.shape[2:]) <= SIDE and fitted.shape[1] == shape[0] and min(fitted.shape[2:]) >= 1
    tiles = np.random.default_rng(1).integers(0, 256, fitted.shape, np.uint8)
    data = encode_pictures(tiles, ".png", Layout(COLUMNS, scale=max(1, SIDE // max(fitted.shape[2:]))))
    assert len(data) <= SAMPLES_BYTES


def test_an_upgrade_makes_card_and_picture_for_older_bundles_twice_the_same(toy, tmp_path):
    from tests.bundle.test_upgrade import upgrade

    path = Path(shutil.copytree(toy, tmp_path / "old"))
    upgrade(path)
    first = {one.name: one.read_bytes() for one in path.iterdir()}
    upgrade(path)
    assert {one.name: one.read_bytes() for one in path.iterdir()} == first and SAMPLES in first
    assert b"| dark: 6, light: 6 training images |".replace(b"| d", b"| Classes | d") in first[CARD]
