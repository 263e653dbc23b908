"""Every command where no ONNX Runtime is installed, or where it cannot be loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.toy import picture, toy_image

LINES = [
    "encode a.png b.png", "encode a.png -o z.npz", "decode z.jsonl -o d/", "reconstruct a.png -o r.png",
    "interpolate a.png b.png -o i.gif", "sample -n 2 -o s.png", "sample --from more -o f.png",
    "combine a.png b.png -o c.png", "perturb a.png -o p.png", "search a.png", "score a.png", "verify",
]  # fmt: skip
"""Command lines that run a graph."""


@pytest.fixture
def without(workplace, toy, aetool):
    """Run the program without ONNX Runtime, in a folder with pictures and latents."""
    for i, levels in enumerate([(0, 50, 100, 200), (255, 0, 9, 20), (7, 7, 7, 7)]):
        toy_image(*levels).save(f"{'abc'[i]}.png")
        Path("more").mkdir(exist_ok=True)
        toy_image(*levels).save(f"more/{i}.png")
    Path("z.jsonl").write_text("[0, 0.5, 0.25, 1]\n")
    blocked(workplace, "import sys\nsys.modules['onnxruntime'] = None\n")

    def run(*words: str):
        env = {"PYTHONPATH": os.pathsep.join([str(workplace / "blocked"), str(REPOSITORY)]), "AETOOL_MODEL": str(toy)}
        return aetool(*words, env=env)

    return run


def blocked(workplace: Path, code: str) -> None:
    """Have `code` run before every program."""
    (workplace / "blocked").mkdir(exist_ok=True)
    (workplace / "blocked/sitecustomize.py").write_text(code)


@pytest.mark.parametrize("line", LINES)
def test_commands_run_in_numpy(without, line):
    done = without(*line.split(), "--device", "numpy")
    assert done.returncode == 0, done.stderr
    assert b"NumPy computes the graphs" in done.stderr
    if "-o" in line and ".png" in line.split()[-1]:
        assert picture(line.split()[-1]).width > 7


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("device", [(), ("--device", "cpu"), ("--device", "cuda"), ("--device", "openvino")])
def test_other_devices_say_what_to_type(without, line, device):
    if device and line != "verify":
        return
    done = without(*line.split(), *device)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 8 and not done.stdout and len(said) == 1, said
    assert said[0] == (
        "aetool: ONNX Runtime is not installed; install it with: pip install onnxruntime; "
        "or use --device numpy, which is slower (export cannot)"
    )


def test_commands_that_run_no_graph_need_nothing(without):
    for words in (
        ["info"],
        ["info", "mnist"],
        ["explain", "e.png"],
        ["--help"],
        ["train", "--help"],
        ["info", "--runs"],
    ):
        if words[0] == "explain":
            without("sample", "-n", "1", "-o", "e.png", "--device", "numpy")
        assert without(*words).returncode == 0, words


def test_devices_tell_it(without):
    done = without("devices", "--json")
    rows = {row["device"]: row for row in json.loads(done.stdout)["devices"]}
    assert done.returncode == 0 and [name for name, row in rows.items() if row["available"]] == ["numpy"]
    assert rows["cpu"]["reason"] == "ONNX Runtime is not installed" and rows["cpu"]["fix"] == "pip install onnxruntime"
    assert "onnxruntime-gpu" in rows["cuda"]["fix"] and "'.[openvino]'" in rows["openvino"]["fix"]


def test_an_unknown_device_is_told_as_ever(without):
    done = without("verify", "--device", "tpu")
    assert done.returncode == 2 and b'no device "tpu"' in done.stderr and b"numpy" in done.stderr


def test_a_witness_has_nothing_to_see(without):
    assert without("verify", "--witness").returncode == 8
    assert without("verify", "--witness", "--device", "numpy").returncode == 2


def test_bench_measures_numpy(without):
    done = without("bench", "mnist", "--device", "numpy", "--trials", "1", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["machine"]["device"] == "numpy" and report["sections"]["start"] and not report["sections"]["threads"]
    assert {row["what"].partition(",")[0] for row in report["sections"]["devices"]} == {"numpy"}


def test_export_says_that_it_needs_it(without, digits_run, monkeypatch):
    monkeypatch.chdir(digits_run.parents[1])
    done = without("export", "-o", "models/none")
    assert done.returncode == 8 and b"ONNX Runtime is not installed" in done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libgone.so.1: cannot open shared object file')", "libgone.so.1"),
        ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API"),
        ("import a_module_of_it_that_is_gone", "a_module_of_it_that_is_gone"),
        ("", "InferenceSession"),  # an empty package, as an uninstallation can leave
    ],
)
def test_a_broken_runtime_is_told_apart(without, workplace, code, said):
    blocked(workplace, "")
    (workplace / "blocked/onnxruntime").mkdir()
    (workplace / "blocked/onnxruntime/__init__.py").write_text(code)
    done = without("encode", "a.png")
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 8 and line.startswith("aetool: ONNX Runtime is installed and cannot be loaded: ")
    assert said in line and "--force-reinstall onnxruntime; or use --device numpy" in line
    assert without("encode", "a.png", "--device", "numpy").returncode == 0
    rows = {row["device"]: row for row in json.loads(without("devices", "--json").stdout)["devices"]}
    assert "--force-reinstall" in rows["cpu"]["fix"]


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("raise ImportError('libx.so: failed to map segment from shared object')", 6, "there is not enough memory"),
        ("raise MemoryError", 6, "there is not enough memory"),
        ("import errno; raise OSError(errno.EMFILE, 'Too many open files')", 7, "too many files are open"),
    ],
)
def test_what_the_machine_lacks_is_told_as_ever(without, workplace, code, exit_code, said):
    blocked(workplace, "")
    (workplace / "blocked/onnxruntime").mkdir()
    (workplace / "blocked/onnxruntime/__init__.py").write_text(code)
    done = without("encode", "a.png")
    assert done.returncode == exit_code and said in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_python_users_are_told(without, workplace, monkeypatch):
    import subprocess
    import sys

    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(workplace / "blocked"), str(REPOSITORY)])}
    code = "import aetool; print(aetool.load('mnist', device='numpy').sample('8', n=1, seed=1).pixels.shape)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "(1, 1, 28, 28)\n", done.stderr
    code = "import aetool\ntry: aetool.load('mnist')\nexcept aetool.errors.DeviceUnavailable as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "ONNX Runtime is not installed\n"
