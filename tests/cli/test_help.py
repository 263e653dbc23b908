"""Help: whole summaries, an example of each command, reports of 80 columns, the manual page, keys in the shell."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from aetool.choices import KEYS
from aetool.cli.app import COMMANDS, build
from aetool.cli.examples import EXAMPLES
from tests.conftest import REPOSITORY, command
from tests.contracts.test_choices import complete


def function(name: str):
    file = f"{name}_" if iskeyword(name) else name
    return getattr(import_module(f"aetool.cli.commands.{file}"), file)


def test_the_list_of_commands_has_whole_summaries_and_an_example_of_each(cli):
    code, out, err = cli("--help")
    text = out.decode()
    assert (code, err) == (0, "") and "..." not in text.partition("Commands:")[2]
    assert all(len(line) <= 80 for line in text.splitlines())
    words = " ".join(text.split())
    for name in COMMANDS:
        summary = inspect.getdoc(function(name)).partition("\n\n")[0]
        assert f"{name} {' '.join(summary.split())}" in words
        assert f"\n    {EXAMPLES[name]}\n" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_in_its_example(cli, name):
    code, out, _ = cli(name, "--help")
    assert code == 0 and out.decode().endswith(f"\n  Example:\n    {EXAMPLES[name]}\n")
    assert all(len(line) <= 80 for line in out.decode().splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_command_lines(name):
    program, called, *words = shlex.split(EXAMPLES[name])
    group = typer.main.get_command(build([]))
    assert (program, called) == ("aetool", name) and list(EXAMPLES) == list(COMMANDS)
    context = group.get_command(None, name).make_context(name, words)
    assert not context.args


@pytest.mark.slow
def test_examples_run_one_after_the_other(aetool, toy, workplace):
    rng = np.random.default_rng(0)
    for name in ("cats/tom", "dogs/rex", *(f"{kind}/{i}" for kind in ("cats", "dogs") for i in range(20))):
        Path(f"photos/{name}").parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(f"photos/{name}.jpg")
    shutil.copy(toy / "encoder.onnx", workplace), shutil.copy(toy / "decoder.onnx", workplace)
    for name, line in EXAMPLES.items():
        words = [*shlex.split(line)[1:], *(["--epochs", "2"] if name == "train" else [])]
        done = subprocess.run(command(words), capture_output=True, timeout=900)
        assert done.returncode == 0, f"{line}: {done.stderr.decode()}"


@pytest.mark.parametrize("words", ["info", "info mnist", "info sign_digits", "info -m TOY"])
def test_what_info_shows_fits_eighty_columns_in_words(cli, toy, workplace, words):
    code, out, _ = cli(*words.replace("TOY", str(toy)).split())
    lines = [line for line in out.decode().splitlines() if str(REPOSITORY) not in line]
    assert code == 0 and all(len(line) <= 80 for line in lines)
    assert not re.search(r"[{}']|\[(?!0, 1\])", "\n".join(lines))


def test_info_shows_options_as_words_and_paths_and_identities_below(cli, workplace):
    text = cli("info", "sign_digits")[1].decode()
    assert "architecture  blend; widths 32, 64, 96; depth 1; hidden 0\n" in text
    assert "\nencoder  Conv2d           32x32x32  64x16x16  4x4     2x2     1x1   32,832\n" in text
    assert text.endswith("\n  (32-1)*2 + 4 - 2*1 = 64\n") and text.count("(4-1)*2") == 1
    listed = cli("info")[1].decode().splitlines()
    assert listed[0].split() == ["model", "images", "k", "classes", "test", "mse", "PCA", "exported"]
    assert listed[2] == f"  bad6dd44b464a52b in {REPOSITORY / 'models/mnist'}"


def test_runs_fit_eighty_columns(cli, workplace):
    from aetool.training import run_folder
    from aetool.training.config import TrainConfig
    from aetool.training.data.dataset import load

    run_folder.create(TrainConfig(latent_size=100, epochs=1234, elastic=1.5, patience=9999), load("digits", 0))
    lines = cli("info", "--runs")[1].decode().splitlines()
    assert len(lines) == 5 and all(len(line) <= 80 for line in lines)
    assert lines[2:4] == ["  no checkpoint yet; next: aetool train --resume runs/digits",
                          "  made by: aetool train digits --latent-dim 100 --epochs 1234 --elastic 1.5"]  # fmt: skip


# the manual page


@pytest.fixture(scope="module")
def manual(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("man") / "aetool.1"
    done = subprocess.run(command(["--man"]), capture_output=True, timeout=60, check=True)
    assert done.stderr == b"" and done.stdout.isascii()
    path.write_bytes(done.stdout)
    return path


def test_the_manual_page_has_every_command_option_key_and_example(manual):
    text = manual.read_text().replace("\\-", "-").replace("\\e", "\\")
    macros = {line.split(" ")[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert macros == {".TH", ".SH", ".SS", ".B", ".TP", ".PP", ".nf", ".fi", ".RS", ".RE"}
    for name in COMMANDS:
        part = text.partition(f"\n.SS aetool {name} ")[2].partition("\n.SS ")[0].partition("\n.SH ")[0]
        assert f"\n{EXAMPLES[name]}\n" in part
        options = [p for p in typer.main.get_command(build([])).get_command(None, name).params if p.opts[0][0] == "-"]
        assert options and all(re.search(rf"^\\fB.*{p.opts[-1]}\b.*\\fR$", part, re.M) for p in options)
    assert all(f"\\fB{key}\\fR" in text for key in KEYS) and "\\fB141\\fR" in text


@pytest.mark.parametrize(
    ("tool", "words"), [("mandoc", ["-T", "lint", "-W", "error"]), ("mandoc", ["-T", "utf8"]), ("man", ["-l"])]
)
def test_the_manual_page_is_read(manual, tool, words):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool.upper()} MISSING: install it to run this test")
    env = os.environ | {"LC_ALL": "C.UTF-8", "MANPAGER": "cat", "PAGER": "cat", "MANWIDTH": "80"}
    done = subprocess.run([tool, *words, str(manual)], capture_output=True, timeout=60, env=env)
    if tool == "man" and b"No such file" in done.stderr + done.stdout:
        pytest.skip("MAN-DB WITHOUT GROFF: install groff-base to run this test")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = re.sub(r".\x08|\x1b\[\d*m", "", done.stdout.decode())
    assert ("lint" in words) == (shown == "")
    assert "lint" in words or ("A B [C\u2026]" in shown and "--sigma S" in shown)


# completion of keys


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("aetool interpolate -m TOY cl", ["class:dark", "class:light"]),
        ("aetool interpolate -m TOY class:light class:d", ["class:dark"]),
        ("aetool combine -m TOY ax", ["axis:1", "axis:2", "axis:3", "axis:4"]),
        ("aetool perturb -m TOY mea", ["mean:cats/", "mean:dogs/"]),
        ("aetool search -m TOY mean:c", ["mean:cats/"]),
        ("aetool search -m TOY ba", ["bank:"]),
        ("aetool search -m nosuch class:", []),
        ("aetool interpolate -m TOY ", []),
        ("aetool interpolate -m TOY do", []),
        ("aetool interpolate\n-m\nTOY\nclass\n:", ["dark", "light"]),
        ("aetool interpolate\n-m\nTOY\nclass\n:\nli", ["light"]),
        ("aetool search\n-m\nTOY\naxis\n:", ["1", "2", "3", "4"]),
    ],
)
def test_the_shell_offers_keys_and_leaves_files_to_itself(words, offered, toy, workplace):
    """bash passes words one a line, apart at colons; the last three are as it does."""
    for folder in ("cats", "dogs"):
        Path(folder).mkdir()
    words = words.replace("TOY", str(toy))
    if "\n" in words:
        words = words.replace(" ", "\n")
    assert complete(REPOSITORY, words) == offered
