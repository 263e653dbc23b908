"""The nearest training image: exact on pictures of every kind, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.training.evaluation import nearest
from aetool.training.evaluation.nearest import Nearest

SHAPES = [((1, 8, 8), 500, 50), ((3, 12, 16), 300, 40), ((1, 28, 28), 1500, 20), ((2, 40, 40), 60, 10)]


def made(kind, shape, n, rng):
    """Return `n` images of a kind, uint8 (n, *shape)."""
    if kind == "noise":
        return rng.integers(0, 256, (n, *shape), np.uint8)
    if kind == "equal":
        return np.repeat(rng.integers(0, 256, (1, *shape), np.uint8), n, 0)
    size = int(np.prod(shape))
    smooth = rng.normal(size=(n, 6)) @ (20 * rng.normal(size=(6, size))) + 3 * rng.normal(size=(n, size))
    return (128 + smooth).clip(0, 255).astype(np.uint8).reshape(n, *shape)


def by_hand(train, images):
    flat = train.reshape(len(train), -1).astype(np.int64)
    return [int(np.square(flat - image.reshape(-1)).sum(1).min()) for image in images]


@pytest.mark.parametrize("kind", ["noise", "equal", "smooth"])
@pytest.mark.parametrize(("shape", "n", "q"), [*SHAPES, ((1, 8, 8), 1, 5), ((5, 8, 9), 3, 5)])
@pytest.mark.parametrize("values", [1 << 22, 1000])
def test_the_nearest_is_found_exactly(kind, shape, n, q, values, monkeypatch):
    monkeypatch.setattr(nearest, "VALUES", values)
    rng = np.random.default_rng(0)
    train, images = made(kind, shape, n, rng), made("noise", shape, q, rng)
    images[: q // 2] = train[rng.integers(0, n, q // 2)]
    images[: q // 4] ^= rng.integers(0, 8, images[: q // 4].shape, np.uint8)
    assert Nearest(train).squared(images).tolist() == by_hand(train, images)


def test_few_pairs_are_compared_where_images_are_alike_in_few_ways(monkeypatch):
    rng = np.random.default_rng(0)
    train = made("smooth", (1, 28, 28), 1500, rng)
    search, compared = Nearest(train), []
    monkeypatch.setattr(Nearest, "_improve", lambda _, best, images, queries, rows: compared.append(len(rows)))
    search.squared(train[:200])
    assert 200 <= sum(compared) < 1000


def test_training_images_are_read_in_blocks(monkeypatch):
    class Rows:
        """Rows of a file, of which few are asked for at a time."""

        shape = (400, 1, 16, 16)

        def __len__(self):
            return 400

        def __getitem__(self, rows):
            found = train[rows]
            assert len(found) <= 100
            return found

    rng = np.random.default_rng(0)
    train = made("noise", (1, 16, 16), 400, rng)
    monkeypatch.setattr(nearest, "SAMPLE", 100)
    monkeypatch.setattr(nearest, "VALUES", 100 * 256)
    images = made("noise", (1, 16, 16), 9, rng)
    assert Nearest(Rows()).squared(images).tolist() == by_hand(train, images)


def test_mse_is_of_values_from_0_to_1():
    train = np.array([[0, 0], [255, 255]], np.uint8).reshape(2, 1, 1, 2)
    images = np.array([[0, 51], [255, 255], [0, 255]], np.uint8).reshape(3, 1, 1, 2)
    assert Nearest(train).mse(images) == pytest.approx([0.02, 0, 0.5])
