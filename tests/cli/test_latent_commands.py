"""The commands that work with latents, on the toy bundle: combine, perturb, search, score, and ways to interpolate."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.latents.bank import make_bank
from aetool.latents.bank_file import write_bank
from aetool.system.processes import ordered
from tests.toy import CLASSES, picture, toy_graphs, toy_image, toy_latents, toy_manifest

LEVELS = [(0, 51, 102, 255), (255, 204, 153, 0), (10, 20, 30, 40)]


@pytest.fixture
def pictures(workplace):
    for i, levels in enumerate(LEVELS):
        toy_image(*levels).save(workplace / f"{i}.png")
    return ["0.png", "1.png", "2.png"]


def latents_of(out: bytes) -> np.ndarray:
    return np.float32([json.loads(line)["latent"] for line in out.splitlines()])


def records(out: bytes) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def bundle_with(path: Path, rows: bool = True, **distortion) -> Path:
    """Write the toy bundle without the rows of its bank, or with another distortion."""
    manifest = toy_manifest()
    manifest = replace(manifest, distortion=manifest.distortion | distortion)
    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), [f"{i}.png" for i in range(12)], CLASSES, seed=0, rows=rows)
    files = toy_graphs() | {"bank.npz": write_bank(bank), "bundle.json": manifest.to_json()}
    write(path, files, card(path.name, "0" * 16, manifest, rows), replace=False)
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    return bundle_with(tmp_path_factory.mktemp("bare") / "bare", rows=False)


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """A toy bundle whose held-out images have distortions from 0 to 0.01."""
    return bundle_with(tmp_path_factory.mktemp("graded") / "graded", quantiles=np.linspace(0, 0.01, 101).tolist())


# combine


def test_combine_adds_up_images_latents_and_class_means(cli, toy, pictures):
    np.save("z.npy", np.array([[0, 0, 0, 1]], np.float32))
    out = cli("combine", "0.png", "z.npy", "class:light", "--weights", "1,-1,0.5", "--latents", "-m", toy)[1]
    expected = np.float32(LEVELS[0]) / 255 - [0, 0, 0, 1] + 0.5 * toy_latents()[6:].mean(0)
    assert latents_of(out)[0] == pytest.approx(expected.tolist(), abs=1e-6)
    assert records(out)[0]["source"] == "combined" and "class" not in records(out)[0]


def test_combine_without_weights_is_the_mean_and_one_picture(cli, toy, pictures):
    code, out, _ = cli("combine", *pictures, "-m", toy)
    levels = np.asarray(Image.open(io.BytesIO(out)))[[[2], [6]], [2, 6]].ravel()
    assert code == 0 and abs(levels - np.float64(LEVELS).mean(0)).max() <= 0.5 + 1e-3
    assert np.array_equal(
        latents_of(cli("combine", "0.png", "--latents", "-m", toy)[1])[0], np.float32(LEVELS[0]) / 255
    )


def test_a_first_weight_may_be_negative_and_every_latent_of_a_file_has_its_own(cli, toy, pictures):
    np.save("z.npy", np.eye(4, dtype=np.float32))
    out = cli("combine", "z.npy", "--weights", "-1,2,3,4", "--latents", "-m", toy)[1]
    assert latents_of(out).tolist() == [[-1, 2, 3, 4]]


def test_combine_in_a_pipe(shell, toy, pictures):
    done = shell(f"aetool encode 0.png 1.png -m {toy} | aetool combine - --weights 1,0 -m {toy} -o x.png")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.asarray(picture("x.png")), np.asarray(toy_image(*LEVELS[0])))


# perturb


def test_perturb_without_noise_gives_reconstructions(cli, toy, pictures):
    code, _, err = cli("perturb", "0.png", "1.png", "--sigma", 0, "-n", 3, "-m", toy, "-o", "out/")
    assert code == 0 and "seed" in err
    assert sorted(p.name for p in Path("out").iterdir()) == [f"{i}-{j:04}.png" for i in (0, 1) for j in (1, 2, 3)]
    assert np.array_equal(np.asarray(picture("out/1-0002.png")), np.asarray(toy_image(*LEVELS[1])))


def test_perturb_keeps_to_the_cores_it_may_use(cli, toy, pictures, monkeypatch):
    crews = []

    def counted(make, tasks, count):
        crews.append(count)
        return ordered(make, tasks, count)

    monkeypatch.setattr("aetool.runtime.parallel.ordered", counted)
    line = ("perturb", "0.png", "-n", 600, "-m", toy, "-o", "out/", "--seed", 1, "--threads")
    for cores in (1, 2):
        code, _, err = cli(*line, cores)
        assert code == 0, err
        assert len(list(Path("out").iterdir())) == 600
    assert crews == [2]


def test_perturb_makes_n_variations_of_each_with_the_classes_of_the_inputs(cli, toy, workplace):
    for name in ("in/a/x.png", "in/b/y.png"):
        Path(name).parent.mkdir(parents=True)
        toy_image(9, 9, 9, 9).save(name)
    out = cli("perturb", "in", "class:light", "-n", 2, "--latents", "--seed", 1, "-m", toy)[1]
    assert [(r["source"], r["class"]) for r in records(out)] == [
        ("a/x-0001", "a"), ("a/x-0002", "a"), ("b/y-0001", "b"), ("b/y-0002", "b"),
        ("class:light-0001", "light"), ("class:light-0002", "light"),
    ]  # fmt: skip
    assert len({tuple(r["latent"]) for r in records(out)}) == 6


def test_perturb_shows_the_variations_of_an_input_in_a_row(cli, toy, pictures):
    assert cli("perturb", "0.png", "1.png", "-n", 5, "-m", toy, "-o", "x.png")[0] == 0
    assert picture("x.png").size == (5 * 66 + 2, 2 * 66 + 2)
    assert cli("perturb", "0.png", "-n", 9, "-m", toy, "-o", "y.png")[0] == 0
    assert picture("y.png").size == (3 * 66 + 2, 3 * 66 + 2)


def test_the_noise_of_perturb_is_that_of_the_bank_and_the_same_for_the_same_seed(cli, toy, pictures):
    line = ("perturb", "0.png", "--sigma", 2, "-n", 4000, "--latents", "-m", toy, "--seed")
    first, again, other = (cli(*line, seed)[1] for seed in (3, 3, 4))
    assert first == again != other
    found = np.cov(latents_of(first).astype(np.float64).T)
    assert found == pytest.approx(4 * np.cov(toy_latents().astype(np.float64).T), abs=0.1)


def test_a_bad_input_of_perturb_is_named_and_the_rest_is_done(cli, toy, pictures):
    Path("text.png").write_text("no picture")
    code, out, err = cli("perturb", "0.png", "text.png", "1.png", "-n", 2, "--latents", "-m", toy)
    assert code == 3 and len(out.splitlines()) == 4 and "text.png" in err and "2 done, 1 failed" in err
    Path("x.png").write_bytes(b"old")
    assert cli("perturb", "text.png", "-m", toy, "-o", "x.png")[0] == 4
    assert Path("x.png").read_bytes() == b"old"


def test_a_fresh_seed_of_perturb_is_in_the_picture(cli, toy, pictures):
    _, _, err = cli("perturb", "0.png", "-m", toy, "-o", "x.png")
    said = json.loads(cli("explain", "x.png", "--json")[1])
    assert f"seed {said['seed']}" in err and said["command"].endswith(f"--seed {said['seed']}")


# search


def test_search_finds_the_latent_itself_in_the_bank_at_no_distance(cli, toy, workplace):
    np.save("z.npy", toy_latents()[[3, 8]])
    code, out, _ = cli("search", "z.npy", "-n", 2, "--json", "-m", toy)
    found = records(out)
    assert code == 0 and [(r["query"], r["source"], r["class"], r["index"]) for r in found[::2]] == [
        ("z.npy#0", "3.png", "dark", 3), ("z.npy#1", "8.png", "light", 8),
    ]  # fmt: skip
    assert [r["distance"] for r in found[::2]] == [0, 0]
    assert found[1]["distance"] == pytest.approx(2**0.5 / 32)


def test_search_in_a_file_and_by_angle(cli, toy, pictures):
    rows = [{"source": "near", "latent": [0, 0.1, 0.3, 1]}, {"source": "far", "class": "c", "latent": [0, 2, 4, 10]}]
    Path("z.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    by_length = records(cli("search", "0.png", "--in", "z.jsonl", "--json", "-m", toy)[1])
    by_angle = records(cli("search", "0.png", "--in", "z.jsonl", "--metric", "cosine", "--json", "-m", toy)[1])
    assert [r["source"] for r in by_length] == ["near", "far"] == [r["source"] for r in by_angle][::-1]
    assert by_angle[0] == {
        "query": "0.png", "source": "far", "class": "c", "distance": pytest.approx(0, abs=1e-9), "index": 1,
    }  # fmt: skip
    assert "class" not in by_length[0]


def test_search_prints_a_table(cli, toy, pictures):
    code, out, _ = cli("search", "class:dark", "-n", 3, "-m", toy)
    lines = out.decode().splitlines()
    assert code == 0 and len(lines) == 4 and lines[0].split() == ["query", "distance", "class", "source", "index"]
    assert all(line.split()[2] == "dark" for line in lines[1:])


def test_search_in_pipes(shell, toy, pictures):
    done = shell(f"aetool encode 0.png 1.png -m {toy} | aetool search - -n 1 --json -m {toy}")
    assert done.returncode == 0 and [r["query"] for r in records(done.stdout)] == ["0.png", "1.png"]
    done = shell(f"aetool encode 0.png 1.png -m {toy} | aetool search 1.png --in - -n 1 --json -m {toy}")
    assert done.returncode == 0 and records(done.stdout)[0]["source"] == "1.png"


def test_search_streams_a_long_file(cli, toy, pictures):
    line = json.dumps({"source": "x", "latent": [9, 9, 9, 9]}) + "\n"
    Path("z.jsonl").write_text(line * 5000 + json.dumps({"source": "y", "latent": [0, 0.2, 0.4, 1]}) + "\n")
    (hit,) = records(cli("search", "0.png", "--in", "z.jsonl", "-n", 1, "--json", "-m", toy)[1])
    assert (hit["source"], hit["index"]) == ("y", 5000)


# score


def noisy(name: str, pixels: int) -> None:
    """Save a flat picture with so many pixels wrong by one half, where the encoder does not look."""
    array = np.asarray(toy_image(0, 0, 0, 0)).copy()
    array.ravel()[:pixels] = 128
    Image.fromarray(array).save(name)


def test_score_prints_mse_and_percentile(cli, graded, workplace):
    for i in (0, 1, 2, 9):
        noisy(f"{i}.png", i)
    code, out, _ = cli("score", "0.png", "1.png", "2.png", "9.png", "--json", "-m", graded)
    found = records(out)
    assert code == 0 and [r["source"] for r in found] == ["0.png", "1.png", "2.png", "9.png"]
    step = (128 / 255) ** 2 / 64
    for row, i in zip(found, (0, 1, 2, 9), strict=True):
        assert row["mse"] == pytest.approx(i * step, rel=1e-5)
        assert row["percentile"] == pytest.approx(min(100, 1e4 * i * step), abs=1e-3)
    text = cli("score", "0.png", "9.png", "-m", graded)[1].decode().splitlines()
    assert text[0].split() == ["percentile", "mse", "distance", "source"] and text[1].split()[0] == "0.00"
    assert text[2].split()[0] == "100.00" and text[2].endswith("9.png")


def test_fail_over_ends_with_9_and_only_above(cli, graded, workplace):
    noisy("ok.png", 1)
    noisy("odd.png", 9)
    assert cli("score", "ok.png", "--fail-over", 99, "-m", graded)[0] == 0
    code, out, err = cli("score", "ok.png", "odd.png", "--fail-over", 99, "--json", "-m", graded)
    assert code == 9 and len(out.splitlines()) == 2 and "1 of 2 images above the percentile 99" in err
    percentile = records(out)[0]["percentile"]
    assert cli("score", "ok.png", "--fail-over", percentile + 0.01, "-m", graded)[0] == 0
    assert cli("score", "ok.png", "--fail-over", percentile - 0.01, "-m", graded)[0] == 9


def test_a_threshold_that_was_passed_is_told_before_inputs_that_failed(cli, graded, workplace):
    noisy("odd.png", 9)
    noisy("ok.png", 0)
    Path("text.png").write_text("no picture")
    code, out, err = cli("score", "odd.png", "text.png", "--fail-over", 99, "--json", "-m", graded)
    assert code == 9 and len(out.splitlines()) == 1 and "text.png" in err
    assert cli("score", "ok.png", "text.png", "--fail-over", 99, "-m", graded)[0] == 3
    assert cli("score", "odd.png", "text.png", "-m", graded)[0] == 3
    assert cli("score", "text.png", "--fail-over", 99, "-m", graded)[:2] == (4, b"")


def test_score_of_a_perfect_model_flags_what_is_not_perfect(cli, toy, workplace):
    noisy("ok.png", 0)
    noisy("odd.png", 1)
    found = records(cli("score", "ok.png", "odd.png", "--json", "-m", toy)[1])
    assert [r["percentile"] for r in found] == [0, 100]


def test_score_streams_lists_of_names(shell, graded, workplace):
    noisy("a.png", 1)
    done = shell(f"printf 'a.png\\n%.0s' {{1..700}} | aetool score --files-from - --json -m {graded} | wc -l")
    assert done.returncode == 0 and done.stdout.split() == [b"700"]


# interpolate


def test_even_steps_change_the_picture_by_as_much(cli, toy, pictures):
    """The decoder clips: from -1 to 1 nothing changes half of the way, and even steps leave that half out."""
    np.save("z.npy", np.array([[-1, -1, -1, -1], [1, 1, 1, 1]], np.float32))
    plain, evenly = (
        latents_of(cli("interpolate", "z.npy", "--steps", 9, "--latents", "-m", toy, *words)[1])[:, 0]
        for words in ((), ("--even",))
    )
    assert plain == pytest.approx(np.linspace(-1, 1, 9)) and (evenly[[0, -1]] == [-1, 1]).all()
    assert np.diff(evenly.clip(0)) == pytest.approx(np.full(8, 1 / 8), rel=0.02)


def test_a_picture_that_jumps_is_told_on_stderr(cli, toy, pictures):
    np.save("z.npy", np.array([[-1e30] * 4, [1e30] * 4], np.float32))
    code, _, err = cli("interpolate", "z.npy", "--steps", 5, "--even", "-m", toy, "-o", "x.png")
    assert code == 0 and "no steps were found that change the picture evenly" in err


def test_graph_goes_through_the_bank(cli, toy, pictures):
    np.save("z.npy", np.array([[-1, -0.9, -1, -1], [2, 2.1, 2, 2]], np.float32))
    line = ("interpolate", "z.npy", "--steps", 500, "--latents", "-m", toy)
    graph, straight = (latents_of(cli(*line, "--method", method)[1]) for method in ("graph", "lerp"))
    near, far = (np.linalg.norm(found[:, None] - toy_latents(), axis=2).min() for found in (graph, straight))
    assert near < 0.01 and far > 0.05
    assert np.array_equal(graph[[0, -1]], straight[[0, -1]])


def test_a_loop_ends_one_step_before_its_start(cli, toy, pictures):
    assert cli("interpolate", *pictures, "--loop", "--steps", 5, "-m", toy, "-o", "x.gif")[0] == 0
    assert picture("x.gif").n_frames == 12
    line = ("interpolate", *pictures, "--steps", 5, "--latents", "-m", toy)
    loop, there = (latents_of(cli(*line, *words)[1]) for words in (("--loop",), ()))
    assert np.array_equal(loop[:9], there)
    step = (loop[0] - loop[8]) / 4
    assert loop[9:] == pytest.approx(loop[8] + np.outer([1, 2, 3], step), abs=1e-6)


@pytest.mark.parametrize("method", ["lerp", "slerp", "graph"])
def test_json_prints_figures_and_pictures_need_an_output(cli, toy, pictures, method):
    line = ("interpolate", "0.png", "1.png", "--method", method, "--steps", 6, "--json", "-m", toy)
    code, out, _ = cli(*line)
    figures = json.loads(out)
    assert code == 0 and list(figures) == [
        "method", "even", "loop", "keys", "steps", "pictures",
        "mean_change", "max_change", "jump", "length", "bank_distance",
    ]  # fmt: skip
    assert figures["method"] == method and figures["pictures"] == 6 and figures["keys"] == 2
    assert figures["jump"] >= 1 and figures["max_change"] >= figures["mean_change"] > 0 < figures["bank_distance"]
    assert json.loads(cli(*line, "-o", "x.png")[1]) == figures and Path("x.png").exists()


def test_figures_of_a_loop_count_the_way_back(cli, toy, pictures):
    line = ("interpolate", "0.png", "1.png", "--json", "-m", toy)
    there, around = (json.loads(cli(*line, *words)[1]) for words in ((), ("--loop",)))
    assert around["length"] == pytest.approx(2 * there["length"]) and around["pictures"] == 18


def test_a_strip_that_is_too_large_is_refused_before_anything_is_decoded(cli, toy, pictures, monkeypatch):
    monkeypatch.setattr("aetool.runtime.codec.Codec.decode", None)
    for name in ("x.png", "x.jpg", "x.gif"):
        code, _, err = cli("interpolate", "0.png", "1.png", "--steps", 100000, "--even", "-m", toy, "-o", name)
        assert code == 6 and "folder/" in err and not Path(name).exists()
    assert cli("sample", "-n", 1000000, "-m", toy, "-o", "x.png")[0] == 6


# Bundles without the rows of their bank


def test_without_a_bank_class_means_noise_and_lines_work(cli, bare, pictures):
    assert cli("combine", "class:dark", "0.png", "-m", bare, "-o", "x.png")[0] == 0
    assert cli("perturb", "0.png", "-m", bare, "-o", "y.png")[0] == 0
    code, out, _ = cli("interpolate", "class:dark", "class:light", "--json", "-m", bare)
    assert code == 0 and json.loads(out)["bank_distance"] is None


@pytest.mark.parametrize("words", [["search", "0.png"], ["interpolate", "0.png", "1.png", "--method", "graph"]])
def test_without_a_bank_there_is_nothing_to_search_or_walk_through(cli, bare, pictures, words):
    code, out, err = cli(*words, "-m", bare)
    assert (code, out) == (2, b"") and "--no-bank" in err and err.count("\n") == 1


def test_without_a_bank_files_can_be_searched(cli, bare, pictures):
    assert cli("encode", *pictures, "-m", bare, "-o", "z.npz")[0] == 0
    found = records(cli("search", "2.png", "--in", "z.npz", "-n", 1, "--json", "-m", bare)[1])
    assert [(r["source"], r["distance"], r["index"]) for r in found] == [("2.png", 0, 2)]


# What is refused


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["combine", "0.png", "1.png", "--weights", "1"], 2, "2 latents and 1 weights"),
        (["combine", "0.png", "1.png", "--weights", "1,2,3"], 2, "2 latents and 3 weights"),
        (["combine", "0.png", "1.png", "--weights", "1,x"], 2, "numbers with commas"),
        (["combine", "0.png", "1.png", "--weights", "1,nan"], 2, "finite"),
        (["combine", "0.png", "1.png", "--weights", "1e39,1e39"], 4, "finite"),
        (["combine", "0.png", "class:lihgt"], 2, 'did you mean "light"'),
        (["combine", "0.png", "-o", "0.png"], 2, "is an input"),
        (["combine", "0.png", "gone.png"], 7, "gone.png"),
        (["combine", "empty.jsonl"], 4, "no keys came"),
        (["perturb", "0.png", "--sigma", "-1"], 2, "--sigma"),
        (["perturb", "0.png", "--sigma", "nan"], 2, "--sigma"),
        (["perturb", "0.png", "-n", "0"], 2, "-n"),
        (["perturb", "class:nobody"], 2, "no class"),
        (["perturb", "empty.jsonl"], 4, "nothing to vary"),
        (["perturb", ".", "-o", "out/"], 2, "is an input"),
        (["perturb", "nan.npy"], 4, "finite"),
        (["search", "0.png", "--metric", "cosinus"], 2, 'did you mean "cosine"'),
        (["search", "0.png", "--in", "gone.npz"], 7, "gone.npz"),
        (["search", "0.png", "--in", "."], 2, "aetool encode"),
        (["search", "0.png", "--in", "0.png"], 4, "not JSON"),
        (["search", "0.png", "--in", "empty.jsonl"], 4, "no latents"),
        (["search", "0.png", "--in", "other.jsonl"], 4, "0123456789abcdef"),
        (["search", "0.png", "--in", "wide.npy"], 4, "5"),
        (["search", "0.png", "--in", "nan.npy"], 4, "finite"),
        (["search", "other.jsonl"], 4, "0123456789abcdef"),
        (["search", "-", "--in", "-"], 2, "named more than once"),
        (["search", "zero.npy", "--metric", "cosine"], 4, "no direction"),
        (["search", "0.png", "-n", "0"], 2, "-n"),
        (["score"], 2, "no input"),
        (["score", "empty.jsonl"], 4, "could not be used"),
        (["score", "0.png", "--fail-over", "100"], 2, "below 100"),
        (["score", "0.png", "--fail-over", "nan"], 2, "below 100"),
        (["interpolate", "0.png"], 2, "at least two keys"),
        (["interpolate", "0.png", "--loop"], 2, "at least two keys"),
        (["interpolate", "0.png", "1.png", "--method", "grahp"], 2, 'did you mean "graph"'),
        (["interpolate", "0.png", "1.png", "--json", "-o", "-"], 2, "--json"),
        (["interpolate", "0.png", "1.png", "--json", "--latents"], 2, "--json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_ends_with_its_code_and_says_why(cli, toy, pictures, workplace, words, code, said):
    np.save("nan.npy", np.full((1, 4), np.nan))
    np.save("zero.npy", np.zeros((1, 4)))
    np.save("wide.npy", np.zeros((2, 5)))
    Path("empty.jsonl").touch()
    Path("other.jsonl").write_text(json.dumps({"source": "x", "model": "0123456789abcdef", "latent": [0, 0, 0, 1]}))
    before = sorted(workplace.rglob("*"))
    got, _, err = cli(*words, "-m", toy)
    assert (got, said in err) == (code, True), err
    assert err.splitlines()[-1].startswith("aetool: ") and sorted(workplace.rglob("*")) == before


def test_outputs_are_never_inputs(cli, toy, pictures, workplace):
    np.save("z.npy", toy_latents())
    Path("link.png").symlink_to("0.png")
    before = {path: path.read_bytes() for path in workplace.iterdir()}
    for words in (
        ["combine", "z.npy", "-o", "z.npy", "--latents"],
        ["perturb", "0.png", "-o", "link.png"],
        ["interpolate", "link.png", "1.png", "-o", "0.png"],
        ["perturb", "0.png", "-o", "."],
    ):
        code, _, err = cli(*words, "-m", toy)
        assert code == 2 and "input" in err, words
    assert {path: path.read_bytes() for path in workplace.iterdir()} == before
