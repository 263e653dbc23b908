"""Keys that are no files: principal axes, means of folders, rows of the bank; frames for a film, and the plane."""

from __future__ import annotations

import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aetool
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.bundle.manifest import Golden
from aetool.cli.app import run
from aetool.latents.bank import make_bank
from aetool.latents.bank_file import write_bank
from aetool.model.keys import Mean
from tests.conftest import command
from tests.toy import picking_graphs, picture, toy_bank, toy_image, toy_latents, toy_manifest, toy_pixels

LEVELS = [(0, 51, 102, 255), (255, 204, 153, 0), (10, 20, 30, 40)]


def latents(out: bytes) -> np.ndarray:
    return np.float32([json.loads(line)["latent"] for line in out.splitlines()])


@pytest.fixture
def folder(workplace) -> np.ndarray:
    """The folder "new" with three pictures, and their latents."""
    for i, levels in enumerate(LEVELS):
        (workplace / "new/deep").mkdir(parents=True, exist_ok=True)
        toy_image(*levels).save(workplace / "new/deep" / f"{i}.png")
    return np.float32(LEVELS) / np.float32(255)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Path:
    """A bundle with latents of two numbers: the left and the right half of an image."""
    pick, fill = np.zeros((64, 2), np.float32), np.zeros((2, 64), np.float32)
    pick[18, 0] = pick[22, 1] = 1
    fill[0], fill[1] = np.tile([1, 1, 1, 1, 0, 0, 0, 0], 8), np.tile([0, 0, 0, 0, 1, 1, 1, 1], 8)
    bank = make_bank(toy_latents()[:, :2], np.repeat([0, 1], 6), ["x"] * 12, ("dark", "light"), seed=0)
    shown, image = np.float32([[0.25, 1]]), np.float32([[[[0.25] * 4 + [1] * 4] * 8]])
    manifest = replace(toy_manifest(), latent_size=2, golden=Golden(shown, image, shown))
    files = picking_graphs(pick, fill, 1) | {"bank.npz": write_bank(bank), "bundle.json": manifest.to_json()}
    path = tmp_path_factory.mktemp("flat") / "flat"
    write(path, files, card(path.name, "0" * 16, manifest, True), replace=False)
    return path


# axes


def axis(label: int | None, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the principal axis of the toy bank, by a singular value decomposition of its latents."""
    bank = toy_bank()
    points = bank.latents if label is None else bank.latents[bank.labels == label]
    _, values, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    found = axes[number - 1] * values[number - 1] / np.sqrt(len(points) - 1)
    return points.mean(0), found * np.sign(found[abs(found).argmax()])


@pytest.mark.parametrize(
    ("key", "label", "number", "ends"),
    [("axis:1", None, 1, (-2, 2)), ("axis:2:-3:0.5", None, 2, (-3, 0.5)), ("axis:1:class:light", 1, 1, (-2, 2)),
     ("axis:1:0:1e0:class:dark", 0, 1, (0, 1)), ("axis:1:1:1", None, 1, (1, 1))],
)  # fmt: skip
def test_an_axis_has_its_ends_at_deviations_from_the_mean(cli, toy, workplace, key, label, number, ends):
    code, out, err = cli("interpolate", key, "--steps", 2, "--latents", "-m", toy)
    assert (code, err) == (0, "")
    mean, along = axis(label, number)
    assert latents(out) == pytest.approx(np.stack([mean + end * along for end in ends]), abs=1e-5)
    assert np.array_equal(aetool.load(toy).latents([key]), latents(out))


def test_axes_need_no_rows_of_the_bank(cli, toy, tmp_path, workplace):
    bank = make_bank(toy_latents(), np.repeat([0, 1], 6), ["x"] * 12, ("dark", "light"), seed=0, rows=False)
    files = {name: (toy / name).read_bytes() for name in ("encoder.onnx", "decoder.onnx", "bundle.json")}
    write(tmp_path / "bare", files | {"bank.npz": write_bank(bank)}, "", replace=False)
    words = ["interpolate", "axis:1", "axis:1:class:dark", "--steps", 2, "--latents", "-m"]
    assert np.array_equal(latents(cli(*words, tmp_path / "bare")[1]), latents(cli(*words, toy)[1]))


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [("axis:0", 2, "axis:1, axis:1:-2:2"), ("axis:", 2, "axis:1"), ("axis:x", 2, "axis:1"), ("axis:-1", 2, "axis:1"),
     ("axis:1:2", 2, "axis:1"), ("axis:1:1:2:3", 2, "axis:1"), ("axis:1:nan:1", 2, "axis:1"),
     ("axis:1:-inf:1", 2, "axis:1"), ("axis:\u0661", 2, "axis:1"), ("axis:1:a:b", 2, "axis:1"),
     ("axis:5", 2, "axes 1 to 4, not 5"), ("axis:99999", 2, "axes 1 to 4"), ("axis:4", 2, "nothing varies along"),
     ("axis:2:class:dark", 2, "nothing varies"), ("axis:1:class:lihgt", 2, 'did you mean "light"'),
     ("axis:1:class:", 2, "no class"), ("axis:1:-1e39:1e39", 4, "beyond the range of float32")],
)  # fmt: skip
def test_other_axes_are_refused_in_a_line(cli, toy, workplace, key, code, said):
    found, out, err = cli("interpolate", key, "-m", toy)
    assert (found, out) == (code, b"") and said in err and err.count("\n") == 1


# means


def test_a_mean_is_that_of_all_pictures_of_a_folder(cli, toy, folder):
    for words in (["combine"], ["perturb", "--sigma", 0, "-n", 1, "--seed", 1]):
        code, out, err = cli(*words, "mean:new", "--latents", "-m", toy)
        assert (code, err) == (0, "")
        assert latents(out)[0] == pytest.approx(folder.mean(0), abs=1e-6)
    assert aetool.load(toy).latents(["mean:new"])[0] == pytest.approx(folder.mean(0), abs=1e-6)
    both = Mean("mine", ("new", Path("new/deep/0.png")))
    assert aetool.load(toy).latents([both])[0] == pytest.approx((folder.sum(0) + folder[0]) / 4, abs=1e-6)


def test_a_mean_counts_as_one_key_beside_others(cli, toy, folder):
    words = ["combine", "new/deep/0.png", "mean:new", "class:dark", "--weights", "1,-1,1", "--latents", "-m", toy]
    code, out, err = cli(*words)
    assert code == 0, err
    assert latents(out)[0] == pytest.approx(folder[0] - folder.mean(0) + toy_latents()[:6].mean(0), abs=1e-5)


def test_means_of_latents_sheets_and_stdin(cli, shell, toy, folder):
    assert cli("encode", "new", "-o", "z.jsonl", "-m", toy, "-q")[0] == 0
    assert cli("decode", "z.jsonl", "-o", "sheet.png", "-m", toy, "-q")[0] == 0
    mean = folder.mean(0)
    for line in ("combine mean:z.jsonl", "combine mean:sheet.png", "combine mean:- < z.jsonl",
                 "encode -q new | aetool combine mean:-", "combine mean:<(cat new/deep/*.png)"):  # fmt: skip
        line = f"export AETOOL_MODEL={toy}; aetool {line} --latents" if "<" not in line else (
            f"export AETOOL_MODEL={toy}; aetool {line.replace('combine', 'combine --latents')}"
        )  # fmt: skip
        done = shell(line)
        assert done.returncode == 0, (line, done.stderr)
        assert latents(done.stdout)[0] == pytest.approx(mean, abs=0.003), line


def test_a_mean_with_a_broken_picture_ends_as_any_key_does(cli, toy, folder):
    Path("new/broken.png").write_bytes(b"no picture")
    code, out, err = cli("combine", "mean:new", "-m", toy)
    assert (code, out) == (4, b"") and "new/broken.png" in err and err.count("\n") == 1
    code, _, err = cli("perturb", "mean:new", "--seed", 1, "-o", "x.png", "-m", toy)
    assert code == 3 and "new/broken.png" in err and Path("x.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["mean:nosuch"], 7, "nosuch"), (["mean:empty"], 4, ""), (["mean:"], 7, ""), (["mean:-", "-"], 2, "once"),
     (["mean:new", "-o", "new/x.png"], 0, ""), (["mean:new/deep/0.png", "-o", "new/deep/0.png"], 2, "is an input")],
)  # fmt: skip
def test_other_means_are_refused_in_a_line(cli, toy, folder, words, code, said):
    Path("empty").mkdir()
    found, _, err = cli("combine", *words, "-m", toy)
    assert found == code and said in err and err.count("\n") == (code > 0), err


def test_latents_of_another_model_are_refused_in_a_mean(cli, toy, flat, folder):
    assert cli("encode", "new", "-o", "z.jsonl", "-m", flat, "-q")[0] == 0
    code, _, err = cli("combine", "mean:z.jsonl", "-o", "x.png", "-m", toy)
    assert code == 4 and "of model" in err


def test_a_file_named_as_a_key_is_a_file_with_its_folder(cli, toy, folder):
    for name in ("mean:new.png", "axis:1"):
        Path(name).write_bytes(Path("new/deep/1.png").read_bytes())
        assert latents(cli("combine", f"./{name}", "--latents", "-m", toy)[1])[0] == pytest.approx(folder[1])


@pytest.mark.parametrize(
    "key", ["class:light", "bank:7", "axis:1", "axis:1:-1:1:class:light", "mean:new", "mean:bank:3"]
)
def test_every_key_works_in_every_command_that_takes_keys(cli, toy, folder, key):
    for words in (["combine"], ["perturb", "--seed", 1], ["search"], ["interpolate", "class:dark"]):
        code, _, err = cli(*words, key, "-o", "x.png", "-m", toy)
        assert code == 0, (words, err)


# frames


def frames(data: bytes) -> list[Image.Image]:
    """Return the pictures in a stream of PNG files."""
    parts = data.split(b"\x89PNG\r\n\x1a\n")
    assert parts[0] == b""
    return [Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + part)) for part in parts[1:]]


def test_frames_are_pictures_one_behind_the_other_as_in_an_animation(cli, toy, workplace):
    words = ["interpolate", "class:dark", "class:light", "--steps", 70, "-m", toy]
    code, out, err = cli(*words, "--frames")
    assert (code, err) == (0, "")
    assert cli(*words, "-o", "walk.apng")[0] == 0
    film, found = picture("walk.apng"), frames(out)
    assert len(found) == film.n_frames == 70 and {frame.size for frame in found} == {(64, 64)}
    for i, frame in enumerate(found):
        film.seek(i)
        assert np.array_equal(np.asarray(frame.convert("L")), np.asarray(film.convert("L")))


def test_frames_come_back_to_the_bit(shell, toy, workplace):
    line = f"aetool interpolate class:dark class:light --steps 3 -m {toy}"
    done = shell(f"{line} --frames | aetool encode - -m {toy} -q")
    again = toy_pixels(latents(done.stdout))
    assert np.array_equal(again, toy_pixels(latents(shell(f"{line} --latents").stdout)))
    assert all(json.loads(row)["source"].startswith("-") for row in done.stdout.splitlines())
    large = frames(shell(f"{line} --frames --scale 3").stdout)
    assert [frame.size for frame in large] == [(24, 24)] * 3


@pytest.mark.parametrize("words", [["-o", "x.mp4"], ["-o", "x/"], ["--json"], ["--latents"], ["--fps", "9"],
                                   ["--no-labels"], ["-o", "term"]])  # fmt: skip
def test_frames_go_to_stdout_and_to_nothing_else(cli, toy, workplace, words):
    code, out, err = cli("interpolate", "class:dark", "class:light", "--frames", "-m", toy, *words)
    assert (code, out) == (2, b"") and err.count("\n") == 1 and not list(workplace.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals")
def test_frames_do_not_fill_a_terminal(toy, workplace):
    import pty

    main, side = pty.openpty()
    words = command(["interpolate", "class:dark", "class:light", "--frames", "-m", str(toy)])
    done = subprocess.run(words, stdout=side, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
    os.close(side), os.close(main)
    assert done.returncode == 2 and b"pipe them, as in: --frames | ffmpeg" in done.stderr


def test_a_reader_that_goes_away_ends_the_frames(shell, toy, workplace):
    done = shell(f"aetool interpolate class:dark class:light --steps 3000 --frames -m {toy} | head -c 100 > /dev/null")
    assert (done.returncode, done.stderr) == (141, b"")


# the plane


def test_the_plane_is_decoded_row_by_row_from_the_upper_left(cli, flat, workplace):
    code, out, err = cli("sample", "--grid", "3x5", "--latents", "-m", flat)
    assert (code, err) == (0, "")
    points = toy_latents()[:, :2]
    mean, spread = points.mean(0), points.std(0, ddof=1)
    x, y = np.linspace(-2.5, 2.5, 5), np.linspace(2.5, -2.5, 3)
    expected = [[mean[0] + a * spread[0], mean[1] + b * spread[1]] for b in y for a in x]
    assert latents(out) == pytest.approx(np.float32(expected), abs=1e-5)
    assert [json.loads(line)["source"] for line in out.splitlines()][:6:5] == ["0001-0001", "0002-0001"]
    assert cli("sample", "--grid", "3x5", "-o", "plane.png", "--no-metadata", "-m", flat)[0] == 0
    assert picture("plane.png").size == (5 * 66 + 2, 3 * 66 + 2)
    aetool.load(flat).plane(3, 5).save("python.png")
    assert Path("python.png").read_bytes() == Path("plane.png").read_bytes()
    assert latents(cli("sample", "--grid", "1x1", "--latents", "-m", flat)[1])[0] == pytest.approx(mean, abs=1e-6)


def test_other_models_have_no_plane_and_are_told_what_has(cli, toy, workplace):
    code, out, err = cli("sample", "--grid", "20x20", "-m", toy)
    assert (code, out) == (2, b"") and err.count("\n") == 1
    assert "toy has 4" in err and "aetool train --latent-dim 2" in err and "aetool interpolate axis:1" in err


@pytest.mark.parametrize("words", [["20"], ["0x3"], ["3x"], ["axb"], ["2x2x2"], ["1001x1"], ["\u0663x3"], ["-1x3"],
                                   ["3x3", "-n", "4"], ["3x3", "--each"], ["3x3", "--class", "dark"],
                                   ["3x3", "--seed", "1"], ["3x3", "--method", "mix"], ["3x3", "--set", "m=2"],
                                   ["3x3", "--from", "."], ["3x3", "--digit", "0"]])  # fmt: skip
def test_other_grids_are_refused_in_a_line(cli, flat, workplace, words):
    code, out, err = cli("sample", "-m", flat, "--grid", *words)
    assert (code, out) == (2, b"") and "--grid" in err and err.count("\n") == 1


def test_a_grid_too_large_for_a_picture_is_refused(cli, flat, workplace):
    code, _, err = cli("sample", "--grid", "1000x1000", "-o", "x.png", "-m", flat)
    assert code == 6 and "folder/" in err
    assert run(["sample", "--grid", "40x1000", "-o", "x.npz", "-m", str(flat)]) == 0
