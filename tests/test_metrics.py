"""Distortion: values known by hand, and SSIM against loops written from the paper."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from aetool.metrics import distortions, mse, psnr, ssim


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def ssim_by_loops(a: np.ndarray, b: np.ndarray, size: int) -> float:
    """SSIM of two images (c, h, w): equation 13 of Wang et al. at every place of the window, averaged."""
    half = size // 2
    weights = {
        (y, x): math.exp(-(y * y + x * x) / (2 * 1.5**2))
        for y in range(-half, half + 1)
        for x in range(-half, half + 1)
    }
    total = sum(weights.values())
    values = []
    channels, height, width = a.shape
    for c in range(channels):
        for cy in range(half, height - half):
            for cx in range(half, width - half):
                pairs = [
                    (w / total, float(a[c, cy + y, cx + x]), float(b[c, cy + y, cx + x]))
                    for (y, x), w in weights.items()
                ]
                mean_a = sum(w * p for w, p, _ in pairs)
                mean_b = sum(w * q for w, _, q in pairs)
                var_a = sum(w * (p - mean_a) ** 2 for w, p, _ in pairs)
                var_b = sum(w * (q - mean_b) ** 2 for w, _, q in pairs)
                cov = sum(w * (p - mean_a) * (q - mean_b) for w, p, q in pairs)
                luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
                values.append(luminance * (2 * cov + 9e-4) / (var_a + var_b + 9e-4))
    return sum(values) / len(values)


def test_equal_images_have_no_distortion():
    x = images(3, 1, 8, 8)
    assert mse(x, x).tolist() == [0, 0, 0]
    assert psnr(x, x).tolist() == [math.inf] * 3
    assert ssim(x, x) == pytest.approx([1, 1, 1], abs=1e-12)


@pytest.mark.parametrize("offset", [0.5, 0.25, 1.0])
def test_a_constant_offset_gives_its_square(offset):
    x = np.zeros((2, 3, 8, 8), np.float32)
    x_hat = x + np.float32(offset)
    assert mse(x, x_hat).tolist() == [offset**2] * 2
    assert psnr(x, x_hat) == pytest.approx([-20 * math.log10(offset)] * 2)


def test_mse_and_psnr_worked_out_by_hand():
    x = np.array([[[[0, 1], [0.5, 0.25]]], [[[0, 0], [0, 0]]]], np.float32)
    x_hat = np.array([[[[0.5, 1], [0.5, 0]]], [[[0, 0], [0, 0.2]]]], np.float32)
    assert mse(x, x_hat) == pytest.approx([(0.25 + 0.0625) / 4, 0.01])
    assert psnr(x, x_hat) == pytest.approx([10 * math.log10(4 / 0.3125), 20])


def test_ssim_of_flat_images_is_its_luminance_term():
    x, x_hat = np.full((1, 1, 16, 16), 0.2, np.float32), np.full((1, 1, 16, 16), 0.8, np.float32)
    assert ssim(x, x_hat) == pytest.approx([(2 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4)], rel=1e-6)
    assert ssim(np.zeros_like(x), np.ones_like(x)) == pytest.approx([1e-4 / (1 + 1e-4)], rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 13, 12), 11), ((3, 11, 11), 11), ((1, 8, 8), 7), ((2, 9, 9), 9), ((1, 10, 10), 9)]
)
def test_ssim_is_what_plain_loops_compute(shape, size):
    a, b = images(*shape), images(*shape, seed=1)
    half_way = ((a + b) / 2).astype(np.float32)
    found = ssim(np.stack([a, a]), np.stack([b, half_way]))
    assert found == pytest.approx([ssim_by_loops(a, b, size), ssim_by_loops(a, half_way, size)], rel=1e-9)


def test_ssim_lies_between_minus_one_and_one_and_falls_with_noise():
    x = images(1, 1, 16, 16)
    noise = images(1, 1, 16, 16, seed=1) - 0.5
    figures = [ssim(x, np.clip(x + np.float32(s) * noise, 0, 1))[0] for s in (0, 0.2, 0.5, 1.0)]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] == pytest.approx(1) and figures[-1] < 0.9
    checks = (np.indices((16, 16)).sum(0) % 2).astype(np.float32)[None, None]
    assert -1 <= ssim(checks, 1 - checks)[0] < -0.9


def test_every_image_has_figures_of_its_own():
    x, x_hat = images(5, 3, 12, 12), images(5, 3, 12, 12, seed=1)
    for figure in (mse, psnr, ssim):
        one_by_one = [figure(x[i : i + 1], x_hat[i : i + 1])[0] for i in range(5)]
        assert figure(x, x_hat) == pytest.approx(one_by_one, rel=1e-12)
        assert figure(x, x_hat).dtype == np.float64
        assert figure(x[:0], x_hat[:0]).shape == (0,)
        assert figure(x_hat, x) == pytest.approx(figure(x, x_hat), rel=1e-12)


def test_small_differences_are_not_lost():
    x = np.full((1, 1, 8, 8), 0.9, np.float32)
    step = np.nextafter(np.float32(0.9), np.float32(1)) - np.float32(0.9)
    assert mse(x, x + step) == pytest.approx([float(step) ** 2], rel=1e-6)


def test_distortions_have_no_psnr_where_nothing_differs():
    x = np.zeros((2, 1, 8, 8), np.float32)
    x_hat = x.copy()
    x_hat[1] = 0.1
    first, second = distortions(x, x_hat)
    assert first == {"mse": 0.0, "psnr": None, "ssim": pytest.approx(1)}
    assert second["mse"] == pytest.approx(0.01) and second["psnr"] == pytest.approx(20)
    assert json.loads(json.dumps(second)) == second and list(second) == ["mse", "psnr", "ssim"]
    assert distortions(x[:0], x[:0]) == []
