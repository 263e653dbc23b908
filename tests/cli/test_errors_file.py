"""--errors never replaces an input, a list or the output; all tiles of sheets and all usable inputs are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toy import toy_image


@pytest.fixture
def pictures(workplace):
    Path("in").mkdir()
    for i in range(4):
        toy_image(i, 2, 3, 4).save(f"in/{i}.png")
    Path("list").write_text("in/0.png\nin/1.png\n")
    Path("bad.png").write_text("bad")
    return workplace


@pytest.mark.parametrize(
    ("words", "errors"),
    [
        (["encode", "in"], "in/1.png"),
        (["score", "in/0.png"], "in/0.png"),
        (["encode", "--files-from", "list"], "list"),
        (["encode", "--files-from", "list"], "in/1.png"),
        (["encode", "in", "bad.png", "-o", "z.jsonl"], "z.jsonl"),
        (["reconstruct", "in", "-o", "out/"], "in/3.png"),
        (["sample", "--from", "in"], "in/2.png"),
        (["encode", "in"], "-"),
    ],
)
def test_errors_into_an_input_are_refused(pictures, cli, toy, words, errors):
    before = Path(errors).read_bytes() if Path(errors).exists() else None
    code, _, err = cli(*words, "-m", toy, "--errors", errors)
    assert code == 2 and "--errors" in err.splitlines()[-1]
    assert (Path(errors).read_bytes() if Path(errors).exists() else None) == before


def test_errors_beside_pictures_can_be_written_again(pictures, cli, toy):
    for _ in range(2):
        assert cli("encode", "in", "bad.png", "-m", toy, "--errors", "in/errors.jsonl")[0] == 3
        assert Path("in/errors.jsonl").read_text().count("\n") == 1


def test_training_pictures_are_not_replaced_by_errors(pictures, cli):
    for i in range(4, 20):
        toy_image(i, 2, 3, 4).save(f"in/{i}.png")
    assert cli("train", "in", "--epochs", 1, "--errors", "in/5.png")[0] == 2 and Path("in/5.png").stat().st_size


def test_damaged_latents_stop_no_other_variation(pictures, cli, toy):
    Path("b.npz").write_bytes(b"PK\3\4junk")
    Path("b.jsonl").write_text('{"source": "a"}\n')
    for name in ("b.npz", "b.jsonl"):
        code, _, err = cli("perturb", "in/0.png", name, "in/1.png", "-n", 2, "-m", toy, "-o", "out/")
        assert code == 3 and name in err and len(list(Path("out").glob("*.png"))) == 4
        assert cli("combine", "in/0.png", name, "-m", toy, "-o", "x.png")[0] == 4


def test_a_folder_of_a_model_is_no_place_for_pictures(pictures, cli, toy):
    code, _, err = cli("decode", "-m", toy, "-o", toy)
    assert code == 2 and "folder of a model" in err


def test_behind_a_damaged_picture_on_stdin_the_next_is_read(pictures, shell, toy):
    whole = Path("in/0.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    done = shell(f"cat in/1.png cut.png in/2.png | aetool encode -m {toy} -")
    assert done.returncode == 3 and done.stdout.count(b"\n") == 2
