"""Older formats: bundles of version 1 are read, banks of older versions are named as old, and upgrade.py rewrites."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import write
from aetool.bundle.half import half
from aetool.errors import BundleError
from aetool.generation.neighbour_graph import neighbour_graph, shortest_path
from aetool.generation.stored import completed
from aetool.images.spec import CURRENT
from aetool.latents.bank import Edges
from aetool.latents.bank_file import read_bank, write_bank
from tests.conftest import REPOSITORY
from tests.toy import CLASSES, toy_bank, toy_latents


def upgrade(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("upgrade", REPOSITORY / "models/upgrade.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.upgrade(path)


@pytest.fixture
def old(toy, tmp_path) -> Path:
    """The toy bundle as version 1, without stored edges."""
    path = Path(shutil.copytree(toy, tmp_path / "old"))
    bundle = Bundle.read(path)
    manifest = json.loads(bundle.files["bundle.json"]) | {"version": 1}
    files = {**bundle.files, "bundle.json": json.dumps(manifest).encode(), "bank.npz": write_bank(toy_bank())}
    write(path, files, "old card", replace=True)
    return path


def test_upgrade_keeps_weights_in_float16(toy, tmp_path):
    path = Path(shutil.copytree(toy, tmp_path / "half"))
    bundle = Bundle.read(path)
    weights = {"type": "float16", "images": "test", "found": {"mse": 0.001, "pixels": 0.0}, "bounds": {}}
    files = {name: half(data) if name.endswith(".onnx") else data for name, data in bundle.files.items()}
    files["bundle.json"] = replace(bundle.manifest, weights=weights).to_json()
    write(path, files, "card", replace=True)
    upgrade(path)
    assert Bundle.read(path).manifest.weights == weights and Bundle.read(path).files["encoder.onnx"] == half(
        bundle.files["encoder.onnx"]
    )
    assert "| Weights | float16, computed in float32: mse moved by 0.1 %, 0 %" in (path / "README.md").read_text()


def test_version_1_is_read_and_its_graph_computed(old, cli, workplace):
    bundle = Bundle.read(old)
    assert bundle.bank().edges is None
    assert cli("interpolate", "class:dark", "class:light", "--method", "graph", "-m", old, "-o", "x.png")[0] == 0


def test_upgrade_keeps_the_graphs_and_writes_the_same_bytes_twice(old):
    before = Bundle.read(old)
    upgrade(old)
    after = Bundle.read(old)
    assert after.identity == before.identity
    assert all(after.files[name] == before.files[name] for name in ("encoder.onnx", "decoder.onnx"))
    assert json.loads(after.files["bundle.json"])["version"] == 2
    assert after.bank().edges is not None and "\n# old\n" in (old / "README.md").read_text()
    first = {path.name: path.read_bytes() for path in old.iterdir()}
    upgrade(old)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == first


@pytest.mark.parametrize(
    ("command", "version"),
    [("aetool train mnist --epochs 2", 2), ("aetool train digits", 2), ("aetool train photos --epochs 2", 1),
     ("aetool train ./mnist --epochs 2", 1), ("aetool train --files-from mnist", 1), ("none", 1), ("", 1)],
)  # fmt: skip
def test_upgrade_gives_a_new_preparation_to_models_of_no_files_alone(old, command, version):
    bundle = Bundle.read(old)
    manifest = json.loads(bundle.files["bundle.json"])
    del manifest["preparation"]
    manifest["training"]["command"] = command
    write(old, {**bundle.files, "bundle.json": json.dumps(manifest).encode()}, "old card", replace=True)
    assert Bundle.read(old).manifest.image.preparation == 1
    upgrade(old)
    assert Bundle.read(old).manifest.image.preparation == version


def test_shipped_mnist_has_the_newest_preparation():
    assert Bundle.find("mnist").manifest.image.preparation == CURRENT


def test_stored_edges_are_those_that_would_be_computed():
    bank, stored = toy_bank(), completed(toy_bank())
    found, expected = neighbour_graph(stored), neighbour_graph(bank)
    assert np.array_equal(found.starts, expected.starts) and np.array_equal(found.ends, expected.ends)
    paths = [shortest_path(graph, toy_latents()[0] - 1, toy_latents()[-1] + 1) for graph in (found, expected)]
    assert np.array_equal(*paths)


def test_a_bank_without_rows_stores_no_graph():
    empty = replace(toy_bank(), latents=toy_latents()[:0])
    assert completed(empty).edges is None and completed(empty).local_variances is None


@pytest.mark.parametrize(
    "edges",
    [
        Edges(np.zeros(5, np.int32), np.zeros(0, np.uint16)),
        Edges(np.zeros(13, np.int64), np.zeros(0, np.uint16)),
        Edges(np.array([0] * 12 + [2], np.int32), np.array([0, 12], np.uint16)),
        Edges(np.array([0] * 12 + [3], np.int32), np.array([0, 1], np.uint16)),
        Edges(np.array([0, 2, 1] + [2] * 10, np.int32), np.array([0, 1], np.uint16)),
        Edges(np.array([1] * 12 + [2], np.int32), np.array([0, 1], np.uint16)),
    ],
)
def test_edges_of_other_rows_are_refused(edges):
    with pytest.raises(BundleError, match="neighbour graph of other rows"):
        read_bank(write_bank(replace(toy_bank(), edges=edges)), CLASSES, 4)


def test_half_a_graph_is_refused():
    with np.load(io.BytesIO(write_bank(completed(toy_bank())))) as arrays:
        parts = {name: arrays[name] for name in arrays.files}
    for name in ("edge_starts", "edge_ends"):
        stream = io.BytesIO()
        np.savez(stream, **{key: array for key, array in parts.items() if key != name})
        with pytest.raises(BundleError, match="damaged or incomplete"):
            read_bank(stream.getvalue(), CLASSES, 4)


def test_a_bank_of_an_older_version_is_named_as_old(old, cli):
    bundle = Bundle.read(old)
    with np.load(io.BytesIO(bundle.files["bank.npz"])) as arrays:
        kept = {name: arrays[name] for name in arrays.files if not name.startswith("mixture")}
    stream = io.BytesIO()
    np.savez(stream, **kept)
    write(old, {**bundle.files, "bank.npz": stream.getvalue()}, "card", replace=True)
    code, _, err = cli("sample", "-m", old)
    assert code == 5 and "older aetool" in err and "export it again" in err and "damaged" not in err


def test_the_bank_is_parsed_once_and_not_sent_to_workers(toy):
    import pickle

    bundle = Bundle.read(toy)
    assert bundle.bank() is bundle.bank()
    assert "_bank" not in pickle.loads(pickle.dumps(bundle)).__dict__


def test_upgrade_measures_the_held_out_images_of_the_data_set(digits, tmp_path, monkeypatch):
    before = Bundle.read(digits)
    path = Path(shutil.copytree(digits, tmp_path / "old"))
    bare = replace(before.manifest, scoring=None)
    write(path, {**before.files, "bundle.json": bare.to_json()}, "old card", replace=True)
    monkeypatch.delenv("AETOOL_DATA", raising=False)
    upgrade(path)
    assert Bundle.read(path).manifest.scoring is None and "mse alone" in (path / "README.md").read_text()
    (tmp_path / "data/digits").mkdir(parents=True)
    monkeypatch.setenv("AETOOL_DATA", str(tmp_path / "data"))
    upgrade(path)
    after = Bundle.read(path)
    assert after.identity == before.identity
    assert after.manifest.scoring.to_dict() == before.manifest.scoring.to_dict()
    assert "mse and distance to the bank" in (path / "README.md").read_text()
