"""`export --weights float16`: half the bytes, the same verbs, and refused where the pictures would change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import aetool as package
from aetool import Bundle, Codec, metrics
from aetool.arrays import to_images
from aetool.bundle.manifest import VERSION, Manifest
from aetool.errors import BundleError, UsageError
from aetool.runtime import half
from aetool.runtime.golden import check_golden
from aetool.training.data.dataset import load


@pytest.fixture
def small(digits_run, tmp_path, monkeypatch) -> Path:
    """The bundle of `digits_run` with weights in float16."""
    monkeypatch.chdir(digits_run.parents[1])
    return package.export(digits_run, tmp_path / "small", weights="float16")


def test_a_bundle_in_float16_has_half_the_bytes_and_is_proven(small, digits):
    bundle, before = Bundle.read(small), Bundle.read(digits)
    sizes = [sum(len(one.files[f"{part}.onnx"]) for part in ("encoder", "decoder")) for one in (bundle, before)]
    assert sizes[0] < 0.54 * sizes[1] and bundle.identity != before.identity
    codec, images = Codec(bundle, "cpu"), to_images(load("digits", 0, choosing=True).test.pixels)
    mse = float(metrics.mse(images, codec.reconstruct(images)).mean())
    assert bundle.manifest.distortion["test"] == pytest.approx(mse)
    assert check_golden(bundle, codec)["found"] == {"latents": 0.0, "images": 0.0}
    weights = bundle.manifest.weights
    assert weights["type"] == "float16" and weights["images"] == "test" and weights["bounds"] == half.BOUNDS
    assert weights["found"]["mse"] == pytest.approx(abs(mse / before.manifest.distortion["test"] - 1), abs=1e-6)
    row = load("digits", 0, choosing=True).train.pixels[:1]
    assert np.array_equal(codec.encode(to_images(row))[0], bundle.bank().latents[0])


def test_manifest_card_and_info_say_so(small, digits, cli):
    text = (small / "README.md").read_text()
    assert "| Weights | float16, computed in float32: mse moved by" in text
    assert "aetool export --weights float16" in text and "before the weights were rounded" in text
    assert "float16" not in (digits / "README.md").read_text()
    assert b"\nweights       float16, computed" in cli("info", small)[1]
    assert b"float16" not in cli("info", digits)[1]
    fields = json.loads((small / "bundle.json").read_text())
    assert fields["version"] == VERSION and json.loads((digits / "bundle.json").read_text())["version"] < VERSION
    assert Manifest.from_json(json.dumps(fields).encode()).weights == fields["weights"]


@pytest.mark.parametrize("wrong", [3, [], {"type": 1}, {"type": "float16", "images": "test", "found": {"mse": "x"}}])
def test_a_damaged_field_is_refused(small, wrong):
    fields = json.loads((small / "bundle.json").read_text()) | {"weights": wrong}
    with pytest.raises(BundleError, match="damaged or incomplete"):
        Manifest.from_json(json.dumps(fields).encode())


def test_every_verb_works(small, cli):
    def ok(*words):
        code, out, err = cli(*words, "-m", small)
        assert code == 0, (words, err)
        return out

    ok("sample", "--digit", 8, "-n", 4, "--seed", 1, "-o", "eights/")
    picture = "eights/8-0001.png"
    ok("encode", "eights", "-o", "z.jsonl"), ok("decode", "z.jsonl", "-o", "again.png")
    ok("reconstruct", "eights", "--json"), ok("score", "eights", "--json")
    ok("interpolate", picture, "class:3", "--method", "graph", "--even", "-o", "walk.png")
    ok("combine", picture, "class:3", "-o", "c.png"), ok("perturb", picture, "-n", 2, "-o", "p.png")
    ok("search", picture, "-n", 2)
    assert b"parity" in ok("info") and cli("verify", small)[0] == 0
    assert json.loads(cli("bench", small, "--json", "--quick")[1] or b"{}") is not None


def test_beyond_a_bound_nothing_is_written_and_the_exit_code_is_5(digits_run, cli, monkeypatch):
    monkeypatch.chdir(digits_run.parents[1])
    monkeypatch.setitem(half.BOUNDS, "mse", -1.0)
    code, out, err = cli("export", "-o", "never", "--weights", "float16")
    assert (code, out) == (5, b"") and "weights in float16 change the mse" in err and "leave --weights out" in err
    assert not Path("never").exists()


def test_another_type_is_unknown(digits_run, cli, monkeypatch):
    monkeypatch.chdir(digits_run.parents[1])
    code, _, err = cli("export", "-o", "never", "--weights", "int8")
    assert code == 2 and "there is float32, float16" in err
    with pytest.raises(UsageError):
        package.export(digits_run, "never", weights="half")
