"""A run records its preparation, and everything that follows uses it: resuming, exporting, encoding, verifying."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool import Bundle
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.images.orientation import ORIENTATION
from aetool.images.spec import CURRENT, ImageSpec
from aetool.system.limits import LIMITS
from aetool.training import run_folder, session
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions
from aetool.training.loop import Trainer
from aetool.training.record import read_record
from tests.conftest import command

CONFIG = TrainConfig(dataset="photos", size=(20, 16), epochs=1, latent_size=4, threads=1)


def fill(folder: Path) -> None:
    """Write 24 JPEGs that lie in every way, large enough for a smaller scale."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(24):
        exif = Image.Exif()
        exif[ORIENTATION] = i % 8 + 1
        image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((171, 130), Image.BICUBIC)
        image.save(folder / f"{i:02}.jpg", exif=exif)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with photos/, and a bundle of each version: 1 of a run that records none, as runs did, and 2."""
    place = tmp_path_factory.mktemp("trained")
    fill(place / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        begun(FolderOptions(size=CONFIG.size, preparation=1), Path("runs/photos"), record=False)
    words = ["train", "photos", "--size", "20x16", "--epochs", "1", "--latent-dim", "4", "--threads", "1"]
    for line in (["export", "runs/photos", "-o", "models/1"], words, ["export", "-o", "models/2"]):
        subprocess.run(command(line), cwd=place, check=True, timeout=300)
    return place


def begun(options: FolderOptions, expected: Path, record: bool, epochs: int | None = None) -> None:
    """Train a run of the current folder to the end, or for `epochs`, with its preparation in config.json or not."""
    data = load("photos", 0, options=options)
    config = session._located(CONFIG)
    run = run_folder.create(config, data, limits=LIMITS)
    assert run == expected
    trainer = Trainer(config, data, run)
    for _ in trainer.reports():
        pass
    if not record:
        path = run / "config.json"
        fields = json.loads(path.read_text())
        del fields["preparation"]
        path.write_text(json.dumps(fields))


@pytest.fixture
def here(trained, workplace, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def test_a_run_records_its_preparation_and_its_bundle_has_it(here):
    assert json.loads(Path("runs/photos-2/config.json").read_text())["preparation"]["version"] == CURRENT
    assert read_record(Path("runs/photos-2")).spec == ImageSpec(3, 20, 16, preparation=CURRENT)
    assert Bundle.find("2").manifest.image.preparation == CURRENT
    assert "version 2: upright" in Path("models/2/README.md").read_text()


def test_a_run_without_a_preparation_keeps_the_first_for_ever(here):
    assert read_record(Path("runs/photos")).spec.preparation == 1
    assert Bundle.find("1").manifest.image.preparation == 1
    assert "version 1: upright" in Path("models/1/README.md").read_text()


@pytest.mark.parametrize("name", ["1", "2"])
def test_encoding_the_training_files_gives_the_latents_of_the_bank_to_the_bit(here, cli, tmp_path, name):
    bank = Bundle.find(name).bank()
    assert len(bank.latents) == 22
    files = [Path("photos", source) for source in bank.sources]
    model = aetool.load(name)
    opened = [Image.open(io.BytesIO(path.read_bytes())) for path in files]
    for way in (files, [path.read_bytes() for path in files], opened):
        assert np.array_equal(model.encode(way), bank.latents)
    for words in (map(str, files), ["photos", "--threads", "2"]):
        assert cli("encode", *words, "-m", name, "-o", tmp_path / "z.npz")[0] == 0
        found = np.load(tmp_path / "z.npz")
        rows = {source.removeprefix("photos/"): latent for source, latent in zip(*map(found.get, WANTED), strict=True)}
        assert np.array_equal(np.stack([rows[source] for source in bank.sources]), bank.latents)
        (tmp_path / "z.npz").unlink()


WANTED = ("sources", "latents")


def test_the_preparations_differ_where_it_matters(here):
    files = [Path("photos", source) for source in Bundle.find("1").bank().sources]
    first, second = ([aetool.load(name).prepare(file) for file in files] for name in ("1", "2"))
    assert sum(not np.array_equal(*pair) for pair in zip(first, second, strict=True)) == len(files)


def test_scores_are_those_of_training(here, cli):
    """The mse of every command is that of the pixels of training, which the quantiles were measured on."""
    for name in ("1", "2"):
        manifest = Bundle.find(name).manifest
        rows = [json.loads(line) for line in cli("score", "photos", "-m", name, "--json")[1].splitlines()]
        held_out = {image.name for image in read_record(Path("runs/photos")).images if image.held_out}
        mse = [row["mse"] for row in rows if row["source"].removeprefix("photos/") in held_out]
        assert np.mean(mse) == pytest.approx(manifest.distortion["test"], rel=1e-6)


def test_a_run_goes_on_with_its_own_preparation(trained, workplace, cli):
    for run in ("photos", "photos-2"):
        shutil.copytree(trained / "photos", "photos", dirs_exist_ok=True)
        shutil.copytree(trained / "runs" / run, Path("runs") / run)
        config = Path("runs", run, "config.json")
        fields = json.loads(config.read_text())
        fields["config"] |= {"epochs": 2, "dataset": str(Path("photos").resolve())}
        config.write_text(json.dumps(fields))
        assert cli("train", "--resume", run)[0] == 0
        code, _, err = cli("export", run, "-o", f"models/{run}")
        assert code == 0 and "gone" not in err
    assert [Bundle.find(run).manifest.image.preparation for run in ("photos", "photos-2")] == [1, 2]


def test_a_run_without_its_list_of_images_keeps_its_preparation(trained, workplace, cli):
    for run, version in (("photos", 1), ("photos-2", 2)):
        shutil.copytree(trained / "photos", "photos", dirs_exist_ok=True)
        shutil.copytree(trained / "runs" / run, Path("runs") / run)
        Path("runs", run, "images.jsonl").write_text("damaged")
        assert cli("export", run, "--data", "photos", "-o", f"models/{run}")[0] == 0
        assert Bundle.find(run).manifest.image.preparation == version


def test_verify_compares_golden_pictures_of_every_version(here, cli):
    for name in ("1", "2"):
        code, out, err = cli("verify", name)
        assert code == 0 and not err
        assert f"version {name}, golden pictures: PNG to the bit, JPEG to the bit, Pillow" in out.decode()
        found = json.loads(cli("verify", name, "--json")[1])["preparation"]
        assert found == {"version": int(name), "pillow": found["pillow"], "found": {"png": 0, "jpeg": 0},
                         "made_with": found["pillow"]}  # fmt: skip


@pytest.mark.parametrize("way", ["png", "jpeg"])
@pytest.mark.parametrize(("levels", "code"), [(1, 0), (2, 5), (100, 5)])
def test_one_level_is_noted_and_more_is_refused(here, cli, monkeypatch, way, levels, code):
    from aetool.images import golden

    def otherwise(spec):
        pixels = real(spec)
        changed = pixels[way].astype(int)
        changed[0, 3] += np.where(changed[0, 3] < 128, levels, -levels)
        return pixels | {way: changed.clip(0, 255).astype(np.uint8)}

    real = golden.prepared
    monkeypatch.setattr(golden, "prepared", otherwise)
    monkeypatch.setattr("PIL.__version__", "99.1")
    found, out, err = cli("verify", "2")
    assert found == code and "Pillow 99.1 here" in err and way.upper() in err
    if code:
        assert not out and err.count("\n") == 1 and f"by up to {levels} levels" in err
    else:
        assert "by one level" in err and f"{way.upper()} one level" in out.decode() and "to the bit" in out.decode()


def test_a_bundle_of_another_preparation_than_it_says_is_refused(here, cli, tmp_path):
    bundle = Bundle.find("2")
    fields = json.loads(bundle.files["bundle.json"])
    fields["preparation"]["version"] = 1
    files = {**bundle.files, "bundle.json": json.dumps(fields).encode()}
    write(tmp_path / "other", files, card("other", bundle.identity, bundle.manifest, True), replace=False)
    code, _, err = cli("verify", tmp_path / "other")
    assert code == 5 and "the golden JPEG is prepared otherwise" in err


def test_models_of_no_files_have_no_golden_pictures(digits, cli):
    assert Bundle.read(digits).manifest.pictures is None
    assert Bundle.read(digits).manifest.image.preparation == CURRENT
    assert "no golden pictures to compare, Pillow" in cli("verify", digits)[1].decode()
