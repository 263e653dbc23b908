"""Folders of any length in bounded memory, in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import command
from tests.toy import toy_image

LAUNCHER = """
import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss)
sys.exit(status != 0)
"""
"""Starts a command from a small process: a child begins with the peak of the one it was forked from."""


def encode_links(toy: Path, count: int) -> tuple[float, list[str]]:
    """Encode a folder of hard links to one picture; return peak memory in MiB and the sources as they came."""
    place = Path(f"in{count}")
    toy_image(1, 2, 3, 4).save("one.png")
    for i in range(count):
        folder = place / f"{i // 1000:03}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link("one.png", folder / f"{i:06}.png")
    words = command(["encode", str(place), "-m", str(toy), "-o", f"{count}.jsonl", "-q"])
    launched = subprocess.run([sys.executable, "-c", LAUNCHER, *words], capture_output=True, check=True, timeout=120)
    with Path(f"{count}.jsonl").open() as lines:
        return int(launched.stdout) / 1024, [json.loads(line)["source"] for line in lines]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_20000_files_take_the_memory_of_1000_and_come_in_order(toy, workplace):
    small, _ = encode_links(toy, 1000)
    large, sources = encode_links(toy, 20_000)
    assert sources == [f"in20000/{i // 1000:03}/{i:06}.png" for i in range(20_000)]
    assert large < small * 1.1 < 400


def test_the_first_record_comes_while_names_are_still_arriving(toy, workplace):
    """Names are read as they come: a slow producer gets its first answer before it has said all."""
    toy_image(1, 2, 3, 4).save("one.png")
    words = command(["encode", "--files-from", "-", "-m", str(toy)])
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"one.png\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["source"] == "one.png"
        out, _ = process.communicate(b"one.png\n" * 300, timeout=60)
    assert len(out.splitlines()) == 300 and process.returncode == 0
