"""Fixtures: a toy bundle whose mathematics is exact, a real one trained on digits, and ways to run the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.toy import write_toy

REPOSITORY = Path(__file__).parents[1]
DATA = os.environ.get("AETOOL_DATA")


@pytest.fixture(scope="session", autouse=True)
def hermetic(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the caller's models, caches and colours out of the tests."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # tests started in the background: their children would too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("AETOOL_MODEL", "AETOOL_DEBUG", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR"):
        os.environ.pop(name, None)
    os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("home"))
    os.environ["COLUMNS"] = "80"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that need it skip loudly without."""
    if not DATA or not (Path(DATA) / "mnist").is_dir():
        pytest.skip("REAL DATA MISSING: set AETOOL_DATA to a folder with mnist/ to run this test")
    return Path(DATA)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of 8x8 grey images: four quadrants, four latents, nothing rounded (see tests/toy.py)."""
    return write_toy(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def aetool(workplace: Path) -> Run:
    """Run the program as a process in the current folder: aetool("sample", "-n", "1", stdin=b"", env={})."""

    def run(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None, **more: Any) -> Any:
        return subprocess.run(
            command(words), input=stdin, capture_output=True, timeout=120, env={**os.environ, **(env or {})}, **more
        )

    return run


def command(words: Sequence[str]) -> list[str]:
    """Return the command line that runs the program under test."""
    return [sys.executable, "-m", "aetool", *words]


@pytest.fixture
def shell(workplace: Path) -> Callable[[str], subprocess.CompletedProcess[bytes]]:
    """Run a line of bash in which `aetool` is the program under test, python3 its Python, and a failing stage fails."""

    def run(line: str) -> subprocess.CompletedProcess[bytes]:
        names = f'aetool() {{ python3 -m aetool "$@"; }}; python3() {{ "{sys.executable}" "$@"; }}'
        script = f"set -o pipefail; {names}; {line}"
        return subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)

    return run


@pytest.fixture
def cli(workplace: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[int, bytes, str]]:
    """Run a command inside this process, which is fast: returns exit code, stdout as bytes, stderr as text."""
    from aetool.cli.app import run

    def call(*words: object) -> tuple[int, bytes, str]:
        capfdbinary.readouterr()
        code = run([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short but real training run on digits; use its folder as runs/digits below its parent's parent."""
    place = tmp_path_factory.mktemp("digits")
    subprocess.run(command(["train", "digits", "--epochs", "12", "--threads", "1"]), cwd=place, check=True, timeout=300)
    return place / "runs" / "digits"


@pytest.fixture(scope="session")
def digits(digits_run: Path) -> Path:
    """The bundle of `digits_run`."""
    subprocess.run(command(["export"]), cwd=digits_run.parents[1], check=True, timeout=300)
    return digits_run.parents[1] / "models" / "digits"
