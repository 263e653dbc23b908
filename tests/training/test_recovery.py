"""A trained model can always be used: its images moved, renamed, joined by others, or partly gone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aetool import Bundle, export
from aetool.errors import UsageError
from aetool.training import session
from aetool.training.config import TrainConfig
from aetool.training.record import read_record
from tests.conftest import command


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with photos/ of two classes of twelve, a run of one epoch, and its bundle, before/."""
    place, rng = tmp_path_factory.mktemp("trained"), np.random.default_rng(0)
    for name in ("cat", "dog"):
        (place / "photos" / name).mkdir(parents=True)
        for i in range(12):
            draw(rng, place / "photos" / name / f"{i:02}.png")
    settings = ["--arch", "conv", "--epochs", "1", "--latent-dim", "2", "--threads", "1"]
    for words in (["train", "photos", *settings], ["export", "-o", "before"]):
        subprocess.run(command(words), cwd=place, check=True, timeout=300)
    return place


@pytest.fixture
def project(trained, workplace, monkeypatch):
    """A copy of `trained` elsewhere, as the current folder; what it was trained on is no longer in its place."""
    shutil.copytree(trained, workplace / "one")
    config = workplace / "one/runs/photos/config.json"
    fields = json.loads(config.read_text())
    fields["config"]["dataset"] = str(workplace / "never" / "photos")
    config.write_text(json.dumps(fields))
    monkeypatch.chdir(workplace / "one")
    return workplace / "one"


def draw(rng, path, size=(9, 11)):
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)


def core(bundle: str) -> dict[str, bytes]:
    return {name: data for name, data in Bundle.read(Path(bundle)).files.items() if name != "bundle.json"}


def pictures(held_out: bool) -> list[Path]:
    images = read_record(Path("runs/photos")).images
    return [Path("photos", image.name) for image in images if image.held_out is held_out]


def unfinished(run: str = "runs/photos") -> None:
    """Make the finished run one of two epochs, of which one is done."""
    config = Path(run, "config.json")
    fields = json.loads(config.read_text())
    fields["config"]["epochs"] = 2
    config.write_text(json.dumps(fields))


def test_the_record_names_every_image_with_its_pixels_its_class_and_its_part(project):
    record = read_record(Path("runs/photos"))
    assert len(record.images) == 24 and record.classes == ("cat", "dog")
    assert [image.held_out for image in record.images].count(True) == 2
    assert record.images[0].name.startswith("cat/") and record.images[0].label == "cat"
    assert len({image.sha256 for image in record.images}) == 24


def test_a_project_that_moved_is_exported_to_the_same_bytes(project, cli):
    code, out, err = cli("export")
    assert (code, out) == (0, b"models/photos\n") and "warning" not in err
    assert core("models/photos") == core("before")


def test_moved_pictures_are_found_by_data_and_in_no_other_folder(project, cli):
    Path("photos").rename("elsewhere")
    Path("empty").mkdir()
    code, out, err = cli("export")
    assert (code, out) == (4, b"") and "--data" in err and err.count("\n") == 1
    assert cli("export", "--data", "nowhere")[0] == 2
    assert cli("export", "--data", "empty", "--no-bank")[0] == 4
    assert not Path("models").exists()
    assert cli("export", "--data", "elsewhere")[0] == 0
    assert core("models/photos") == core("before")


def test_added_renamed_and_sorted_pictures_change_nothing_and_are_said(project, cli):
    rng = np.random.default_rng(1)
    draw(rng, "photos/cat/new.png")
    draw(rng, "photos/large.png", (70, 50))
    Path("photos/bird").mkdir()
    shutil.copy("photos/dog/03.png", "photos/bird/copy.png")
    Path("photos/dog/04.png").rename("photos/bird/04.png")
    Path("photos/cat/00.png").rename("photos/cat/zero.png")
    code, _, err = cli("export")
    assert code == 0
    assert "3 new pictures are not part of this run" in err and "2 pictures have other names now" in err
    assert core("models/photos") == core("before")
    assert Bundle.read(Path("models/photos")).manifest.classes == ("cat", "dog")


def test_with_images_gone_the_bank_holds_those_that_are_there(project, cli):
    for path in (*pictures(held_out=False)[:5], pictures(held_out=True)[0]):
        path.unlink()
    code, _, err = cli("export")
    assert code == 0 and "5 of 22 training images are gone" in err and "1 of 2 held-out images are gone" in err
    bundle = Bundle.read(Path("models/photos"))
    assert len(bundle.bank().latents) == 17
    assert bundle.identity == Bundle.read(Path("before")).identity
    assert bundle.manifest.dataset["train"] == 22 and bundle.manifest.dataset["found"] == {"train": 17, "test": 1}
    assert "17 and 1 were there at export" in Path("models/photos/README.md").read_text()
    assert cli("sample", "--class", "dog", "-n", 4, "-o", "dogs.png")[0] == 0


def test_without_held_out_images_there_is_no_score(project, cli):
    for path in pictures(held_out=True):
        path.unlink()
    code, _, err = cli("export")
    assert code == 0 and "no held-out image is there" in err
    manifest = Bundle.read(Path("models/photos")).manifest
    assert "quantiles" not in manifest.distortion and manifest.distortion["test"] is None
    assert manifest.distortion["train"] > 0 and json.loads(manifest.to_json())["distortion"]["psnr"] is None
    code, out, err = cli("score", "photos/cat", "-m", "models/photos")
    assert (code, out) == (5, b"") and "held-out" in err
    assert cli("verify", "models/photos")[0] == 0
    assert "not measured" in cli("info", "photos")[1].decode() and cli("info")[0] == 0


def test_without_a_bank_no_image_is_necessary(project, cli):
    shutil.rmtree("photos")
    code, _, err = cli("export", "-o", "bare", "--no-bank")
    assert code == 0 and "proven on made images" in err
    bundle = Bundle.read(Path("bare"))
    assert bundle.identity == Bundle.read(Path("before")).identity and bundle.bank().counts[-1] == 0
    assert cli("verify", "bare")[0] == 0 and cli("info", "bare")[0] == 0
    for words in (["sample"], ["sample", "--method", "gaussian"], ["sample", "--method", "gmm"], ["sample", "--each"]):
        code, _, err = cli(*words, "-m", "bare", "-o", "x.png")
        assert code == 2 and "no latents" in err.splitlines()[-1], words
    draw(np.random.default_rng(2), "mine.png")
    assert cli("reconstruct", "mine.png", "-m", "bare", "-o", "again.png")[0] == 0
    assert "no images can be sampled" in cli("export", "-o", "bare", "--no-bank", "--force")[2]


def test_a_run_goes_on_where_its_pictures_are_now(project, cli):
    unfinished()
    Path("photos").rename("elsewhere")
    draw(np.random.default_rng(1), "elsewhere/new.png")
    assert cli("train", "--resume")[0] == 4
    code, _, err = cli("train", "--resume", "--data", "elsewhere")
    assert code == 0 and "1 new picture is not part of this run" in err
    moved = cli("export", "--data", "elsewhere", "-o", "moved")
    assert moved[0] == 0
    run = session.train("elsewhere", TrainConfig(epochs=2, latent_size=2))  # with the new picture
    assert run.name == "elsewhere"


def test_a_resumed_run_has_the_same_weights_whatever_was_added(project, trained, cli, monkeypatch):
    shutil.copytree(trained, project.parent / "two")
    bundles = []
    for place, added in ((project, True), (project.parent / "two", False)):
        monkeypatch.chdir(place)
        unfinished()
        if added:
            draw(np.random.default_rng(1), "photos/a.png")
        assert cli("train", "--resume")[0] == 0
        assert cli("export", "-o", "after")[0] == 0
        bundles.append(core("after"))
    assert bundles[0] == bundles[1] != core("before")


def test_a_run_goes_on_with_the_training_images_that_are_left(project, cli):
    unfinished()
    for path in (*pictures(held_out=True), *pictures(held_out=False)[::2]):
        path.unlink()
    code, _, err = cli("train", "--resume")
    assert code == 0 and "the weights will not be those of an uninterrupted run" in err
    log = [json.loads(line) for line in Path("runs/photos/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [0, 1, 2] and log[2]["test_mse"] is None
    for path in pictures(held_out=False)[1::2]:
        path.unlink()
    unfinished()
    assert cli("train", "--resume")[0] == 4


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "fewer"])
def test_without_a_whole_record_the_data_set_is_proven_as_one(project, cli, damage):
    record = Path("runs/photos/images.jsonl")
    lines = record.read_bytes().splitlines(keepends=True)
    changed = {"cut": b"".join(lines)[:-20], "other": b"[" * 100_000, "fewer": b"".join(lines[:10])}
    record.unlink() if damage == "missing" else record.write_bytes(changed[damage])
    assert cli("export", "-o", "after")[0] == 0
    assert core("after") == core("before")
    draw(np.random.default_rng(1), "photos/a.png")
    code, _, err = cli("export")
    assert code == 4 and "no longer what" in err


def test_a_deeper_picture_that_came_in_changes_no_level_of_the_others(workplace, cli):
    rng = np.random.default_rng(0)
    Path("deep").mkdir()
    for i in range(20):
        Image.fromarray(rng.integers(0, 1000, (8, 8)).astype(np.uint16)).save(f"deep/{i:02}.png")
    assert cli("train", "deep", "--epochs", 1, "--latent-dim", 2, "--threads", 1)[0] == 0
    assert read_record(Path("runs/deep")).whites == (("u2", 1023),)
    assert cli("export", "-o", "before")[0] == 0
    Image.fromarray(rng.integers(0, 4000, (8, 8)).astype(np.uint16)).save("deep/bright.png")
    code, _, err = cli("export", "-o", "after")
    assert code == 0 and "1 new picture is not part of this run" in err and core("after") == core("before")


def test_python_warns_of_what_the_command_says(project):
    unfinished()
    pictures(held_out=False)[0].unlink()
    with pytest.warns(UserWarning) as said:
        export("runs/photos", "after")
    assert {"this run is unfinished: stopped at step 1 of 2", "1 of 22 training images are gone"} <= {
        str(one.message) for one in said
    }
    with pytest.warns(UserWarning) as said:
        session.train(resume="runs/photos")
    assert any("the weights will not be those" in str(one.message) for one in said)
    with pytest.raises(UsageError, match="keeps its settings"):
        session.train(config=TrainConfig(epochs=1), resume="runs/photos")


def test_the_words_on_the_card_can_be_typed(workplace, cli):
    rng = np.random.default_rng(0)
    for name in ("one", "two words"):
        Path("digits", name).mkdir(parents=True)
        for i in range(8):
            draw(rng, f"digits/{name}/{i}.png", (8, 8))
    assert cli("train", "./digits", "--epochs", 1, "--latent-dim", 2, "--threads", 1)[0] == 0
    assert cli("export")[0] == 0
    card = Path("models/digits/README.md").read_text()
    assert "aetool train ./digits --latent-dim 2" in card and "--class 'two words'" in card


@pytest.mark.parametrize(
    ("key", "value"), [("beside", 5), ("image", {"height": "x"}), ("limits", {"pixels": "a"}), ("whites", 3)]
)
def test_a_damaged_configuration_is_said_in_a_line(project, cli, key, value):
    config = Path("runs/photos/config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {key: value}))
    code, _, err = cli("export")
    assert code == 5 and "config.json is damaged" in err


def test_a_larger_limit_of_pixels_is_kept_for_export(workplace, cli):
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for i in range(16):
        draw(rng, f"photos/{i}.png", (16, 16))
    assert cli("train", "photos", "--epochs", 1, "--latent-dim", 2, "--threads", 1, "--max-pixels", 100_000_001)[0] == 0
    assert read_record(Path("runs/photos")).limits.pixels == 100_000_001


def test_an_unfinished_run_says_so_in_the_export_and_on_the_card(project, cli):
    unfinished()
    code, _, err = cli("export")
    assert code == 0 and "this run is unfinished: stopped at step 1 of 2" in err
    card = Path("models/photos/README.md").read_text()
    assert "aetool train photos --arch conv --latent-dim 2 --epochs 2" in card and "--threads 1    # stopped at" in card
    assert "stopped at step 1 of 2" in cli("info", "photos")[1].decode()
    assert "stopped" not in Path("before/README.md").read_text()


def test_a_class_with_one_picture_is_never_held_out(workplace, cli):
    rng = np.random.default_rng(0)
    for i in range(18):
        Path("icons", f"c{i}").mkdir(parents=True)
        draw(rng, f"icons/c{i}/a.png", (8, 8))
    code, _, err = cli("train", "icons", "--epochs", 2, "--latent-dim", 2, "--threads", 1)
    assert code == 0 and "none is held out" in err and Path("runs/icons/loss.png").exists()
    assert cli("export")[0] == 0
    assert cli("sample", "--each", "-n", 1, "--seed", 1, "-o", "each.png")[0] == 0
    assert cli("score", "icons")[0] == 5
    code, _, err = cli("evaluate", "icons", "--data", "icons")
    assert code == 4 and "no test images" in err


def test_a_changed_weight_is_refused_also_where_images_hardly_differ():
    """Forty pictures of a still camera have latents without a spread; the proof still sees a change of one unit."""
    from aetool.errors import BundleError
    from aetool.images.spec import ImageSpec
    from aetool.runtime.codec import Codec
    from aetool.training.architectures.autoencoder import build
    from aetool.training.architectures.options import ConvConfig
    from aetool.training.export import parity
    from aetool.training.export.run import _graphs

    torch.manual_seed(0)
    network = build("conv", ConvConfig(), (3, 16, 16), 3).eval()
    spec = ImageSpec(3, 16, 16)
    made = _graphs(network, spec, 3)
    rng = np.random.default_rng(0)
    base = rng.integers(3, 253, (1, 3, 16, 16))
    for noise in (0, 1, 3):
        pixels = (base + rng.integers(-noise, noise + 1, (40, 3, 16, 16))).astype(np.uint8)
        found = parity.prove(network, Codec(made, "cpu"), pixels)["found"]
        assert found["latents"] < parity.BOUNDS["latents"] / 10
        for part in (network.encoder, network.decoder):
            for parameter in part.parameters():
                weight = parameter.data[:1]
                before = weight.clone()
                weight += 0.2
                with pytest.raises(BundleError, match="differ"):
                    parity.prove(network, Codec(made, "cpu"), pixels)
                weight.copy_(before)


def test_a_class_without_latents_is_named_and_the_others_are_drawn(project, cli):
    for path in pictures(held_out=False):
        if path.parent.name == "dog":
            path.unlink()
    assert cli("export")[0] == 0
    code, _, err = cli("sample", "--class", "dog", "-o", "x.png")
    assert code == 2 and 'class "dog"' in err and "was there when it was exported" in err
    code, _, err = cli("sample", "--each", "-n", 2, "-o", "x.png")
    assert code == 0 and 'class "dog"' in err
    assert cli("sample", "--each", "-n", 2, "--method", "gaussian", "-o", "x.png")[0] == 0
