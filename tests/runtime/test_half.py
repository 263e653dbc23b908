"""What float16 may change: the mse by 1 %, and 1 % of pixels by more than a level."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.bundle.bundle import Graphs
from aetool.errors import BundleError
from aetool.runtime.codec import Codec
from aetool.runtime.half import compare
from tests.toy import SPEC, picking_graphs

IMAGES = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)


def codec(levels: float, pixels: int = 64) -> Codec:
    """Return a codec that gives back every image, with some pixels darker by a number of levels."""
    fill = np.eye(64, dtype=np.float32)
    fill[:pixels] *= np.float32(1 - levels / 255 / IMAGES.max())
    graphs = picking_graphs(np.eye(64, dtype=np.float32), fill, SPEC.channels)
    return Codec(Graphs(graphs["encoder.onnx"], graphs["decoder.onnx"], SPEC, 64), "cpu")


def test_what_changes_is_counted():
    found = compare(codec(8), codec(8), [IMAGES[:7], IMAGES[7:]])["found"]
    assert found == {"mse": 0, "pixels": 0}
    found = compare(codec(8), codec(8.03), [IMAGES])["found"]
    assert found["mse"] == pytest.approx((8.03 / 8) ** 2 - 1, rel=1e-3) and found["pixels"] == 0


def test_an_mse_that_moves_by_more_than_a_hundredth_is_refused_and_one_below_a_level_is_none():
    with pytest.raises(BundleError, match=r"change the mse by 1\.\d % and 0 % of pixels .* at most 1 % and 1 %"):
        compare(codec(8), codec(8.05), [IMAGES])
    with pytest.raises(BundleError, match=r"the mse by 1\.2 %"):
        compare(codec(8.05), codec(8), [IMAGES])
    assert compare(codec(0), codec(0.03), [IMAGES])["found"]["mse"] < 0.01


def test_pixels_that_change_by_more_than_a_level_are_refused(monkeypatch):
    monkeypatch.setitem(compare.__globals__["BOUNDS"], "mse", 1e9)
    with pytest.raises(BundleError, match=r"1\.6 % of pixels by more than a level"):
        compare(codec(0), codec(200, 1), [IMAGES])
    assert compare(codec(0), codec(1, 64), [IMAGES])["found"]["pixels"] == 0
