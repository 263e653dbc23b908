"""The assertion of all engines: it sees what is more than rounding, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engines import test_onnxruntime
from tests.engines.agreement import BATCHES, IMAGES, IN_ORDER, LATENTS, PIXELS, assert_agrees, differences, reference
from tests.engines.engine import Engine, Missing, Refused, call, package

GOOD = {"latents": LATENTS, "images": IMAGES, "differ": 1, "values": 1 / PIXELS, "levels": 1}


def test_what_lies_at_the_bounds_agrees():
    assert_agrees(GOOD)


def test_an_engine_that_adds_in_order_may_round_more():
    assert_agrees(GOOD | {"latents": IN_ORDER}, in_order=True)
    with pytest.raises(AssertionError):
        assert_agrees(GOOD | {"latents": 1.01 * IN_ORDER}, in_order=True)


@pytest.mark.parametrize(
    "change", [{"latents": 1.01 * LATENTS}, {"images": 1.01 * IMAGES}, {"differ": 2}, {"levels": 2}]
)
def test_what_lies_beyond_a_bound_does_not_agree(change):
    with pytest.raises(AssertionError):
        assert_agrees(GOOD | change)


def test_the_differences_of_all_batches_count(toy):
    found = reference(toy)

    def off(graph: Path, batches):
        """Be off by an eighth in the last latent of the last batch, and by 2 levels in 3 values of it when decoding."""
        outputs = [found.encoded[: len(z)].copy() if graph.stem == "encoder" else found.decoded[: len(z)].copy()
                   for z in batches]  # fmt: skip
        if graph.stem == "encoder":
            outputs[-1][-1, -1] += np.float32(0.125)
        else:
            outputs[-1].reshape(-1)[:3] += np.float32(2 / 255)
        return outputs

    figures = differences(Engine("off", "Python", lambda: "1", off), found)
    spread = np.sqrt(found.encoded.var(axis=0).mean())
    assert figures["latents"] == pytest.approx(0.125 / spread)
    assert figures["images"] == pytest.approx(2 / 255, rel=1e-4)
    assert (figures["differ"], figures["values"], figures["levels"]) == (3, 64 * sum(BATCHES), 2)


def test_one_image_less_is_an_error(toy):
    with pytest.raises(AssertionError):
        differences(Engine("short", "Python", lambda: "1", lambda _, batches: batches[1:]), reference(toy))


def test_a_graph_that_cannot_be_read_is_refused_with_the_words_of_the_engine(tmp_path):
    (tmp_path / "encoder.onnx").write_bytes(b"no graph")
    with pytest.raises(Refused, match=r"(?s)python.* ended with 1:.*encoder\.onnx"):
        test_onnxruntime.ENGINE.run(tmp_path / "encoder.onnx", [np.zeros((1, 1, 8, 8), np.float32)])


def test_a_crash_of_an_engine_is_an_error_of_one_test():
    with pytest.raises(Refused, match="ended with -11"):
        call(["bash", "-c", "kill -SEGV $$"])


def test_a_missing_engine_says_what_to_install():
    with pytest.raises(Missing, match=r"no-such-engine: bash \.ci/engines, or pip install '\.\[engines\]'"):
        package("no-such-engine")()
