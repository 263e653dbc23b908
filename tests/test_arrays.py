"""Shapes, dtypes and ranges of images and latents, and what a bank answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aetool.arrays import check_images, check_latents, to_images, to_pixels
from aetool.cli.fixes import told
from aetool.errors import InvalidInput, UsageError
from aetool.latents.bank import make_bank
from tests.toy import CLASSES, toy_bank, toy_latents

SHAPE = (1, 2, 3)
LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)


def test_pixels_to_images_and_back_is_exact_for_every_level():
    images = to_images(LEVELS)
    assert images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1
    back = to_pixels(images)
    assert back.dtype == np.uint8
    assert np.array_equal(back, LEVELS)


def test_images_become_the_nearest_pixels():
    images = np.array([0.4, 0.6, 127.4, 127.6, 254.6], np.float32) / np.float32(255)
    assert to_pixels(images).tolist() == [0, 1, 127, 128, 255]


def test_good_images_pass_unchanged():
    images = np.random.default_rng(0).uniform(0, 1, (4, *SHAPE)).astype(np.float32)
    assert check_images(images, SHAPE) is images
    assert check_images(np.empty((0, *SHAPE), np.float32), SHAPE).shape == (0, *SHAPE)


@pytest.mark.parametrize("shape", [(1, 2, 3), (1, 3, 2, 3), (1, 1, 3, 2), (1, 1, 2, 3, 1), (), (0,)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InvalidInput, match=r"images of shape \(n, 1, 2, 3\) expected"):
        check_images(np.zeros(shape, np.float32), SHAPE)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float16, bool, object])
def test_images_of_another_dtype_are_refused(dtype):
    with pytest.raises(InvalidInput, match="images are float32"):
        check_images(np.zeros((1, *SHAPE), dtype), SHAPE)


@pytest.mark.parametrize("value", [-1e-6, 1.0000001, np.nan, np.inf, -np.inf])
def test_images_outside_the_range_are_refused(value):
    images = np.zeros((1, *SHAPE), np.float32)
    images[0, 0, 1, 2] = value
    with pytest.raises(InvalidInput, match=r"lie in \[0, 1\]"):
        check_images(images, SHAPE)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "f2", "i1", "u1", "<i8", ">i4", "u8"])
def test_latents_of_any_kind_of_number_become_contiguous_native_float32(dtype):
    latents = check_latents(np.arange(6).reshape(2, 3).astype(dtype), 3)
    assert latents.dtype == np.dtype("=f4")
    assert latents.flags.c_contiguous
    assert latents.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_latents_in_another_memory_order_keep_their_places():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    for other in (np.asfortranarray(array), array[::-1][::-1], np.repeat(array, 2, axis=1)[:, ::2]):
        latents = check_latents(other, 4)
        assert latents.flags.c_contiguous
        assert np.array_equal(latents, array)


def test_latents_may_be_none_at_all():
    assert check_latents(np.empty((0, 4)), 4).shape == (0, 4)


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((1, 2, 2)), np.float32(1), np.zeros((1, 4), bool)])
def test_what_is_no_matrix_of_numbers_is_refused(array):
    with pytest.raises(InvalidInput, match=r"latents are numbers of shape \(n, k\)"):
        check_latents(np.asarray(array), 4)


@pytest.mark.parametrize("dtype", [object, "S1", "U1", complex, "M8[s]", [("a", "f4")]])
def test_what_is_no_number_is_refused(dtype):
    with pytest.raises(InvalidInput, match=r"latents are numbers of shape \(n, k\)"):
        check_latents(np.zeros((1, 4), dtype), 4)


def test_latents_of_another_size_are_refused_unless_any_is_taken():
    with pytest.raises(InvalidInput, match="latents of 3 numbers, these have 4"):
        check_latents(np.zeros((1, 4)), 3)
    assert check_latents(np.zeros((1, 4)), None).shape == (1, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
def test_latents_that_float32_cannot_hold_are_refused(value):
    with pytest.raises(InvalidInput, match="finite"):
        check_latents(np.array([[0, value]]), 2)


def test_extreme_but_finite_latents_pass():
    extreme = [np.finfo(np.float32).max, -np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal, -0.0]
    assert check_latents(np.array([extreme]), 4).tolist() == [[float(v) for v in extreme]]


def test_class_index_counts_the_names_and_none_is_the_whole_bank():
    bank = toy_bank()
    assert [bank.class_index(name) for name in (*CLASSES, None)] == [0, 1, None]


def test_class_index_of_another_name_gives_a_hint():
    with pytest.raises(UsageError) as caught:
        toy_bank().class_index("lihgt")
    assert str(caught.value) == 'no class "lihgt" (did you mean "light"?); there is dark, light'


def test_class_index_of_a_model_without_classes_says_so():
    bank = make_bank(toy_latents(), np.full(12, -1), [str(i) for i in range(12)], (), seed=0)
    assert bank.class_index(None) is None
    with pytest.raises(UsageError, match="knows no classes"):
        bank.class_index("dark")


def test_rows_are_those_of_the_class_or_all():
    bank = toy_bank()
    assert bank.rows(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert bank.rows(1).tolist() == [6, 7, 8, 9, 10, 11]
    assert bank.rows(None).tolist() == list(range(12))


@pytest.mark.parametrize("label", [0, 1, None])
def test_a_bank_without_rows_points_at_the_sampler_that_needs_none(label):
    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), [""] * 12, CLASSES, seed=0, rows=False)
    with pytest.raises(UsageError, match="no latents to draw from") as caught:
        bank.rows(label)
    assert told(caught.value).endswith("; --method gaussian needs none")


def test_a_class_that_had_no_images_gets_no_such_hint():
    bank = make_bank(toy_latents(), np.zeros(12, np.int64), [""] * 12, CLASSES, seed=0)
    with pytest.raises(UsageError, match=r"no latents of class \"light\": no image .* was there when it was exported$"):
        bank.rows(1)


def test_mean_and_covariance_are_of_the_class_or_of_all():
    bank, latents = toy_bank(), toy_latents()
    for label, rows in ((0, slice(0, 6)), (1, slice(6, 12)), (None, slice(0, 12))):
        assert np.allclose(bank.mean(label), latents[rows].mean(0), rtol=1e-6)
        assert np.allclose(bank.covariance(label), np.cov(latents[rows].T), rtol=1e-5, atol=1e-9)
        assert bank.mean(label).shape == (4,) and bank.covariance(label).shape == (4, 4)


def test_statistics_are_read_from_the_bank_and_not_from_its_rows():
    bank = replace(toy_bank(), latents=np.empty((0, 4), np.float32), labels=np.empty(0, np.int64))
    assert np.array_equal(bank.mean(1), toy_bank().mean(1))
    assert np.array_equal(bank.covariance(None), toy_bank().covariance(None))
