"""Seeds: the first pictures of a longer run are those of a shorter, and a class does not depend on the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import aetool
from aetool.choices import SAMPLERS
from aetool.generation.sampling import Mix, rng_for
from aetool.latents.bank import make_bank
from aetool.latents.files import LatentBatch
from aetool.model.drawing import BLOCKS, blocks, class_key, drawn, perturbed
from tests.toy import toy_image, toy_latents


@pytest.fixture
def pictures(workplace):
    for i in range(4):
        Path("own/cats").mkdir(parents=True, exist_ok=True)
        toy_image(20 * i, 30, 250, 9).save(f"own/cats/{i}.png")
    toy_image(1, 2, 3, 4).save("a.png")


def records(out: bytes) -> list[tuple]:
    found = [json.loads(line) for line in out.splitlines()]
    return [(r["source"], r.get("class"), tuple(r["latent"])) for r in found]


SOURCES = [[], ["--class", "light"], ["--from", "own"], ["--from", "own", "--class", "cats"]]


@pytest.mark.parametrize("method", SAMPLERS)
@pytest.mark.parametrize("source", SOURCES, ids=["all", "class", "own", "own class"])
def test_a_longer_run_begins_with_the_shorter(cli, toy, pictures, method, source):
    line = ("sample", *source, "--method", method, "--seed", 3, "--latents", "-m", toy, "-n")
    if method == "gmm" and source[:1] == ["--from"]:
        assert cli(*line, 4)[0] == 2  # the user's own pictures have no mixture
        return
    longest = records(cli(*line, 100)[1])
    assert len(longest) == 100 and len({latent for _, _, latent in longest}) > 50
    for n in (1, 4, 8, 16, 17, 81):
        assert records(cli(*line, n)[1]) == longest[:n]


def test_each_class_is_that_of_a_call_of_its_own(cli, toy):
    line = ("sample", "--seed", 3, "--latents", "-m", toy, "-n")
    together = records(cli(*line, 20, "--each")[1])
    apart = [record for name in ("dark", "light") for record in records(cli(*line, 20, "--class", name)[1])]
    assert together == apart
    fewer = records(cli(*line, 3, "--each")[1])
    assert fewer == [*together[:3], *together[20:23]]


def test_the_name_of_a_class_counts_and_not_its_number():
    def of_light(classes):
        number = classes.index("light")
        labels = np.repeat([(number + 1) % len(classes), number], 6)
        bank = make_bank(toy_latents(), labels, [""] * 12, classes, seed=0)
        (batch,) = drawn(Mix(), bank, {"light": number}, 5, 1)
        return batch.latents

    assert np.array_equal(of_light(("dark", "light")), of_light(("light", "new", "dark")))
    assert class_key("light") != class_key("dark") != class_key("") == 0


def test_perturb_varies_an_input_the_same_for_any_count(cli, toy, pictures):
    line = ("perturb", "a.png", "own", "class:light", "--seed", 3, "--latents", "-m", toy, "-n")
    longest = records(cli(*line, 100)[1])
    for n in (1, 4, 8, 17):
        expected = [record for start in range(0, len(longest), 100) for record in longest[start : start + n]]
        assert records(cli(*line, n)[1]) == expected
    alone = records(cli("perturb", "a.png", "--seed", 3, "--latents", "-m", toy, "-n", 8)[1])
    assert alone == longest[:8]
    moves = np.array([latent for _, _, latent in longest]).reshape(6, 100, 4)
    moves -= moves.mean(1, keepdims=True)
    assert not np.allclose(moves[0], moves[1], atol=1e-3)  # each input has noise of its own


def test_python_begins_with_the_shorter_too(toy):
    model = aetool.load(toy)
    assert np.array_equal(model.sample("dark", n=4, seed=1).pixels, model.sample("dark", n=8, seed=1).pixels[:4])
    key = toy_latents()[3]
    shorter, longer = (model.perturb(key, n=n, seed=1) for n in (4, 8))
    assert np.array_equal(shorter.pixels, longer.pixels[:4]) and shorter.names == longer.names[:4]


def test_blocks_are_drawn_whole_and_stay_small():
    assert BLOCKS == (16, 64, 256, 1024, 4096, 10_000)
    assert list(blocks(0)) == [] and list(blocks(1)) == [(16, 1)] and list(blocks(17)) == [(16, 16), (64, 1)]
    many = list(blocks(100_000))
    assert sum(wanted for _, wanted in many) == 100_000 and max(size for size, _ in many) == 10_000
    assert all(size == wanted for size, wanted in many[:-1])


def test_each_block_has_the_seed_the_class_and_its_number():
    class Noise:
        def draw(self, bank, label, n, rng):
            return rng.standard_normal((n, 2), np.float32)

    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), [""] * 12, ("dark", "light"), seed=0)
    found = np.concatenate([batch.latents for batch in drawn(Noise(), bank, {"light": 1}, 90, 7)])
    parts = [rng_for(7, class_key("light"), i).standard_normal((n, 2), np.float32) for i, n in enumerate((16, 64, 256))]
    assert np.array_equal(found, np.concatenate(parts)[:90])


def test_batches_of_any_size_give_the_same_variations():
    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), [""] * 12, ("dark", "light"), seed=0)

    def varied(size: int) -> list[bytes]:
        starts = range(0, 12, size)
        parts = [toy_latents()[i : i + size] for i in starts]
        given = [LatentBatch(part, ("a",) * len(part), (None,) * len(part), None) for part in parts]
        return [latent.tobytes() for batch in perturbed(given, bank, 0.5, 3, 1) for latent in batch.latents]

    assert varied(12) == varied(5) == varied(1) and len(set(varied(12))) == 36
