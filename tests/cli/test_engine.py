"""--engine on the command line: refusals, the hint where Daft is missing, and no cost for other commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aetool.cluster.engine import error_of, is_url
from aetool.cluster.sources import is_pattern, matched
from aetool.errors import DeviceUnavailable
from tests.contracts.test_imports import modules_after
from tests.toy import toy_image

ENGINE = "--engine daft -o out/"


@pytest.fixture
def here(workplace):
    for name in ("in/a/1.png", "in/a/b/2.png", "in/3.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        toy_image(1, 20, 30, 200).save(name)
    Path("x.npz").write_bytes(b"")
    return workplace


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("encode in --engine dask -o out/", 'no engine "dask"'),
        ("encode in --engine daft", "give one with -o, as -o latents/"),
        ("encode in --engine daft -o z.jsonl", "give one with -o, as -o latents/"),
        ("encode in --engine daft -o in/3.png/", "is no folder for Parquet files"),
        ("encode in --engine daft -o TOY/", "is no folder for Parquet files"),
        (f"encode {ENGINE}", "no input; name images or folders"),
        (f"encode in --pixels p/ {ENGINE}", "--pixels would do nothing with --engine"),
        (f"encode in --layout nchw {ENGINE}", "--layout would do nothing with --engine"),
        (f"score in --json --fail-over 9 {ENGINE}", "--json and --fail-over would do nothing with --engine"),
        (f"score in --scale 2 {ENGINE}", "--scale would do nothing"),
        ("encode in --cluster ray://a:1", "--cluster is for an engine"),
        ("encode in --column image", "--column is for an engine"),
        ("score in --skip-existing", "--skip-existing is for an engine"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_before_anything_is_made(words, said, here, cli, toy):
    code, out, err = cli(*words.replace("TOY", str(toy)).split(), "-m", toy)
    assert (code, out) == (2, b"") and said in err and err.count("\n") == 1
    assert not Path("out").exists()


def test_a_missing_daft_is_told_with_its_install_line(here, cli, toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "daft", None)
    code, out, err = cli("encode", "in", "-m", toy, *ENGINE.split())
    assert (code, out) == (2, b"") and "this needs daft; install it with: pip install '" in err and "[daft]'" in err


def test_other_commands_do_not_import_engines(here, toy):
    loaded = modules_after("encode", "in/3.png", "-m", str(toy), "-o", "z.jsonl", cwd=here)
    assert not loaded & {"daft", "pyarrow", "ray", "aetool.cluster"}


def test_names_tell_what_they_are(here):
    assert [is_url(name) for name in ("s3://b/a", "a/b.png", "file://a", "C:/a", "://a")] == [True] + [False] * 4
    Path("in/[1].png").write_bytes(b"")
    assert [is_pattern(name) for name in ("in/*.png", "in/[1].png", "http://a/b?c")] == [True, False, False]
    found = {file.path: file.label for file in matched("in/**/*.png")}
    assert found == {"in/3.png": None, "in/[1].png": None, "in/a/1.png": "a", "in/a/b/2.png": "a"}
    assert [file.path for file in matched("in/a*")] == ["in/a/1.png", "in/a/b/2.png"]


def test_errors_of_engines_become_one_line():
    inner = DeviceUnavailable("no such device")
    outer = RuntimeError("a long story\nof many lines")
    outer.__cause__ = inner
    assert error_of(outer) is inner
    text = "Unable to open\n\nCaused by the following errors:\n  1: one\n  2: Connection refused"
    assert str(error_of(ValueError(text))) == "Daft: Connection refused"
    assert str(error_of(ValueError("DaftError::External no\nhint"))) == "Daft: External no"
    assert str(error_of(ValueError("Traceback (most recent call last):\n  x\nOSError: full"))) == "Daft: OSError: full"
