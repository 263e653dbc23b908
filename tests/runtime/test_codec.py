"""The codec, on the toy bundle where every output is known."""

from __future__ import annotations

import numpy as np
import pytest

from aetool import Bundle, Codec
from aetool.arrays import to_images, to_pixels
from aetool.errors import BundleError, InvalidInput
from aetool.runtime.codec import Opened
from tests.toy import toy_latents, toy_pixels


@pytest.fixture(scope="module")
def codec(toy):
    return Codec(Bundle.read(toy), "cpu")


def test_encode_takes_the_pixels_and_decode_fills_the_quadrants(codec):
    latents = toy_latents()
    assert np.array_equal(to_pixels(codec.decode(latents)), toy_pixels(latents))
    images = to_images(toy_pixels(latents))
    assert np.array_equal(codec.encode(images), images[:, 0, 2::4, 2::4].reshape(-1, 4))
    assert np.array_equal(codec.reconstruct(images), images)


@pytest.mark.parametrize("n", [0, 1, 2, 255, 256, 257, 600])
def test_results_do_not_depend_on_the_batch(codec, n):
    latents = np.random.default_rng(0).uniform(0, 1, (n, 4)).astype(np.float32)
    one_by_one = [codec.decode(row[None]) for row in latents]
    assert np.array_equal(codec.decode(latents), np.concatenate([np.empty((0, 1, 8, 8), np.float32), *one_by_one]))


def test_latents_outside_the_range_are_clipped_in_the_graph(codec):
    assert codec.decode(np.full((1, 4), 7, np.float32)).max() == 1
    assert codec.decode(np.full((1, 4), -7, np.float32)).min() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_latents_that_are_not_finite_are_refused(codec, value):
    with pytest.raises(InvalidInput, match="finite"):
        codec.decode(np.array([[0, 0, value, 0]], np.float32))


def test_images_are_checked_at_the_border(codec):
    with pytest.raises(InvalidInput, match="shape"):
        codec.encode(np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(InvalidInput, match="float32"):
        codec.encode(np.zeros((1, 1, 8, 8), np.uint8))
    with pytest.raises(InvalidInput, match="0, 1"):
        codec.encode(np.full((1, 1, 8, 8), 1.5, np.float32))


def test_a_graph_that_gives_non_finite_numbers_is_refused(toy):
    bundle = Bundle.read(toy)
    codec = Codec(bundle, "cpu")

    def broken(values):
        return np.full((1, 4), np.nan, np.float32)

    with pytest.raises(BundleError, match="not finite"):
        codec._run(Opened(broken, 8), np.zeros((1, 1, 8, 8), np.float32), (4,))


def test_a_graph_that_is_none_is_refused(toy):
    bundle = Bundle.read(toy)
    broken = Bundle(bundle.name, bundle.manifest, {**bundle.files, "decoder.onnx": b"no graph"}, bundle.identity)
    with pytest.raises(BundleError, match="the graph with the images is refused"):
        Codec(broken, "cpu").decode(np.zeros((1, 4), np.float32))


def test_graphs_must_have_the_tensors_that_the_manifest_says(toy):
    bundle = Bundle.read(toy)
    swapped = {**bundle.files, "decoder.onnx": bundle.files["encoder.onnx"]}
    with pytest.raises(BundleError, match="the one tensor latents"):
        Codec(Bundle("toy", bundle.manifest, swapped, ""), "cpu").decode(np.zeros((1, 4), np.float32))
