"""Without a home folder, or with one that cannot be used: the cache is done without."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, command
from tests.toy import toy_image

CASES = {
    "no HOME": {},
    "a relative cache": {"XDG_CACHE_HOME": "cache", "HOME": "/nonexistent"},
    "a cache that cannot be written": {"XDG_CACHE_HOME": "/proc/nowhere"},
    "a file as home": {"HOME": str(REPOSITORY / "README.md")},
}
TRAIN = ["train", "photos", "--epochs", "1", "--threads", "1", "--latent-dim", "2", "-q"]


@pytest.mark.parametrize("case", CASES)
def test_a_bare_user_trains_and_exports(workplace, case):
    user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search"]  # fmt: skip
    if os.geteuid() != 0 or not shutil.which("setpriv") or subprocess.run([*user, "true"]).returncode:
        pytest.skip("USER WITHOUT A HOME NOT TRIED: root and setpriv are needed")
    for i in range(20):
        Path("photos", f"c{i % 2}").mkdir(parents=True, exist_ok=True)
        toy_image(i, 2 * i, 100, 150).resize((8, 8)).save(f"photos/c{i % 2}/{i}.png")
    workplace.chmod(0o777)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | CASES[case]
    for words in (TRAIN, TRAIN, ["info"]):
        done = subprocess.run([*user, *command(words)], capture_output=True, text=True, timeout=120, env=env)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert sorted(path.name for path in workplace.iterdir()) == ["photos", "runs"]
