"""Import: options, data and files of `aetool import`, and the bundle that it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import aetool
from aetool import Bundle, Codec
from aetool.arrays import to_images
from aetool.errors import BundleError, InvalidInput, UsageError
from aetool.training.foreign import imported
from aetool.training.foreign.imported import Ends
from tests.training.foreign_graphs import (
    BACK,
    FILL,
    FLAT,
    IMAGE,
    LATENT,
    PICK,
    decoder,
    spatial,
    with_constant,
    written,
)
from tests.zoo.members import SHAPES, array, graphs
from tests.zoo.pictures import rectangles


def test_an_imported_model_is_measured_without_torch(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-dense-dynamo"])
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", data, "-o", "mine", "-q")[0] == 0
    code, out, err = cli("bench", "mine", "--trials", 1, "--json")
    assert code == 0 and "torch is not measured" in err and "torch" not in json.loads(out)["sections"]


def test_distortion_is_evaluated_on_the_data_of_the_import(cli, workplace):
    np.savez("shapes.npz", images=rectangles(200, 1, 12, 12))
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", "shapes.npz", "-q")[0] == 0
    code, out, _ = cli("evaluate", "models/shapes", "--data", "shapes.npz", "--json")
    found = json.loads(out)["distortion"]
    assert code == 0 and found["test"] == pytest.approx(Bundle.find("shapes").manifest.distortion["test"])


def test_the_command_of_the_card_makes_the_same_bundle_without_a_guess(cli, workplace):
    array(Path("shapes.npz"), SHAPES["keras-transposed"])
    for path in graphs("keras-transposed"):
        shutil.copy(path, ".")
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", "shapes.npz", "-o", "one")[0] == 0
    command = Bundle.read(Path("one")).manifest.training["command"].split()
    assert command[:2] == ["aetool", "import"] and "--range=0..255" in command
    code, _, err = cli(*command[1:], "-o", "two")
    assert code == 0 and "guess" not in err
    for file in ("encoder.onnx", "decoder.onnx", "bank.npz"):
        assert Path("one", file).read_bytes() == Path("two", file).read_bytes()


def test_a_folder_of_pictures_is_prepared_as_the_encoder_takes_it(cli, workplace):
    for i in range(20):
        Path("photos").mkdir(exist_ok=True)
        Image.fromarray(rectangles(20, 3, 60, 80, seed=1)[i].transpose(1, 2, 0)).save(f"photos/{i}.png")
    assert cli("import", *graphs("torch-leaky-old"), "--data", "photos", "--range", "-1..1", "--layout", "nchw",
               "-o", "mine")[0] == 0  # fmt: skip
    bundle = Bundle.read(Path("mine"))
    assert bundle.manifest.image.shape == (3, 16, 16) and bundle.manifest.pictures is not None
    assert cli("import", *graphs("torch-dense-dynamo"), "--data", "photos", "-o", "flat")[0] == 0
    assert Bundle.read(Path("flat")).manifest.image.shape == (1, 12, 12)


def test_python_imports_as_the_command_does(workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    ends = Ends(ranges=("0..1",), layout="nchw")
    path = aetool.import_graphs(*graphs("torch-conv-old"), data, ends=ends)
    assert path == Path("models/shapes") and aetool.load(path).sample(n=2, seed=0).pixels.shape == (2, 1, 28, 28)
    with pytest.warns(UserWarning, match="a guess"):
        assert aetool.import_graphs(*graphs("torch-conv-old"), data) == Path("models/shapes-2")


def test_what_differs_from_its_source_is_never_written(cli, workplace, monkeypatch):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    monkeypatch.setitem(imported.BOUNDS, "images", -1.0)
    code, out, err = cli("import", *graphs("torch-conv-old"), "--data", data)
    assert (code, out) == (5, b"") and "the imported graphs and the bundle differ" in err
    assert not Path("models").exists()


def test_existing_folders_are_replaced_only_by_force(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    words = ["import", *graphs("torch-conv-old"), "--data", data, "-o", "mine"]
    assert cli(*words)[0] == 0 and cli(*words)[0] == 2 and cli(*words, "--force", "--no-bank")[0] == 0
    assert len(Bundle.read(Path("mine")).bank().latents) == 0


def test_weights_in_a_file_beside_are_taken_in(cli, workplace):
    data = array(Path("shapes.npz"), SHAPES["torch-conv-old"])
    for part, path in zip(("encoder", "decoder"), graphs("torch-conv-old"), strict=True):
        onnx.save_model(onnx.load(path), f"{part}.onnx", save_as_external_data=True, location=f"{part}.data",
                        size_threshold=0)  # fmt: skip
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", data, "-o", "beside")[0] == 0
    assert cli("import", *graphs("torch-conv-old"), "--data", data, "-o", "inside")[0] == 0
    assert Bundle.read(Path("beside")).identity == Bundle.read(Path("inside")).identity


def test_constants_outside_are_read_beside_the_graph_and_nowhere_else(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    Path("given").mkdir()
    encoder = with_constant(Path("given/encoder.onnx"), "numbers.bin")
    Path("numbers.bin").write_bytes(bytes(PICK.nbytes))
    code, _, err = cli("import", encoder, decoder(), "--data", data, "-o", "wrong")
    assert code == 7 and "given/numbers.bin" in err and not Path("wrong").exists()
    Path("given/numbers.bin").write_bytes(PICK.tobytes())
    assert cli("import", encoder, decoder(), "--data", data, "-o", "outside")[0] == 0
    inside = written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    assert cli("import", inside, decoder(), "--data", data, "-o", "inside")[0] == 0
    assert Bundle.read(Path("outside")).identity == Bundle.read(Path("inside")).identity


def test_a_batch_of_minus_one_is_any_batch(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    encoder = written(Path("encoder.onnx"), FLAT, {"pick": PICK}, ("x", [-1, 1, 8, 8]), ("z", [-1, 4]))
    assert cli("import", encoder, decoder(), "--data", data, "-o", "any")[0] == 0


def test_a_bundle_does_not_go_to_stdout(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    encoder = written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    code, out, err = cli("import", encoder, decoder(), "--data", data, "-o", "-")
    assert (code, out) == (2, b"") and "a bundle is a folder" in err and not Path("-").exists()


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 21, 23])
def test_graphs_of_older_and_newer_opsets_are_brought_to_ours(opset, cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    written(Path("encoder.onnx"), FLAT, {"pick": PICK}, opset=opset)
    written(Path("decoder.onnx"), BACK, {"fill": FILL, "shape": np.array([-1, 1, 8, 8])}, LATENT, IMAGE, opset=opset)
    assert cli("import", "encoder.onnx", "decoder.onnx", "--data", data, "--range", "0..1", "-o", "mine")[0] == 0
    model = onnx.load("mine/encoder.onnx")
    assert [one.version for one in model.opset_import] == [20]


def test_two_ranges_say_both_ends(cli, workplace):
    data = array(Path("shapes.npz"), (1, 8, 8))
    written(Path("encoder.onnx"), FLAT, {"pick": PICK})
    assert cli("import", "encoder.onnx", decoder(), "--data", data, "--range", "0..255,0..1", "-o", "mine")[0] == 0
    bundle = Bundle.read(Path("mine"))
    images = to_images(rectangles(3, 1, 8, 8, seed=2))
    assert np.allclose(Codec(bundle, "cpu").encode(images), images.reshape(3, -1)[:, :4] * 255)
    options = bundle.manifest.architecture["options"]
    assert (options["images in"][-6:], options["images out"][-4:]) == ("0..255", "0..1")
    assert json.loads(Path("mine/bundle.json").read_text())["training"]["imported"]["sha256"].keys() == {
        "encoder",
        "decoder",
    }


def test_errors_from_python_are_those_of_the_library(workplace):
    with pytest.raises(UsageError, match="no layout"):
        Ends(layout="x")
    with pytest.raises(InvalidInput):
        aetool.import_graphs(*graphs("torch-conv-old"), array(Path("few.npz"), (1, 28, 28), 4))
    with pytest.raises(BundleError, match="spatial"):
        aetool.import_graphs(spatial(), decoder(), array(Path("x.npz"), (1, 8, 8)))
