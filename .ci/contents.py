"""What a wheel and an sdist hold: python .ci/contents.py DIST."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 25_000_000
"""Bytes of the largest file of a release."""


def check(dist: Path) -> None:
    """Raise `AssertionError` where a release lacks something, holds too much, or has models with other bytes."""
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "aetool/__init__.py").read_text(), re.M)[1]
    wheel, sdist = dist / f"aetool-{version}-py3-none-any.whl", dist / f"aetool-{version}.tar.gz"
    assert sorted(dist.iterdir()) == [wheel, sdist], sorted(dist.iterdir())
    for path in (wheel, sdist):
        assert path.stat().st_size < MOST, f"{path.name} has {path.stat().st_size:,} bytes, over {MOST:,}"
    tracked = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )
    with zipfile.ZipFile(wheel) as opened:
        check_wheel(opened, tracked)
    with tarfile.open(sdist) as packed:
        check_sdist(packed, f"aetool-{version}/", tracked)
    print(", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in (wheel, sdist)))


def check_wheel(wheel: zipfile.ZipFile, tracked: set[str]) -> None:
    """The package with the shipped models, the licence, and nothing else."""
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    models = {name for name in tracked if re.match("models/[^/]+/", name)}
    assert names == {name for name in tracked if name.startswith("aetool/")} | {f"aetool/{name}" for name in models}
    assert all(wheel.read(f"aetool/{name}") == (ROOT / name).read_bytes() for name in models)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


def check_sdist(sdist: tarfile.TarFile, top: str, tracked: set[str]) -> None:
    """All files of the repository, what the package index wants to know, and nothing that is not committed."""
    names = {name.removeprefix(top) for name in sdist.getnames()}
    wanted = tracked | {"PKG-INFO"}
    assert names == wanted, f"missing: {sorted(wanted - names)}; not committed: {sorted(names - wanted)}"
    assert all(member.isfile() for member in sdist.getmembers())


if __name__ == "__main__":
    check(Path(sys.argv[1]))
