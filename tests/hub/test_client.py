"""The hub's own client: what it pushes aetool pulls, and the other way round, to the byte."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aetool.bundle.folder import CARD, FILES, SAMPLES, SUMS
from aetool.bundle.lookup import shipped_path
from tests.conftest import command
from tests.hub.fake import FakeHub

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None,
    reason="CLIENT OF THE HUB MISSING: pip install huggingface_hub to run these tests",
)


@pytest.fixture
def machine(tmp_path):
    """A hub, and the environment of a machine with an empty HOME that knows only it."""
    server = FakeHub()
    threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    (tmp_path / "home").mkdir()
    told = {"HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.address, "HF_TOKEN": "hf_secret",
            "COLUMNS": "200", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    yield server, kept | told
    server.shutdown()
    server.server_close()


def client(code: str, *words: str, **more) -> str:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=100, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


HF = "from huggingface_hub.cli.hf import main; main()"
PULL = "import sys; from huggingface_hub import snapshot_download; print(snapshot_download(sys.argv[1]))"
READ = (
    "import sys; from huggingface_hub import ModelCard; card = ModelCard.load(sys.argv[1])\n"
    "print(card.data.library_name, card.data.datasets, *[r.metric_value for r in card.data.eval_results])"
)


def test_a_bundle_goes_to_the_hub_by_the_line_on_its_card_and_comes_back_both_ways(machine, workplace):
    server, env = machine
    source = shipped_path("sign_digits")
    (line,) = re.findall(r"^    hf (upload .*)$", (source / CARD).read_text(), re.M)
    client(HF, *line.replace("OWNER", "ada").split(), cwd=source, env=env)
    pushed = {path.name: path.read_bytes() for path in source.iterdir()}
    assert server.repositories["ada/sign_digits"]["files"] == pushed

    theirs = Path(client(PULL, "ada/sign_digits", env=env).strip())
    assert {path.name: path.read_bytes() for path in theirs.iterdir()} == pushed

    words = ["sample", "-m", "hf:ada/sign_digits", "--class", "8", "-n", "2", "--seed", "1", "-o", "eights.png"]
    done = subprocess.run(command(words), env=env, capture_output=True, text=True, timeout=60)
    commit = server.repositories["ada/sign_digits"]["commit"]
    assert done.returncode == 0 and f"main is commit {commit}" in done.stderr and Path("eights.png").stat().st_size
    ours = Path(env["HOME"]) / ".cache/aetool/hub/ada/sign_digits" / commit
    assert {path.name: path.read_bytes() for path in ours.iterdir()} == {
        name: pushed[name] for name in (*FILES, SUMS, CARD)
    }
    assert (pushed.keys() - {path.name for path in ours.iterdir()}) == {SAMPLES}


@pytest.mark.parametrize(("name", "datasets"), [("mnist", "['ylecun/mnist']"), ("sign_digits", "[]")])
def test_the_client_reads_the_card(machine, name, datasets):
    library, *rest = client(READ, str(shipped_path(name) / CARD), env=machine[1]).split()
    assert (library, rest[0]) == ("aetool", datasets)
    assert 0 < float(rest[1]) < float(rest[2]) < 0.05
