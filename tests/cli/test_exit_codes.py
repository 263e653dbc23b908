"""Every exit code that can occur, with one line on stderr and nothing half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from aetool.cli import app, process
from aetool.errors import AetoolError
from tests.conftest import command
from tests.toy import toy_image, write_toy


@pytest.fixture
def here(workplace):
    toy_image(1, 2, 3, 4).save("a.png")
    Path("text.png").write_text("this is no picture")
    return workplace


def complaint(err: str) -> str:
    """Return the one line that says why a command ended; before it there may be warnings and what was chosen."""
    *before, last = err.splitlines()
    assert all("warning: " in line or "-m chooses another" in line or ": seed " in line for line in before), err
    assert last.startswith("aetool: ")
    return last


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sample", "-m", "TOY", "--class", "lihgt"], 2, 'did you mean "light"'),
        (["sample", "-m", "TOY", "--digit", "11"], 2, 'no class "11"'),
        (["sample", "-m", "TOY", "--digit", "1", "--class", "dark"], 2, "give one"),
        (["sample", "-m", "TOY", "--method", "mixx"], 2, 'did you mean "mix"'),
        (["sample", "-m", "TOY", "-o", "x.txt"], 2, "does not say what to write"),
        (["sample", "-m", "TOY", "--latents", "-o", "x.png"], 2, ".jsonl"),
        (["sample", "-m", "TOY", "-n", "0"], 2, "-n"),
        (["sample", "--nonsense"], 2, "aetool sample --help"),
        (["smaple"], 2, "sample"),
        (["encode", "-m", "TOY"], 2, "no input"),
        (["interpolate", "a.png", "-m", "TOY"], 2, "at least two keys"),
        (["interpolate", "a.png", "class:nobody", "-m", "TOY"], 2, "no class"),
        (["interpolate", "a.png", "a.png", "-m", "TOY", "-o", "a.png"], 2, "is an input"),
        (["reconstruct", "a.png", "-m", "TOY", "-o", "./"], 2, "holds an input"),
        (["reconstruct", "a.png", "-m", "TOY", "-o", "x.jsonl"], 2, "aetool encode"),
        (["decode", "a.png", "-m", "TOY", "-o", "x.jsonl"], 2, "pictures"),
        (["decode", ".", "-m", "TOY"], 2, "is a folder"),
        (["reconstruct", ".", "-m", "TOY", "-o", "a.png"], 2, "is an input"),
        (["reconstruct", ".", "-m", "TOY", "-o", "out/"], 2, "is an input"),
        (["train", "digts"], 2, 'did you mean "digits"'),
        (["train", "--arch", "unet"], 2, "conv"),
        (["train", "--set", "width=3"], 2, 'did you mean "widths"'),
        (["train", "--batch-size", "1"], 2, "at least 2"),
        (["train", "--latent-dim", "0"], 2, "at least 1"),
        (["train", "--resume"], 2, "aetool train"),
        (["train", "--resume", "--epochs", "3"], 2, "keeps its settings"),
        (["export"], 2, "aetool train"),
        (["encode", "a.png", "text.png", "-m", "TOY"], 3, "1 done, 1 failed"),
        (["encode", "text.png", "-m", "TOY"], 4, "could not be used"),
        (["interpolate", "a.png", "text.png", "-m", "TOY"], 4, "text.png"),
        (["explain", "a.png"], 4, "could not be used"),
        (["decode", "text.png", "-m", "TOY"], 4, "not JSON"),
        (["encode", ".", "-m", "nowhere"], 5, 'no model "nowhere"'),
        (["info", "nowhere"], 5, "no model"),
        (["verify", "text.png"], 5, "no model"),
        (["reconstruct", "gone.png", "-m", "TOY"], 7, "could not be used"),
        (["encode", "a.png", "-m", "TOY", "-o", "no/folder/z.npz"], 7, "No such file"),
        (["decode", "gone.jsonl", "-m", "TOY"], 7, "gone.jsonl"),
        (["sample", "-m", "TOY", "--device", "tpu"], 2, "cpu"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input_ends_with_its_code_and_one_line(cli, toy, here, words, code, said):
    before = sorted(here.rglob("*"))
    got, _, err = cli(*(str(toy) if word == "TOY" else word for word in words))
    assert (got, said in err) == (code, True), err
    assert complaint(err)
    assert sorted(here.rglob("*")) == before


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU here")
@pytest.mark.parametrize("name", ["cuda", "gpu", "cuda:0", "CUDA", "GPU"])
@pytest.mark.parametrize("words", [["sample", "-m", "TOY"], ["verify", "TOY"], ["train"]])
def test_a_device_that_is_not_there_is_8_and_never_the_cpu(cli, toy, here, words, name):
    code, out, err = cli(*(str(toy) if word == "TOY" else word for word in words), "--device", name)
    assert (code, out) == (8, b"") and "cuda" in err.lower()
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [["sample", "-m", "TOY"], ["train"]])
def test_an_unknown_device_is_2_and_every_name_is_listed(cli, toy, here, words):
    code, _, err = cli(*(str(toy) if word == "TOY" else word for word in words), "--device", "tpu")
    assert code == 2 and "there is auto, cpu, cuda" in err
    assert cli("sample", "-m", toy, "-n", 1, "--device", "CPU", "-o", "x.png")[0] == 0


def test_latents_of_another_model_are_refused(cli, toy, here):
    line = {"source": "x", "model": "0123456789abcdef", "latent": [0, 0, 0, 0]}
    Path("z.jsonl").write_text(json.dumps(line))
    Path("x.png").write_bytes(b"old")
    code, _, err = cli("decode", "z.jsonl", "-m", toy, "-o", "x.png")
    assert code == 4 and "0123456789abcdef" in err
    assert Path("x.png").read_bytes() == b"old"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_latents_that_are_not_finite_leave_the_old_picture(cli, toy, here, bad):
    np.save("z.npy", np.array([[0, 0, 0, bad]]))
    Path("x.png").write_bytes(b"old")
    code, _, err = cli("decode", "z.npy", "-m", toy, "-o", "x.png")
    assert code == 4 and "finite" in err and Path("x.png").read_bytes() == b"old"


@pytest.mark.parametrize("suffix", ["jsonl", "npz", "npy"])
def test_nothing_usable_leaves_the_old_latents(cli, toy, here, suffix):
    Path(f"z.{suffix}").write_bytes(b"old")
    assert cli("encode", "text.png", "-m", toy, "-o", f"z.{suffix}")[0] == 4
    assert Path(f"z.{suffix}").read_bytes() == b"old"


def test_an_empty_folder_is_nothing_usable(cli, toy, here):
    Path("empty").mkdir()
    assert cli("encode", "empty", "-m", toy)[0] == 4


def test_a_changed_byte_an_extra_and_a_missing_file_are_5_in_every_command(cli, here, tmp_path_factory):
    for spoil in (lambda p: (p / "decoder.onnx").write_bytes((p / "decoder.onnx").read_bytes()[:-1] + b"\0"),
                  lambda p: (p / "extra").touch(), lambda p: (p / "bank.npz").unlink()):  # fmt: skip
        bundle = write_toy(tmp_path_factory.mktemp("spoilt") / "toy")
        spoil(bundle)
        for words in (
            ["encode", "a.png"],
            ["sample"],
            ["interpolate", "a.png", "a.png"],
            ["reconstruct", "a.png"],
            ["info"],
        ):
            code, out, err = cli(*words, "-m", bundle)
            assert (code, out) == (5, b"") and "refused" in err
        assert cli("verify", bundle)[0] == 5


def test_a_sheet_too_large_for_memory_is_6(cli, toy, here):
    code, _, err = cli("sample", "-m", toy, "-n", 200000, "-o", "x.png", "--scale", 20)
    assert code == 6 and "folder/" in err and not Path("x.png").exists()


def test_golden_values_that_differ_are_5(cli, toy, here, monkeypatch):
    monkeypatch.setattr("aetool.runtime.golden.BOUNDS", {"latents": -1.0, "images": -1.0})
    code, _, err = cli("verify", toy)
    assert code == 5 and "golden" in err


def test_a_missing_extra_says_what_to_install(cli, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    fresh = ("aetool.training.loop", "aetool.training.session", "aetool.training.arch")
    for name in [name for name in sys.modules if name.startswith(fresh)]:
        monkeypatch.delitem(sys.modules, name)
    code, _, err = cli("train", "--epochs", "1")
    assert code == 2 and "pip install '.[train]'" in err and not Path("runs").exists()


def test_an_unexpected_error_is_1_and_one_line(cli, toy, here, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr("aetool.generation.sampling.Local.draw", broken)
    code, _, err = cli("sample", "-m", toy, "--seed", 1)
    assert code == 1 and err.count("\n") == 1 and "ZeroDivisionError: first line" in err
    monkeypatch.setenv("AETOOL_DEBUG", "1")
    assert "Traceback" in cli("sample", "-m", toy, "--seed", 1)[2]


def test_names_never_reach_the_terminal_raw(cli, toy, here):
    name = "evil\x1b[31m\n.png"
    Path(name).write_text("no picture")
    code, _, err = cli("encode", name, "-m", toy)
    assert code == 4 and "\x1b" not in err and "\\x1b[31m\\n" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_with_their_code_and_leave_no_temporaries(toy, here, number, code):
    process = subprocess.Popen(
        command(["sample", "-m", str(toy), "-n", "400000", "-o", "many/", "-q"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not Path("many").exists() or not any(Path("many").iterdir()):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, b"")
    assert all(path.name.startswith("new-") for path in Path("many").iterdir())


CARELESS = """
import os, signal
try:
    os.kill(os.getpid(), signal.{})
    for _ in range(1000):
        pass
except BaseException:  # as the start of extension modules does
    pass
"""


@pytest.mark.parametrize(("name", "kind"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", app.Terminated)])
def test_a_signal_during_an_import_is_not_lost(here, monkeypatch, name, kind):
    Path(f"careless_{name}.py").write_text(CARELESS.format(name))
    monkeypatch.syspath_prepend(here)
    monkeypatch.setattr(process, "_signals", [])
    number = signal.Signals[name]
    before = {one: signal.signal(one, process._interrupt) for one in (number, signal.SIGALRM)}
    try:
        with pytest.raises(kind):
            import_module(f"careless_{name}")
            time.sleep(5)
        assert process._signals[0] == number
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_every_error_has_a_code_of_its_own():
    kinds = AetoolError.__subclasses__()
    codes = [kind.exit_code for kind in kinds]
    assert sorted(codes) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 141]
    assert all(app._fail("x", kind.exit_code) == kind.exit_code for kind in kinds)


def test_inputs_are_never_written_over_however_they_are_reached(cli, toy, here):
    for name in ("photos/a.png", "photos/photos/a.png", "photos/b.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        toy_image(9, 9, 9, 9).save(name)
    Path("links").mkdir()
    Path("list.jsonl").write_text("photos/a.png\n")
    Path("a.png").rename("photos/c.png")  # so that the links lead to an input alone
    Path("links/c.png").symlink_to("../photos/c.png")
    before = {path: path.read_bytes() for path in Path("photos").rglob("*.png")}
    for line in (
        ["reconstruct", "links", "-o", "photos/"],
        ["reconstruct", "photos", "-o", "."],
        ["sample", "--from", "photos", "-n", 1, "-o", "photos/a.png"],
        ["sample", "--from", "photos", "-n", 1, "-o", "photos/"],
        ["encode", "--files-from", "list.jsonl", "-o", "list.jsonl"],
    ):
        code, _, err = cli(*line, "-m", toy)
        assert code == 2 and "input" in err, line
    assert all(path.read_bytes() == data for path, data in before.items())
    assert Path("list.jsonl").read_text() == "photos/a.png\n"


def test_one_bad_name_does_not_end_the_rest(cli, toy, here):
    Path("loop.png").symlink_to("loop.png")
    Path("in").mkdir()
    Path("in/loop.png").symlink_to("loop.png")
    toy_image(1, 2, 3, 4).save("in/z.png")
    code, out, err = cli("encode", "a.png", "x" * 300, "loop.png", "in", "-m", toy)
    assert code == 3 and [json.loads(line)["source"] for line in out.splitlines()] == ["a.png", "in/z.png"]
    assert "2 done, 3 failed" in err
    code, _, err = cli("sample", "-n", 1, "-m", toy, "-o", "loop.png")
    assert code == 7 and "loop.png" in err


@pytest.mark.parametrize("words", [["sample", "-o", ""], ["sample", "--output="], ["info", ""], ["encode", ""]])
def test_an_empty_argument_is_refused(cli, here, words):
    code, _, err = cli(*words)
    assert code == 2 and "empty" in err


def _refusing(opened, name):
    """Return `os.open` for a user who may not write the file `name`."""

    def call(path, flags, *more, **options):
        if isinstance(path, os.PathLike | str) and Path(path).name == name and flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *more, **options)

    return call


def test_a_protected_file_is_not_replaced(cli, toy, here, monkeypatch):
    Path("x.png").write_bytes(b"old")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr("os.open", _refusing(os.open, "x.png"))  # these tests may run as root, who may all
    code, _, err = cli("sample", "-n", 1, "-m", toy, "-o", "x.png")
    assert code == 7 and "Permission denied" in err and Path("x.png").read_bytes() == b"old"


def test_a_folder_with_more_than_a_bundle_is_never_replaced(here):
    from aetool.bundle.folder import check_free
    from aetool.errors import UsageError

    bundle = write_toy(here / "toy")
    check_free(bundle, True)
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no bundle"):
        check_free(bundle, True)


def test_a_closed_stderr_keeps_libraries_out_of_the_output(toy, here):
    line = f"exec 2>&-; exec {' '.join(command(['encode', 'a.png', 'text.png', '-m', str(toy), '-o', 'out.jsonl']))}"
    assert subprocess.run(["bash", "-c", line], timeout=60).returncode == 3
    assert [json.loads(text)["source"] for text in Path("out.jsonl").read_text().splitlines()] == ["a.png"]


def test_the_variable_that_names_no_model_is_named(cli, here, monkeypatch):
    monkeypatch.setenv("AETOOL_MODEL", "nonsense")
    code, _, err = cli("sample")
    assert code == 5 and "$AETOOL_MODEL" in err


def test_json_and_pictures_do_not_share_stdout(cli, toy, here):
    assert cli("reconstruct", "a.png", "--json", "-o", "-", "-m", toy)[0] == 2


def test_training_that_cannot_work_says_so(cli, here):
    assert "try a lower --lr" in cli("train", "--lr", "1e30", "--epochs", 2, "--threads", 1)[2]
    for words in (["--threads", 100000], ["--latent-dim", 999999999999]):
        assert cli("train", *words)[0] == 2
    np.savez("same.npz", images=np.full((20, 8, 8), 7, np.uint8), labels=np.arange(20))
    assert cli("train", "same.npz", "--epochs", 1, "--threads", 1)[0] == 0
    assert cli("sample", "-m", "mnist", "-n", 2, "--fps", "nan", "-o", "x.gif")[0] == 2
