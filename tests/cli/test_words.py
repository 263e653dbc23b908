"""Pictures with words: classes, keys, mse and distances on sheets, and that every sheet still is its tiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool.latents.search import Hit
from aetool.model.found import found_layout
from tests.banded import flat, write_banded
from tests.toy import picture, toy_image, toy_latents


@pytest.fixture
def pictures(workplace):
    for i in range(5):
        toy_image(40 * i, 50, 100, 200 - i).save(f"{i}.png")
    return [f"{i}.png" for i in range(5)]


def latents(out: bytes) -> list[list[float]]:
    return [json.loads(line)["latent"] for line in out.splitlines()]


def grid(name: str) -> dict:
    return json.loads(picture(name).info["aetool"])["grid"]


def test_rows_of_each_have_their_class_and_are_read_again(cli, toy, workplace):
    words = ["sample", "--each", "-n", 3, "--seed", 1, "-m", toy]
    assert cli(*words, "-o", "rows.png")[0] == 0 and grid("rows.png")["left"] > 20
    for name in ("rows.png", "rows.jpg"):
        assert cli(*words, "-o", name)[0] == 0
        found = latents(cli("encode", name, "-m", toy, "-q")[1])
        expected = np.clip(latents(cli(*words, "--latents")[1]), 0, 1)
        assert found == pytest.approx(expected, abs=0.003 if name == "rows.png" else 0.03)
    assert cli(*words, "-o", "bare.png", "--no-labels")[0] == 0 and "left" not in grid("bare.png")
    assert picture("bare.png").size == (3 * 66 + 2, 2 * 66 + 2)


def test_sample_each_into_encode_makes_as_many(shell, toy):
    done = shell(f"aetool sample --each -n 7 --seed 1 -m {toy} | aetool encode - -m {toy} -q")
    assert done.returncode == 0 and len(latents(done.stdout)) == 14


def test_a_strip_names_its_keys(cli, toy, pictures):
    words = ["interpolate", "0.png", "class:light", "bank:3", "--steps", 4, "-m", toy]
    assert cli(*words, "-o", "strip.png")[0] == 0 and cli(*words, "-o", "bare.png", "--no-labels")[0] == 0
    labelled, bare = (np.asarray(picture(name)) for name in ("strip.png", "bare.png"))
    assert labelled.shape[0] > bare.shape[0] and np.array_equal(labelled[: len(bare)], bare)
    ink = (labelled[len(bare) :] < 128).any(0)
    step = 66
    assert all(ink[i * step : (i + 1) * step].any() for i in (0, 3, 6)) and not ink[step : 2 * step].any()
    assert latents(cli("encode", "strip.png", "-m", toy, "-q")[1]) == latents(
        cli("encode", "bare.png", "-m", toy, "-q")[1]
    )


def test_a_row_of_the_bank_is_a_key_everywhere(cli, toy, pictures):
    expected = toy_latents()[7].tolist()
    lines = (["combine", "bank:7", "--latents"], ["interpolate", "bank:7", "bank:0", "--steps", 2, "--latents"],
             ["perturb", "bank:7", "--sigma", 0, "-n", 1, "--latents"])  # fmt: skip
    for words in lines:
        code, out, err = cli(*words, "-m", toy)
        assert code == 0 and latents(out)[0] == pytest.approx(expected), (words, err)
    (hit,) = (json.loads(line) for line in cli("search", "bank:7", "-n", 1, "--json", "-m", toy)[1].splitlines())
    assert (hit["query"], hit["index"], hit["class"], hit["distance"]) == ("bank:7", 7, "light", 0)
    assert np.array_equal(aetool.load(toy).latents(["bank:7"]), toy_latents()[7:8])
    Path("bank:7").write_bytes(Path("0.png").read_bytes())
    assert latents(cli("combine", "./bank:7", "--latents", "-m", toy)[1])[0] != pytest.approx(expected)


@pytest.mark.parametrize(
    "key", ["bank:12", "bank:-1", "bank:", "bank:x", "bank:1.0", "bank:٣", "bank:99999999999999999999"]
)
def test_rows_that_the_bank_has_not_are_refused(cli, toy, workplace, key):
    code, out, err = cli("combine", key, "-m", toy)
    assert (code, out) == (2, b"") and "bank:0 to bank:11" in err and err.count("\n") == 1


def test_a_sheet_of_reconstructions_shows_pairs_and_counts_as_reconstructions(cli, toy, pictures):
    noisy = np.asarray(toy_image(0, 0, 0, 0)).copy()
    noisy[0, 0] = 255
    Image.fromarray(noisy).save("0.png")
    code, out, _ = cli("reconstruct", *pictures, "-m", toy, "-o", "pairs.png", "--json")
    assert code == 0 and [json.loads(line)["mse"] for line in out.splitlines()] == pytest.approx([1 / 64, 0, 0, 0, 0])
    said = grid("pairs.png")
    assert said["count"] == 5 and said["before"] > 64 and said["below"] > 10
    assert cli("encode", *pictures, "-m", toy, "-o", "z.jsonl")[0] == 0
    assert latents(cli("encode", "pairs.png", "-m", toy, "-q")[1]) == latents(Path("z.jsonl").read_bytes())
    page = np.asarray(picture("pairs.png"))
    left, right = page[2, 10], page[2, 10 + 66]  # the spot of the original, and its place in the reconstruction
    assert (left, right) == (255, 0)
    assert cli("reconstruct", *pictures, "-m", toy, "-o", "bare.png", "--no-labels")[0] == 0
    assert "below" not in grid("bare.png") and "before" in grid("bare.png")
    assert cli("reconstruct", "1.png", "-m", toy, "-o", "one.png")[0] == 0 and picture("one.png").size == (8, 8)
    assert cli("reconstruct", *pictures, "-m", toy, "-o", "walk.gif")[0] == 0 and picture("walk.gif").n_frames == 5


def test_search_shows_the_query_and_what_it_found(cli, toy, pictures):
    code, out, _ = cli("search", "1.png", "-n", 4, "-m", toy, "-o", "found.png", "--json")
    hits = [json.loads(line) for line in out.splitlines()]
    found = latents(cli("encode", "found.png", "-m", toy, "-q")[1])
    query = latents(cli("encode", "1.png", "-m", toy)[1])
    assert code == 0 and found[0] == pytest.approx(query[0], abs=0.003)
    assert np.array(found[1:]) == pytest.approx(toy_latents()[[hit["index"] for hit in hits]], abs=0.003)
    assert (grid("found.png")["columns"], grid("found.png")["rows"]) == (5, 1)
    assert cli("search", "1.png", "-n", 4, "-m", toy, "-o", "bare.png", "--no-labels", "-q")[0] == 0
    assert "below" not in grid("bare.png")
    assert (
        cli("search", "1.png", "-n", 4, "-m", toy, "-o", "found/")[0] == 0 and len(list(Path("found").iterdir())) == 5
    )


def test_search_in_a_file_shows_latents_of_the_file(shell, cli, toy, pictures):
    assert cli("encode", *pictures, "-m", toy, "-o", "z.jsonl")[0] == 0
    for line in ("aetool search 1.png --in z.jsonl", "cat z.jsonl | aetool search 1.png --in -"):
        done = shell(f"{line} -m {toy} -n 2 -o found.png --json")
        rows = [json.loads(one)["index"] for one in done.stdout.splitlines()]
        found = latents(cli("encode", "found.png", "-m", toy, "-q")[1])
        expected = latents(Path("z.jsonl").read_bytes())
        assert done.returncode == 0 and rows[0] == 1
        assert found == pytest.approx(np.array([expected[1], *(expected[i] for i in rows)]), abs=1e-6)
    code, _, err = cli("search", "1.png", "--in", "z.jsonl", "-m", toy, "-o", "z.jsonl")
    assert code == 2 and err.count("\n") == 1
    assert cli("search", "1.png", "-m", toy, "-o", "1.png")[0] == 2


def test_several_queries_have_a_row_each(cli, toy, pictures):
    assert cli("search", ".", "-n", 3, "-m", toy, "-o", "found.png")[0] == 0
    assert (grid("found.png")["columns"], grid("found.png")["rows"]) == (4, 5)


@pytest.mark.parametrize("words", ["sample -o x/", "sample -o x.gif", "sample --latents", "sample -o x.npz",
                                   "reconstruct 0.png --json", "reconstruct 0.png -o x/", "search 0.png",
                                   "score 0.png"])  # fmt: skip
def test_no_labels_where_there_are_none_is_refused(cli, toy, pictures, words):
    code, out, err = cli(*words.split(), "--no-labels", "-m", toy)
    assert (code, out) == (2, b"") and "--no-labels" in err and err.count("\n") == 1


def test_names_that_the_font_lacks_become_numbers_and_are_told(cli, toy, pictures):
    Path("größe.png").write_bytes(Path("0.png").read_bytes())
    code, _, err = cli("interpolate", "größe.png", "1.png", "-m", toy, "-o", "strip.png")
    assert code == 0 and err == 'aetool: labels: the font lacks characters of "größe"; there are numbers instead\n'
    assert cli("interpolate", "größe.png", "1.png", "-m", toy, "-o", "strip.gif")[2] == ""
    assert cli("interpolate", "größe.png", "1.png", "-m", toy, "-o", "strip.png", "--no-labels")[2] == ""


def test_small_tiles_are_smooth_unless_a_scale_asks_for_pixels(cli, toy, workplace):
    for more, smooth in (([], True), (["--scale", 8], False)):
        assert cli("sample", "-n", 4, "--seed", 1, "-m", toy, "-o", "x.png", *more)[0] == 0
        tile = np.asarray(picture("x.png"))[2:66, 2:66]
        blocks = np.array_equal(tile, tile[::8, ::8].repeat(8, 0).repeat(8, 1))
        assert blocks != smooth and ("smooth" in grid("x.png")) == smooth


def test_maps_have_their_percentiles(cli, toy, pictures):
    assert cli("score", *pictures, "-m", toy, "-o", "maps.png", "-q")[0] == 0 and grid("maps.png")["below"] > 10


def test_images_of_five_channels_have_pairs_maps_and_search_by_the_channels_shown(cli, workplace):
    model = write_banded(workplace / "banded")
    np.save("x.npy", flat(3))
    assert cli("encode", "x.npy", "-m", model, "-o", "z.jsonl")[0] == 0
    for words in (["reconstruct", "x.npy"], ["score", "x.npy"], ["search", "z.jsonl", "-n", 2]):
        for show in ("3,2,1", "4"):
            code, _, err = cli(*words, "-m", model, "--show", show, "-o", "x.png")
            assert code == 0, err
            assert picture("x.png").mode == ("RGB" if show == "3,2,1" or words[0] == "score" else "L")
        code, _, err = cli(*words, "-m", model, "-o", "y.png")
        assert code == 2 and "--show" in err and not Path("y.png").exists()
    assert cli("score", "x.npy", "-m", model, "-o", "maps.npz")[0] == 0 and np.load("maps.npz")["maps"].shape == (
        3,
        8,
        8,
    )
    sheet = aetool.load(model).reconstruct("x.npy").shown(3, 2, 1).sheet()
    assert sheet.mode == "RGB" and sheet.size[0] > 128


@pytest.mark.parametrize("command", ["score 1.png", "search class:light", "reconstruct 1.png", "decode z.jsonl"])
def test_a_suffix_that_is_none_of_pictures_is_answered_with_all_that_are(command, cli, toy, pictures):
    Path("z.jsonl").write_bytes(cli("encode", "1.png", "-m", toy)[1])
    ends = "end -o with .png, .jpg, .jpeg, .gif, .webp, .apng, folder/, .npz, .npy"
    for name in ("out.jsonl", "out.tif"):
        code, out, err = cli(*command.split(), "-m", toy, "-o", name)
        assert (code, out) == (2, b"") and ends.replace("-o", "it" if name == "out.tif" else "-o") in err


@pytest.mark.parametrize(
    ("queries", "called"),
    [
        (["in/8.png"], ["query"]), (["bank:7"], ["bank:7"]), (["class:8"], ["class:8"]),
        (["in/8.png", "in/tom.png", "\u6570.png"], ["query 8", "tom", "query 3"]),
    ],
)  # fmt: skip
def test_a_query_is_not_called_like_the_class_of_what_was_found(queries, called):
    hits = [[Hit("train/1", "8", 0.25, 7)] for _ in queries]
    layout, lacking = found_layout(queries, hits, ["7", "8"], labels=True)
    assert layout.labels.tiles == tuple(word for one in called for word in (one, "8 \u00b7 0.25"))
    assert lacking == ("\u6570",) * (len(queries) == 3)
