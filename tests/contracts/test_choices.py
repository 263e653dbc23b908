"""The tables of choices: the same names as the code behind them, in help, completion and the README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aetool import choices
from aetool.bundle import lookup
from aetool.bundle.snippets import SNIPPETS
from aetool.cli.settings import configure
from aetool.cluster.engine import ENGINES
from aetool.generation.interpolation import METHODS
from aetool.generation.sampling import SAMPLERS
from aetool.images.animation import ENCODERS
from aetool.images.encode import PICTURES
from aetool.latents import files
from aetool.latents.search import METRICS
from aetool.model import keys, named_keys
from aetool.runtime.devices import DEVICES
from aetool.training import config
from aetool.training.architectures.options import ARCHITECTURES
from aetool.training.data.named import DATASETS
from aetool.training.export import weights
from aetool.training.foreign.forms import RANGES
from tests.conftest import REPOSITORY

TABLES = {
    "SAMPLERS": SAMPLERS,
    "METHODS": METHODS,
    "METRICS": METRICS,
    "DEVICES": {"auto": None} | DEVICES,
    "KEY_STARTS": {**named_keys.TABLE, keys.MEAN: None},
    "SNIPPETS": SNIPPETS,
    "ENGINES": dict.fromkeys(ENGINES),
    "TRAINING_DEVICES": dict.fromkeys(config.DEVICES),
    "PRECISIONS": dict.fromkeys(config.PRECISIONS),
    "WEIGHTS": dict.fromkeys(weights.KINDS),
    "ARCHITECTURES": ARCHITECTURES,
    "DATASETS": DATASETS,
    "RANGES": RANGES,
    "SHIPPED": dict.fromkeys(lookup.SHIPPED),
    "PICTURE_SUFFIXES": PICTURES,
    "ANIMATION_SUFFIXES": ENCODERS,
    "LATENT_SUFFIXES": dict.fromkeys(files.SUFFIXES),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_names_are_those_that_are_implemented(name):
    listed = list(getattr(choices, name))
    assert listed == list(TABLES[name]) or (name.endswith("SUFFIXES") and set(listed) == set(TABLES[name]))


@pytest.mark.parametrize(("table", "implemented"), [("SAMPLERS", SAMPLERS), ("ARCHITECTURES", ARCHITECTURES)])
def test_the_options_are_those_of_the_code_with_their_defaults(table, implemented):
    for name, choice in getattr(choices, table).items():
        settings = choice.options.split()
        assert configure(implemented[name], settings) == implemented[name]
        assert [setting.partition("=")[0] for setting in settings] == list(implemented[name].__dataclass_fields__)


def complete(package: Path, words: str) -> list[str]:
    """Return the words that bash would offer after `words`."""
    env = os.environ | {"_AETOOL_COMPLETE": "complete_bash", "COMP_WORDS": words, "PYTHONPATH": str(package),
                        "COMP_CWORD": str(len(re.split("[ \n]", words)) - 1)}  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "aetool"], env=env, capture_output=True, text=True, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("aetool sample --method ", list(choices.SAMPLERS)),
        ("aetool interpolate --method gr", ["graph"]),
        ("aetool search --metric c", ["cosine"]),
        ("aetool encode --device op", ["openvino"]),
        ("aetool train --device c", ["cpu", "cuda"]),
        ("aetool train --arch ", list(choices.ARCHITECTURES)),
        ("aetool train fash", ["fashion-mnist"]),
        ("aetool sample -m sign", ["sign_digits"]),
        ("aetool info sign", ["sign_digits"]),
        ("aetool sample -m mnist --class 8", ["8"]),
        ("aetool sample -m TOY --class ", ["dark", "light"]),
        ("aetool sample -m nosuch --class ", []),
    ],
)
def test_the_shell_offers_names(words, offered, toy, workplace):
    assert complete(REPOSITORY, words.replace("TOY", str(toy))) == offered


def test_classes_are_offered_without_numpy(workplace):
    code = "class C: params = {'model': 'mnist'}\nimport sys; from aetool.cli.completion import classes\n"
    shown = "print(classes(C(), '')); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + shown], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [str(list("0123456789")), "False"], done.stderr


@pytest.fixture
def extended(tmp_path) -> Path:
    """A copy of the package with the sampler of CONTRIBUTING.md, and no other file touched."""
    copy = tmp_path / "copy"
    shutil.copytree(REPOSITORY / "aetool", copy / "aetool", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models").symlink_to(REPOSITORY / "models")
    blocks = re.findall(r"```python (\S+)\n(.*?)```", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["aetool/generation/sampling.py", "aetool/choices.py"]
    for name, code in blocks:
        path = copy / name
        path.write_text(f"{path.read_text()}\n\n{code}")
    return copy


def test_a_sampler_added_in_its_file_and_in_choices_shows_up_everywhere(extended, toy, workplace):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(extended), "COLUMNS": "200"}
        return subprocess.run([sys.executable, "-m", "aetool", *words], env=env, capture_output=True, text=True)

    assert "extremes" in run("sample", "--help").stdout and "factor=1.5" in run("sample", "--help").stdout
    assert complete(extended, "aetool sample --method ex") == ["extremes"]
    made = run(
        "sample", "-m", str(toy), "--method", "extremes", "--set", "factor=1", "-n", "3", "--seed", "1", "--latents"
    )
    assert made.returncode == 0 and made.stdout.count("\n") == 3
    assert "gaussian, extremes" in run("sample", "--method", "nosuch").stderr
    table = "from aetool import choices; print(choices.markdown())"
    env = os.environ | {"PYTHONPATH": str(extended)}
    assert "`extremes`" in subprocess.run([sys.executable, "-c", table], env=env, capture_output=True, text=True).stdout


def test_the_table_of_the_readme_is_made_from_the_choices():
    assert choices.markdown() in (REPOSITORY / "README.md").read_text(), "run: python benchmarks/documents.py"
