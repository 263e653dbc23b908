"""The numbers of the page against those of the package: random numbers, samples, noise, paths, axes and scores.

JavaScript runs in node, once for each bank; the bank is stored as in a page, so its latents are those of 24 bits.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetool.bundle.scoring import scoring
from aetool.generation.arithmetic import combine
from aetool.generation.interpolation import METHODS
from aetool.generation.neighbour_graph import neighbour_graph
from aetool.generation.paths import spacing, walk
from aetool.generation.sampling import SAMPLERS, Local, stored_variances
from aetool.generation.stored import completed
from aetool.latents.bank import Bank, make_bank
from aetool.latents.files import read_latents
from aetool.latents.placing import placed_beside
from aetool.metrics import percentiles, symmetric_root
from aetool.model.drawing import drawn, perturbed
from aetool.model.keys import unnamed

HERE = Path(__file__).parent
CLASSES = ("a cat", "Büro's", "</script>")
CLOSE = {"rtol": 0, "atol": 2e-5}
"""Tolerance for latents with a spread of about 2: rounding of 24 and of 32 bits."""


@pytest.fixture(scope="module", autouse=True)
def node() -> str:
    """The program node; without it the tests skip loudly."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("NODE MISSING: install node (nodejs) to test the page of explore")
    return found


def bank_of(classes: tuple[str, ...], n: int = 300, k: int = 5) -> Bank:
    """Return a bank of overlapping clusters, with latents that 24 bits hold."""
    rng = np.random.default_rng(4)
    labels = rng.integers(len(classes), size=n) if classes else np.full(n, -1)
    centres = rng.normal(size=(3, k)) * 1.5
    latents = (rng.normal(size=(n, k)) * rng.uniform(0.3, 2, k) + centres[labels]).astype(np.float32)
    latents = np.rint(latents * 2**12).astype(np.float32) / 2**12
    return completed(make_bank(latents, labels, [f"{i}.png" for i in range(n)], classes, seed=0))


def stored(bank: Bank, folder: Path) -> dict[str, Any]:
    """Write the parts of a bank as a page holds them, and return the page's data; the map is the first two numbers."""
    n, k = bank.latents.shape
    low, high = bank.latents.min(0).astype(float), bank.latents.max(0).astype(float)
    scale = (high - low) / (2**24 - 1)
    whole = np.rint((bank.latents - low) / scale).astype("<u4").reshape(-1)
    graph = neighbour_graph(bank)
    sources = np.repeat(np.arange(n), np.diff(graph.starts))
    upward = graph.ends > sources
    variances = stored_variances(bank)
    assert variances is not None
    parts = {
        "latents": np.ascontiguousarray(whole.view(np.uint8).reshape(-1, 4).T[:3]),
        "positions": np.ascontiguousarray(bank.latents[:, :2]),
        "labels": bank.labels.astype("<i2"),
        "edge_counts": np.bincount(sources[upward], minlength=n).astype("<u4"),
        "edge_ends": graph.ends[upward].astype("<u2"),
        "root": symmetric_root(bank.covariance(None)).astype("<f4"),
        "means": bank.means,
    }
    for name, array in parts.items():
        (folder / name).write_bytes(array.tobytes())
    return {
        "model": {"argument": "my model", "identity": "0123456789abcdef", "latent_size": k, "classes": bank.classes},
        "bank": {"rows": n},
        "layers": [],
        "quantisation": {"offset": low.tolist(), "scale": scale.tolist()},
        "sampler": {"name": "local", "options": {"count": 20, "bandwidth": 0.75, "pure": 0.7}},
        "statistics": {
            "spread": float(np.sqrt(np.trace(bank.covariance(None)) / k)),
            "nearest": spacing(bank),
            "local_variances": variances.tolist(),
        },
    }


def answers(bank: Bank, asked: list[tuple[str, dict[str, Any]]], folder: Path) -> list[Any]:
    """Return what the page computes of a bank."""
    (folder / "cases.json").write_text(json.dumps({"data": stored(bank, folder), "asked": asked}))
    subprocess.run(["node", str(HERE / "numbers.js"), str(folder)], check=True, timeout=120)
    found: list[Any] = json.loads((folder / "results.json").read_text())
    return found


def answer(bank: Bank, folder: Path, name: str, **given: Any) -> Any:
    return answers(bank, [(name, given)], folder)[0]


@pytest.fixture(scope="module")
def bank() -> Bank:
    return bank_of(CLASSES)


@pytest.mark.parametrize("seed", [(0,), (7, 4089029253, 0), (2**32 - 1, 0, 3), (2**53 - 1, 1, 2, 3, 4)])
def test_random_numbers_are_those_of_numpy(seed, bank, tmp_path):
    found = answer(bank, tmp_path, "numbers", seed=seed, count=20_000)
    rng = np.random.default_rng(seed)
    assert found["whole"] == rng.integers(2001, size=7).tolist()
    np.testing.assert_allclose(found["single"], rng.standard_normal(20_000, np.float32), rtol=0, atol=1e-6)
    assert found["few"] == rng.integers(3, size=8).tolist()
    np.testing.assert_allclose(found["wide"], rng.standard_normal(20_000), rtol=0, atol=1e-13)
    assert found["even"] == rng.random()


def test_the_default_sampler_is_the_one_that_the_page_knows():
    assert SAMPLERS["local"] == Local(count=20, bandwidth=0.75, pure=0.7)


@pytest.mark.parametrize("label", [0, 1, 2, None])
def test_samples_are_those_of_the_command(label, bank, tmp_path):
    found = answer(bank, tmp_path, "sample", label=label, count=90, seed=5)
    name = None if label is None else CLASSES[label]
    parts = list(drawn(Local(), bank, {name: label}, 90, 5))
    np.testing.assert_allclose(found, np.concatenate([part.latents for part in parts]), **CLOSE)


def test_samples_without_classes_are_those_of_the_command(tmp_path):
    bank = bank_of(())
    found = answer(bank, tmp_path, "sample", label=None, count=20, seed=1)
    parts = list(drawn(Local(), bank, {None: None}, 20, 1))
    np.testing.assert_allclose(found, np.concatenate([part.latents for part in parts]), **CLOSE)


def test_noise_and_sums_are_those_of_the_commands(bank, tmp_path):
    rows = [3, 200, 77]
    asked = [("perturb", {"row": row, "sigma": 0.5, "count": 20, "seed": 9, "place": i}) for i, row in enumerate(rows)]
    *noisy, total = answers(bank, [*asked, ("combine", {"rows": rows, "weights": [1, -1, 0.5]})], tmp_path)
    parts = perturbed([unnamed(bank.latents[rows])], bank, 0.5, 20, 9)
    expected = np.concatenate([part.latents for part in parts])
    np.testing.assert_allclose(np.concatenate(noisy), expected, **CLOSE)
    np.testing.assert_allclose(total, combine(bank.latents[rows], [1, -1, 0.5])[0], **CLOSE)


def bent(latents: np.ndarray) -> np.ndarray:
    """Return the pictures of a decoder that bends latents."""
    return np.sin(3 * latents.astype(np.float64))[:, None, None]


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("way", METHODS)
def test_paths_are_those_of_the_command(way, even, bank, tmp_path):
    outside = bank.latents[:2] * np.float32(1.5)
    keys = np.concatenate([bank.latents[[0, 150, 151]], outside, bank.latents[[0, 0]]])
    found = answer(bank, tmp_path, "walk", keys=keys.tolist(), way=way, steps=7, even=even)
    latents, uneven = walk(keys, bank, METHODS[way], 7, bent if even else None)
    np.testing.assert_allclose(found["latents"], latents, rtol=0, atol=2e-4 if even else 2e-5)
    assert found["uneven"] == pytest.approx(uneven, abs=1e-3)


def test_arcs_without_a_unique_way_are_lines(bank, tmp_path):
    keys = np.array([[1, 2, 0, 0, 1], [-1, -2, 0, 0, -1], [0] * 5, [0] * 5], np.float32)
    found = answer(bank, tmp_path, "walk", keys=keys.tolist(), way="slerp", steps=4, even=False)
    np.testing.assert_allclose(found["latents"], walk(keys, bank, METHODS["slerp"], 4)[0], **CLOSE)


def test_local_axes_are_the_principal_axes_of_the_nearest_rows(bank, tmp_path):
    few, many, grid = answers(
        bank,
        [("axes", {"row": 5, "around": 4}), ("axes", {"row": 5, "around": 40}), ("grid", {"row": 5})],
        tmp_path,
    )
    for found, around in ((few, 4), (many, 40)):
        near = bank.latents[found["near"]].astype(np.float64)
        assert len(near) == around
        values, axes = np.linalg.svd(near - near.mean(0))[1:]
        np.testing.assert_allclose(found["deviations"], values[:3] / np.sqrt(around - 1), rtol=1e-5)
        np.testing.assert_allclose(abs(np.array(found["axes"]) @ axes[:3].T), np.eye(3), atol=1e-4)
    np.testing.assert_allclose(grid[12], bank.latents[5], **CLOSE)


def test_near_dots_are_found_in_and_outside_the_map(bank, tmp_path):
    places = np.random.default_rng(1).normal(size=(60, 2)) * 6
    near, mixtures = answers(bank, [(name, {"places": places.tolist()}) for name in ("near", "mixtures")], tmp_path)
    apart = np.linalg.norm(bank.latents[None, :, :2] - places[:, None], axis=2)
    assert [one["rows"] for one in near] == np.argsort(apart, axis=1)[:, :6].tolist()
    assert all(sum(one["weights"]) == pytest.approx(1, abs=1e-9) and min(one["weights"]) > 0 for one in mixtures)
    assert all(set(one["rows"]) <= set(found["rows"][:5]) for one, found in zip(mixtures, near, strict=True))


def test_a_mixture_moves_without_a_jump_and_ends_on_dots(bank, tmp_path):
    ends = bank.latents[[10, 60], :2].astype(np.float64)
    places = ends[0] + np.linspace(0, 1, 4001)[:, None] * (ends[1] - ends[0])
    mixtures = answer(bank, tmp_path, "mixtures", places=places.tolist())
    assert (mixtures[0], mixtures[-1]) == ({"rows": [10], "weights": [1]}, {"rows": [60], "weights": [1]})
    dense = np.zeros((len(places), len(bank.latents)))
    for row, one in zip(dense, mixtures, strict=True):
        row[one["rows"]] = one["weights"]
    steps = abs(np.diff(dense, axis=0)).max(1)
    assert np.quantile(steps, 0.99) < 0.05 and steps.max() < 0.25  # a dot that is passed closely comes and goes quickly


def test_latents_are_placed_as_the_files_of_a_reader(bank, tmp_path):
    latents = np.concatenate([bank.latents[[0, 99]], np.random.default_rng(2).normal(size=(40, 5)) * 3])
    places = answer(bank, tmp_path, "places", latents=latents.tolist())
    expected = placed_beside(latents.astype(np.float32), bank.latents, bank.latents[:, :2])
    np.testing.assert_allclose(places, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(places[:2], bank.latents[[0, 99], :2], rtol=0, atol=1e-4)


def test_latents_know_how_far_they_are_from_the_bank(bank, tmp_path):
    far = bank.latents[:2] + 40
    apart = answer(bank, tmp_path, "far", latents=[bank.latents[8].tolist(), *far.tolist()])
    assert apart[0]["row"] == 8 and apart[0]["gaps"] < 1e-4
    nearest = np.linalg.norm(bank.latents[None] - far[:, None], axis=2).min(1)
    np.testing.assert_allclose([one["gaps"] for one in apart[1:]], nearest / spacing(bank), rtol=1e-5)


def test_scores_are_those_of_the_command(bank, tmp_path):
    rng = np.random.default_rng(3)
    mse, distances = rng.gamma(4, 0.001, 500), rng.gamma(9, 2, 500)
    held = scoring(mse[:300], distances[:300], np.ones((1, 1), np.float32), mse[:300])
    quantiles = [0.0, 0, 0, 1, 2, 2, 5]
    values = [-1, 0, 0.5, 1, 2, 3.5, 5, 6]
    asked = [("percentiles", {"quantiles": quantiles, "values": values})]
    asked += [
        ("scores", {"scoring": held.to_dict(), "mse": mse.tolist(), "distances": to}) for to in (distances.tolist(), [])
    ]
    plain, both, alone = answers(bank, asked, tmp_path)
    np.testing.assert_allclose(plain, percentiles(np.array(values), quantiles))
    np.testing.assert_allclose(both, held.percentiles(mse, distances), atol=1e-6)
    np.testing.assert_allclose(alone, held.percentiles(mse, np.full(500, np.nan)), atol=1e-6)


def test_records_are_latents_of_the_same_bits_for_decode(bank, tmp_path):
    text, held = answers(bank, [(name, {"rows": [4, 250]}) for name in ("records", "latents")], tmp_path)
    (batch,) = read_latents(io.BytesIO(text.encode()), "saved.jsonl", 5)
    assert batch.latents.tobytes() == np.array(held, np.float32).tobytes()
    np.testing.assert_allclose(held, bank.latents[[4, 250]], rtol=0, atol=1e-6)
    assert (batch.sources, batch.model) == (("bank:4", "bank:250"), "0123456789abcdef")
    assert batch.classes == tuple(CLASSES[bank.labels[row]] for row in (4, 250))


def test_lines_are_words_of_a_shell(bank, tmp_path):
    words = ["bank:7", "class:a cat", "Büro's", "$(x)", "</script>", "--weights", "1,-1,1", "-o", "path.png"]
    line, key = answers(
        bank, [("lines", {"words": words}), ("mixtureKey", {"rows": [3, 9], "weights": [0.25, 0.75]})], tmp_path
    )
    assert shlex.split(line) == ["aetool", "interpolate", *words, "-m", "my model"]
    assert key == "<(aetool combine bank:3 bank:9 --weights 0.25,0.75 --latents -m 'my model')"


def test_names_of_files_are_no_options_and_no_other_keys(bank, tmp_path):
    found = answer(bank, tmp_path, "fileKeys", names=["a.png", "-m.png", "bank:3", "class:8.png", "mine/b.png"])
    assert found == ["a.png", "./-m.png", "./bank:3", "./class:8.png", "mine/b.png"]


def test_a_lasso_may_cross_itself_and_be_hollow(bank, tmp_path):
    hollow = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 3], [3, 3], [3, 1], [0, 1]]
    found = answer(bank, tmp_path, "inside", polygon=hollow, places=[[3.5, 2], [1, 2], [1, 0.5], [5, 2], [-1, 2]])
    assert found == [True, False, True, False, False]


def test_no_two_scripts_of_the_page_give_the_same_name():
    page = HERE.parents[1] / "aetool/explore/page"
    scripts = (page / "order.txt").read_text().split()
    assert set(scripts) == {path.name for path in page.glob("*.js")}
    parts = [
        re.findall(r"Object\.assign\(aetool, \{(.*?)\}\);", (page / name).read_text(), re.DOTALL) for name in scripts
    ]
    flat = [re.sub(r"\{.*?\}|\[.*?\]|\(.*?\)", "", text, flags=re.DOTALL) for part in parts for text in part]
    names = [field.partition(":")[0].strip() for text in flat for field in text.split(",")]
    assert len(set(names)) > 60
    assert [name for name in names if name and names.count(name) > 1] == []
