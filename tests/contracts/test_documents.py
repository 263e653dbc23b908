"""Documents are true: the README's commands run, the tables match, what is promised by name is there."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool import __version__
from aetool.bundle.bundle import Bundle
from aetool.bundle.card import card
from aetool.bundle.folder import SAMPLES_BYTES
from aetool.bundle.lookup import SHIPPED, shipped_path
from aetool.cli.app import COMMANDS
from tests.conftest import REPOSITORY
from tests.toy import picture

CHANGES = (REPOSITORY / "CHANGELOG.md").read_text()
README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in `language`; those marked no-test are left out."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


@pytest.fixture
def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [re.sub(r"^pip install \S+ && ", "", line) for line in lines if line.strip() and "pytest" not in line]


def test_the_two_commands_stand_on_the_first_screen():
    first = README.split("## What it does")[0]
    assert "pip install '.[train]' && aetool train && aetool export && aetool sample --digit 8 -o eights.png" in first
    assert "pip install -e '.[train,test]' && pytest" in first
    assert first.count("![") >= 1 and len(first.splitlines()) < 30


def test_every_command_of_the_readme_runs(shell, commands, workplace, monkeypatch):
    """All in one folder and in order; training is shortened, the rest is as it stands."""
    assert len(commands) >= 15
    for line in commands:
        short = re.sub(r"aetool train(?= |$)", "aetool train --epochs 5", line)
        done = shell(short)
        assert done.returncode == 0, f"{line}: {done.stderr.decode()}"
    assert picture("walk.gif").n_frames == 39
    assert picture("pair.webp").n_frames == 9
    assert picture("nine.png").size == (3 * 86 + 2,) * 2
    assert len(list((workplace / "frames").iterdir())) == 10


def test_the_film_of_the_readme_is_made(shell, workplace):
    if shutil.which("ffmpeg") is None:
        pytest.skip("FFMPEG MISSING: install it (apt-get install ffmpeg) to run this test")
    (line,) = (line for block in blocks("sh ffmpeg") for line in block.splitlines())
    done = shell(line)
    assert done.returncode == 0, done.stderr.decode()
    asked = "-v error -count_frames -show_entries stream=codec_type,width,height,nb_read_frames -of csv=p=0"
    assert shell(f"ffprobe {asked} walk.mp4").stdout.strip() == b"video,84,84,60"
    assert b"Output #0, mp4" in done.stderr


def test_the_page_for_own_pictures_is_true(shell, workplace):
    rng = np.random.default_rng(0)
    for name in (
        "photos/cats/tom",
        "photos/dogs/rex",
        *(f"photos/{c}/{i}" for c in ("cats", "dogs") for i in range(10)),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(f"{name}.jpg")
    shutil.copytree("photos/cats", "friends")
    (page,) = blocks("sh photos")
    assert len(page.splitlines()) == 6
    done = shell("set -e; " + page.replace("train photos/", "train photos/ --epochs 1"))
    assert done.returncode == 0, done.stderr
    assert picture("walk.gif").n_frames == 24 and picture("cats.png").mode == picture("new-friends.png").mode == "RGB"
    assert len(list(Path("again").rglob("*.jpg.png"))) == 22


def test_the_page_for_own_autoencoders_is_true(shell, workplace, data_dir):
    """The networks are as a tutorial has them, trained for seconds; of MNIST 2,000 images are taken."""
    (python,), (page,) = blocks("python mine"), blocks("sh mine")
    assert len((python + page).splitlines()) == 6
    Path("mine.py").write_text(TUTORIAL + python)
    done = shell(f"set -e; {sys.executable} mine.py > /dev/null; {page.replace('--data mnist', '--data some.npz')}")
    assert done.returncode == 0, done.stderr
    assert picture("walk.gif").n_frames == 39 and b"a guess by 64 images" in done.stderr
    distortion = Bundle.read(Path("models/mine")).manifest.distortion
    assert distortion["test"] < 0.06


TUTORIAL = """
import numpy as np
import torch
from torch import nn
from aetool.training.data.named import DATASETS

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(16 * 7 * 7, 16)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(x.view(x.size(0), -1))

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16 * 7 * 7)
        self.conv1 = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1)
        self.conv2 = nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1)

    def forward(self, z):
        x = self.fc(z).view(-1, 16, 7, 7)
        return torch.sigmoid(self.conv2(torch.relu(self.conv1(x))))

torch.manual_seed(0)
torch.set_num_threads(1)
mnist = DATASETS["mnist"](None, print)
np.savez("some.npz", images=mnist.pixels[-2000:], labels=mnist.labels[-2000:])
images = torch.from_numpy(mnist.pixels[:6400]).float() / 255
encoder, decoder = Encoder(), Decoder()
optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 3e-3)
for step in range(300):
    batch = images[torch.randint(len(images), (64,))]
    loss = nn.functional.mse_loss(decoder(encoder(batch)), batch)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
encoder.eval(), decoder.eval()
"""
"""An autoencoder as tutorials of PyTorch have it, before the two lines of the README."""


def test_the_main_job_works_a_second_time(shell, workplace):
    line = "aetool train --epochs 3 -q && aetool export -q && aetool sample --digit 8 -o eights.png"
    first, second = shell(line), shell(line)
    assert (first.returncode, second.returncode) == (0, 0)
    assert second.stdout == b"runs/digits-2\nmodels/digits-2\n"
    assert b"model digits-2, the newest" in second.stderr


def test_the_python_of_the_readme_runs(workplace):
    (code,) = blocks("python")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_command_table_names_every_command():
    named = re.findall(r"^\| `(\w+)", README, re.M)
    assert named == list(COMMANDS)


def test_links_lead_somewhere():
    others = (REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "docs/cluster.md")
    for document in (REPOSITORY / "README.md", *REPOSITORY.glob("*/README.md"), *others):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert "://" in target or (document.parent / target).exists(), f"{document}: {target}"


def test_the_model_table_is_made_from_the_manifests():
    spec = importlib.util.spec_from_file_location("table", REPOSITORY / "models/table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (REPOSITORY / "models/README.md").read_text() == module.table()


@pytest.mark.parametrize("name", SHIPPED)
def test_cards_are_made_from_the_manifests(name):
    bundle = Bundle.read(shipped_path(name))
    bank, samples = bundle.bank(), shipped_path(name) / "samples.png"
    expected = card(name, bundle.identity, bundle.manifest, len(bank.latents) > 0, bank.counts[:-1].tolist(), True)
    assert (shipped_path(name) / "README.md").read_text() == expected
    assert samples.stat().st_size <= SAMPLES_BYTES and picture(samples).format == "PNG"


def test_shipped_models_are_packed_by_name():
    text = (REPOSITORY / "pyproject.toml").read_text()
    assert re.findall(r'^"models/([^"]+)" = "aetool/models/\1"', text, re.M) == list(SHIPPED)


def test_figures_in_documents_are_those_of_the_manifest():
    test_mse = f"{Bundle.read(shipped_path('mnist')).manifest.distortion['test']:.5f}"
    assert test_mse in CHANGES
    assert test_mse in (REPOSITORY / "benchmarks/README.md").read_text()


def test_tables_of_the_benchmarks_are_those_of_the_results():
    text = (REPOSITORY / "benchmarks/README.md").read_text()
    for epochs in (2, 5, 30):
        log = (REPOSITORY / f"benchmarks/results/train-mnist-conv-epochs-{epochs}.jsonl").read_text().splitlines()
        last = json.loads(log[-1])
        assert f"| {epochs} | {last['test_mse']:.5f} | {last['pca_mse']:.5f} | {last['seconds']:.0f} |" in text


def test_the_tables_of_speed_are_made_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    made = importlib.import_module("tables").speed(REPOSITORY / "benchmarks/results")
    assert made and made in (REPOSITORY / "benchmarks/README.md").read_text()


def test_the_table_of_shifts_is_that_of_the_logs():
    text = (REPOSITORY / "benchmarks/README.md").read_text()
    for shift in (0, 4):
        log = (REPOSITORY / f"benchmarks/results/train-sign_digits-shift-{shift}.jsonl").read_text().splitlines()
        last = json.loads(log[-1])
        figures = [f"{last[key]:.5f}" for key in ("train_mse", "test_mse", "pca_mse")]
        assert f"| {shift} | {last['epoch']} | {' | '.join(figures)} | {last['seconds']:.0f} |" in text


def test_the_figures_of_the_hands_are_those_of_the_log_and_of_the_manifest():
    text = (REPOSITORY / "benchmarks/README.md").read_text()
    for entry in map(json.loads, (REPOSITORY / "benchmarks/results/train-sign_digits.jsonl").read_text().splitlines()):
        if entry["epoch"] in (100, 500, 1000, 1600, 1700, 2000):
            figures = [f"{entry[key]:.5f}" for key in ("train_mse", "test_mse", "pca_mse")]
            assert f"| {entry['epoch']} | {' | '.join(figures)} | {entry['seconds']:.0f} |" in text
    assert f"mse {Bundle.read(shipped_path('sign_digits')).manifest.distortion['test']:.5f}" in CHANGES


@pytest.mark.parametrize("name", ["interpolation", "scoring", "explorer"])
def test_tables_made_by_benchmarks_are_those_of_their_results_on_the_shipped_model(name, monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    module = importlib.import_module(name)
    results = json.loads((REPOSITORY / f"benchmarks/results/{name}.json").read_text())
    mnist = Bundle.read(shipped_path("mnist"))
    assert results["model"] == f"mnist {mnist.identity}", f"run: python benchmarks/{name}.py"
    assert module.table(results) in (REPOSITORY / "benchmarks/README.md").read_text()
    if name == "scoring":
        assert module.sentence(results) in README


def test_the_tables_of_samplers_are_those_of_the_evaluation_of_the_shipped_model(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    samplers = importlib.import_module("samplers")
    found = json.loads((REPOSITORY / "benchmarks/results/evaluate-mnist.json").read_text())
    identity = Bundle.read(shipped_path("mnist")).identity
    assert found["model"]["identity"] == identity, "run: python benchmarks/samplers.py"
    whole, short = samplers.tables(found)
    assert whole in (REPOSITORY / "benchmarks/README.md").read_text() and short in README


def test_the_tables_of_engines_are_those_of_their_results_on_the_shipped_models(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    engines = importlib.import_module("engines")
    results = json.loads((REPOSITORY / "benchmarks/results/engines.json").read_text())
    for name in SHIPPED:
        identity = Bundle.read(shipped_path(name)).identity
        assert results["models"][name] == identity, "run: python benchmarks/engines.py"
    assert engines.table(results) in (REPOSITORY / "benchmarks/README.md").read_text()
    assert engines.brief(results) in README


def test_the_default_sampler_holds_what_is_asked_of_it():
    found = json.loads((REPOSITORY / "benchmarks/results/evaluate-mnist.json").read_text())
    (local,) = [row for row in found["rows"] if row["name"] == "local"]
    assert found["judge"]["accuracy"] >= 0.994
    assert local["accuracy"] >= 0.995 and local["worst_class"] >= 0.99
    assert local["ratio"] <= 1.3 and local["recall"] >= 0.75 and local["novelty"] >= 0.5


def test_the_tables_of_the_shipped_training_and_of_variants_are_those_of_their_logs():
    text = (REPOSITORY / "benchmarks/README.md").read_text()
    log = (REPOSITORY / "benchmarks/results/train-mnist-residual.jsonl").read_text().splitlines()
    for entry in (json.loads(log[i]) for i in (9, 49, 103, 104, 109, 129)):
        figures = f"{entry['train_mse']:.5f} | {entry['test_mse']:.5f} | {entry['seconds']:.0f}"
        assert f"| {entry['epoch']} | {figures} |" in text
    for line in (REPOSITORY / "benchmarks/results/variants.jsonl").read_text().splitlines():
        variant = json.loads(line)
        if variant["epoch"] == variant["epochs"]:
            mse = variant["ema_mse"] or variant["test_mse"]
            assert f"| {variant['weights']:,} | {mse:.5f} | {int(variant['seconds'])} |" in text


def test_the_table_of_rate_and_distortion_is_that_of_its_results(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    module = importlib.import_module("rate_distortion")
    found = json.loads((REPOSITORY / "benchmarks/results/rate-distortion.json").read_text())
    assert [row["k"] for row in found["rows"]] == [2, 4, 8, 16, 32, 64]
    assert module.table(found["rows"]) in (REPOSITORY / "benchmarks/README.md").read_text()


def test_the_table_of_weights_in_float16_is_that_of_its_results(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    rows = json.loads((REPOSITORY / "benchmarks/results/float16.json").read_text())["rows"]
    assert importlib.import_module("float16").table(rows) in (REPOSITORY / "benchmarks/README.md").read_text()
    assert [row["model"].split()[0] for row in rows] == list(SHIPPED)
    assert all(max(row["found"].values()) <= 0.01 and row["bytes"][1] < 0.51 * row["bytes"][0] for row in rows)


def test_the_table_of_the_engine_is_that_of_its_results(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    found = json.loads((REPOSITORY / "benchmarks/results/cluster.json").read_text())
    assert importlib.import_module("cluster").table(found) in (REPOSITORY / "benchmarks/README.md").read_text()


def test_the_version_has_its_entry_in_the_changelog():
    assert f"## {__version__}" in CHANGES


def test_the_rule_of_imports_is_documented():
    from tests.contracts.test_imports import RULE

    assert RULE in (REPOSITORY / "CONTRIBUTING.md").read_text()


def test_pictures_of_the_readme_say_how_they_were_made():
    from aetool.images.provenance import read_provenance

    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        said = read_provenance((REPOSITORY / name).read_bytes())
        assert said["command"] in re.sub(" +#.*", "", README), said["command"]
        assert said["model"] in {f"{b.name} {b.identity}" for b in map(Bundle.read, map(shipped_path, SHIPPED))}


def test_the_project_speaks_of_itself_alone():
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in tracked.split():
        path = REPOSITORY / name
        if path.suffix in (".py", ".md", ".toml", ".json") and path != Path(__file__):
            assert "/root/" not in path.read_text() and "/opt/" not in path.read_text(), name
