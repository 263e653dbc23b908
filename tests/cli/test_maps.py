"""`aetool score`: distances, heat maps as pictures and as numbers, older bundles, and the blank image."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import write
from aetool.bundle.scoring import ENOUGH, scale_of, scoring
from aetool.latents.bank_file import write_bank
from tests.toy import picture, toy_bank, toy_image, toy_latents


def with_scoring(toy: Path, path: Path, images: int = 100, **bank) -> Path:
    """Return a copy of the toy bundle that knows `images` held-out images, and has another bank."""
    shutil.copytree(toy, path)
    bundle, rng = Bundle.read(path), np.random.default_rng(0)
    found = scoring(rng.uniform(0.001, 0.01, images), rng.uniform(0, 0.1, images),
                    scale_of(np.full((8, 8), 0.01), images), rng.uniform(0.1, 0.5, images))  # fmt: skip
    files = {
        **bundle.files,
        "bundle.json": replace(bundle.manifest, scoring=found).to_json(),
        "bank.npz": write_bank(replace(toy_bank(), **bank)),
    }
    write(path, files, "card", replace=True)
    return path


@pytest.fixture
def model(toy, workplace) -> Path:
    """A model that knows distances, and pictures: one of the bank, one with a spot, one far from all."""
    latents = (toy_latents()[0] * 255).astype(int)
    toy_image(*latents).save("known.png")
    spotted = np.asarray(toy_image(*latents)).copy()
    spotted[5, 5] = 255
    Image.fromarray(spotted).save("spotted.png")
    toy_image(255, 0, 255, 0).save("far.png")
    return with_scoring(toy, workplace / "scored")


def lines(out: bytes) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_mse_stays_and_distance_joins(cli, model):
    code, out, err = cli("score", "known.png", "spotted.png", "far.png", "-m", model, "--json")
    known, spotted, far = lines(out)
    assert code == 0 and err == "" and list(known) == ["source", "mse", "percentile", "distance"]
    assert known["mse"] == far["mse"] == 0 and known["distance"] == pytest.approx(0, abs=1e-3)
    exact = np.linalg.norm(toy_latents() - np.float32([1, 0, 1, 0]), axis=1).min()
    assert far["distance"] == pytest.approx(exact, rel=1e-5)
    assert far["percentile"] == spotted["percentile"] == 100 and known["percentile"] == 0
    assert cli("score", "far.png", "-m", model, "--fail-over", 99)[0] == 9
    text = cli("score", "far.png", "-m", model)[1].decode().splitlines()
    assert text[0].split() == ["percentile", "mse", "distance", "source"] and text[1].split()[2] == f"{exact:.6g}"


def test_python_gives_the_same_scores_and_maps(cli, model):
    given = ["known.png", "spotted.png", "far.png"]
    found = lines(cli("score", *given, "-m", model, "--json")[1])
    scores = aetool.load(model).score(given)
    assert [(s.source, s.mse, round(s.percentile, 4), s.distance) for s in scores] == [tuple(d.values()) for d in found]
    assert cli("score", *given, "-m", model, "-o", "maps.npz", "-q")[0] == 0
    assert np.array_equal(aetool.load(model).maps(given), np.load("maps.npz")["maps"])
    assert aetool.load(model).maps([]).shape == (0, 8, 8)


def test_maps_show_where(cli, model):
    given = ["known.png", "spotted.png", "far.png"]
    code, out, _ = cli("score", *given, "-m", model, "--json", "-o", "maps.npz")
    with np.load("maps.npz") as file:
        maps, sources = file["maps"], file["sources"].tolist()
    assert code == 0 and sources == given == [line["source"] for line in lines(out)]
    assert maps.shape == (3, 8, 8) and maps.dtype == np.float32
    assert not maps[0].any() and np.unravel_index(maps[1].argmax(), (8, 8)) == (5, 5)
    assert cli("score", *given, "-m", model, "-o", "maps.npy")[0] == 0 and np.array_equal(np.load("maps.npy"), maps)


def test_maps_of_a_folder_lie_over_its_pictures(cli, model):
    Path("in/sub").mkdir(parents=True)
    for name in ("known.png", "spotted.png"):
        Path(name).rename(Path("in/sub", name))
    code, out, _ = cli("score", "in", "-m", model, "-o", "maps/")
    assert code == 0 and out.count(b"\n") == 3
    shown = np.asarray(picture("maps/sub/spotted.png")).astype(int)
    assert shown.shape == (8, 8, 3) and shown[5, 5, 0] > shown[5, 5, 2] + 100
    known = np.asarray(picture("maps/sub/known.png"))
    assert (known == known[..., :1]).all()
    assert cli("explain", "maps/sub/known.png")[0] == 0


@pytest.mark.parametrize("name", ["maps.png", "maps.jpg", "maps.gif"])
def test_maps_make_a_sheet_or_an_animation(cli, model, name):
    assert cli("score", "known.png", "spotted.png", "far.png", "-m", model, "-o", name)[0] == 0
    assert picture(name).size[0] >= 64


def test_many_maps_come_in_order_with_workers(cli, model):
    Path("many").mkdir()
    for i in range(2500):
        (Path("many") / f"{i:04}.png").symlink_to(Path("spotted.png" if i % 7 == 0 else "known.png").resolve())
    for threads in (1, 2):
        assert cli("score", "many", "-m", model, "-o", f"{threads}.npz", "--threads", threads, "--json")[0] == 0
    first, second = (np.load(f"{threads}.npz") for threads in (1, 2))
    assert np.array_equal(first["maps"], second["maps"]) and np.array_equal(first["sources"], second["sources"])
    assert np.flatnonzero(first["maps"].any((1, 2))).tolist() == list(range(0, 2500, 7))


@pytest.mark.parametrize(("words", "said"), [
    (["-o", "-"], "the scores go to stdout"), (["-o", "/dev/stdout"], "the scores go to stdout"),
    (["-o", "x.jsonl"], "score writes maps"), (["--scale", "2"], "no picture is written"),
    (["-o", "x.npz", "--scale", "2"], "no picture is written"), (["-o", "known.png"], "is an input"),
    (["-o", "x.png", "--fps", "2"], "--fps is the speed of an animation"), (["-o", "out/", "--scale", "2"], "--scale"),
])  # fmt: skip
def test_outputs_that_maps_do_not_have_are_refused(cli, model, words, said):
    code, out, err = cli("score", "known.png", "-m", model, *words)
    assert code == 2 and out == b"" and said in err and err.count("\n") == 1


def test_an_older_bundle_scores_as_before_and_says_so(cli, toy, model):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)).save("noise.png")
    code, out, err = cli("score", "known.png", "noise.png", "far.png", "-m", toy, "--json")
    assert code == 0 and [line["percentile"] for line in lines(out)] == [0, 100, 0]
    assert all(line["distance"] is not None for line in lines(out))
    assert err == (
        "aetool: this model is of an older aetool: percentiles are of the mse alone, without the distance; "
        "aetool export makes a newer bundle of its run\n"
    )
    code, _, err = cli("score", "noise.png", "-m", toy, "-o", "maps.npz")
    assert code == 0 and "its maps have one scale for all pixels" in err and np.load("maps.npz")["maps"].max() > 0
    assert cli("score", "noise.png", "-m", toy, "-q")[2] == ""


def test_few_held_out_images_are_told_where_maps_are_made(cli, toy, model, workplace):
    few = with_scoring(toy, workplace / "few", ENOUGH - 1)
    assert cli("score", "known.png", "-m", few)[2] == ""
    code, _, err = cli("score", "known.png", "-m", few, "-o", "x.png")
    assert code == 0 and "this model has 19 held-out images, too few for a scale of each pixel" in err


def test_a_bank_without_rows_has_distances_to_its_classes(cli, toy, model, workplace):
    bare = with_scoring(toy, workplace / "bare", latents=toy_latents()[:0], labels=np.empty(0, np.int64),
                        neighbours=np.empty((0, 10), np.int32), sources=[])  # fmt: skip
    near, far = lines(cli("score", "known.png", "far.png", "-m", bare, "--json")[1])
    assert 0 < near["distance"] < far["distance"]


def test_a_bank_of_no_image_has_no_distance(cli, toy, model, workplace):
    nothing = {name: np.zeros_like(getattr(toy_bank(), name)) for name in ("counts", "means", "covariances")}
    empty = with_scoring(toy, workplace / "empty", latents=toy_latents()[:0], labels=np.empty(0, np.int64),
                         neighbours=np.empty((0, 10), np.int32), sources=[], **nothing)  # fmt: skip
    (line,) = lines(cli("score", "known.png", "-m", empty, "--json")[1])
    assert line["distance"] is None and cli("score", "known.png", "-m", empty)[1].split()[-2] == b"-"


def test_unusable_pictures_and_thresholds_end_as_without_maps(cli, model):
    Path("bad.png").write_bytes(b"none")
    code, out, _ = cli("score", "bad.png", "far.png", "-m", model, "-o", "maps/", "--json")
    assert code == 3 and len(lines(out)) == 1 and [p.name for p in Path("maps").iterdir()] == ["far.png"]
    assert cli("score", "bad.png", "far.png", "-m", model, "-o", "more/", "--fail-over", 99)[0] == 9
    assert cli("score", "bad.png", "-m", model, "-o", "none.png")[0] == 4 and not Path("none.png").exists()


@pytest.mark.parametrize("name", ["mnist", "sign_digits"])
def test_a_blank_image_is_flagged_by_the_shipped_models(cli, workplace, name):
    side, mode = (28, "L") if name == "mnist" else (64, "RGB")
    Image.new(mode, (side, side)).save("blank.png")
    (line,) = lines(cli("score", "blank.png", "-m", name, "--json")[1])
    assert line["percentile"] > 99
    assert cli("score", "blank.png", "-m", name, "--fail-over", 99, "-o", "map.png")[0] == 9 and picture("map.png")


def test_an_export_knows_its_held_out_images(cli, digits):
    manifest = Bundle.read(digits).manifest
    assert manifest.scoring.images == manifest.dataset["test"] >= ENOUGH
    assert manifest.scoring.scale.shape == (8, 8) and manifest.scoring.distance > 0
    card = (digits / "README.md").read_text()
    assert f"by mse and distance to the bank of {manifest.scoring.images} held-out images" in card
