"""The habits: one set of commands in the Makefile, the hooks and CI; versions that agree; no private registry."""

from __future__ import annotations

import re
import tomllib

from aetool import __version__
from aetool.choices import installing
from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LINTERS = ["ruff check .", "ruff format --check .", "mypy"]


def text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def test_linters_are_the_same_everywhere():
    line = " && ".join(LINTERS)
    assert all(line in text(name) for name in ("Makefile", ".ci/run", ".github/workflows/test.yml", "CONTRIBUTING.md"))
    assert re.findall(r"entry: (.*)", text(".pre-commit-config.yaml")) == LINTERS


def test_targets_named_in_contributing_are_there():
    targets = re.findall(r"^(\w+):", text("Makefile"), re.M)
    named = re.findall(r"`make (\w+)`", text("CONTRIBUTING.md"))
    assert len(named) >= 5 and set(named) <= set(targets)


def test_the_workflow_runs_the_versions_that_are_declared():
    versions = re.search(r"python: \[(.*)\]", text(".github/workflows/test.yml"))[1].replace('"', "").split(", ")
    declared = [c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if re.search(r"Python :: 3\.", c)]
    assert versions == declared and PROJECT["project"]["requires-python"] == f">={versions[0]}"


def test_the_lowest_versions_are_those_that_are_declared():
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {}
    for one in [*PROJECT["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]:
        name, low = re.match(r"([\w-]+)>=([\d.]+)", one).groups()
        wanted.setdefault(name, low)
    pinned = dict(line.split("==") for line in text("tests/lowest.txt").splitlines() if not line.startswith("#"))
    assert pinned == wanted
    assert list(pinned) == sorted(pinned)


def test_ci_tries_the_lowest_versions():
    assert "-c tests/lowest.txt" in text(".ci/lowest") and ".ci/lowest" in text(".ci/run")
    assert ".ci/lowest" in text(".github/workflows/test.yml")
    assert "-c tests/lowest.txt" in text(".github/workflows/test.yml")


def test_the_readme_and_ci_call_the_same_test_command():
    assert 'command=$(grep -m1 "^pip install -e" README.md)' in text(".ci/run")
    assert re.search(r"^pip install -e '\.\[train,test\]' && pytest -n auto$", text("README.md"), re.M)


def test_a_lock_names_the_public_index_alone():
    lock = REPOSITORY / "uv.lock"
    hosts = set(re.findall(r"https?://([^/\"]+)", lock.read_text())) if lock.exists() else set()
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}


def test_slow_tests_are_left_out_unless_they_are_asked_for():
    options = PROJECT["tool"]["pytest"]["ini_options"]
    assert "-m 'not slow'" in options["addopts"] and options["markers"][0].startswith("slow:")


def test_a_release_is_built_checked_and_tried_in_ci():
    assert 'bash .ci/release "$place/release"' in text(".ci/run")
    assert all("bash .ci/release" in text(f".github/workflows/{name}.yml") for name in ("test", "release"))
    assert 'twine" check --strict' in text(".ci/release") and "MOST = 25_000_000" in text(".ci/contents.py")
    assert "tests/hub/test_client.py" in text(".ci/run")


def test_the_version_stands_in_one_place():
    assert "version" in PROJECT["project"]["dynamic"] and "version" not in PROJECT["project"]
    assert set(re.findall(r"aetool-(\d[\d.]*\d)-py3", text("README.md"))) == {__version__}
    assert not any(
        __version__ in text(name) for name in ("pyproject.toml", ".ci/release", ".ci/contents.py", "Makefile")
    )


def test_extras_are_named_as_they_are_installed_before_a_publication():
    names = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "RELIABILITY.md", "benchmarks/README.md"]
    source = [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "aetool").rglob("*.py")]
    named = {extra for name in names for extra in re.findall(r"'\.\[([a-z,]+)\]'", text(name))}
    named |= {extra for name in source for extra in re.findall(r"installing\([\"'](\w+)[\"']\)", text(name))}
    assert {one for extra in named for one in extra.split(",")} <= set(PROJECT["project"]["optional-dependencies"])
    assert {"heif", "tiff", "train", "openvino"} <= named
    assert not any(re.search(r"install [^\n]*aetool\[", text(name)) for name in [*names, *source])
    assert installing("heif") == "pip install '.[heif]'"
