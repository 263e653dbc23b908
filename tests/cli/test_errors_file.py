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
    Path("list").write_text("".join(f"in/{i}.png\n" for i in range(20)))
    for words in (["in"], ["--files-from", "list"]):
        assert cli("train", *words, "--epochs", 1, "--errors", "in/5.png")[0] == 2
        assert Path("in/5.png").stat().st_size and not Path("runs").exists()


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


@pytest.mark.parametrize("threads", [1, 2])
def test_all_tiles_of_a_sheet_are_taken_whenever_workers_begin(pictures, cli, toy, threads, monkeypatch):
    from aetool.runtime import parallel

    monkeypatch.setattr(parallel, "PATIENCE", -1.0)  # at once
    Path("sheets").mkdir()
    for name in ("a", "b"):
        assert cli("sample", "-m", toy, "-n", 300, "--scale", 1, "--seed", 1, "-o", f"sheets/{name}.png")[0] == 0
    code, out, _ = cli("encode", "sheets", "-m", toy, "--threads", threads)
    assert code == 0 and out.count(b"\n") == 600


def test_a_tile_takes_no_name_of_a_picture_that_is_there(pictures, cli, toy):
    Path("s").mkdir()
    toy_image(9, 9, 9, 9).save("s/s-0001.png")
    assert cli("sample", "-m", toy, "-n", 3, "--seed", 1, "-o", "s/s.png")[0] == 0
    assert cli("reconstruct", "s", "-m", toy, "-o", "out/")[0] == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert len(before) == 4
    assert cli("reconstruct", "s", "-m", toy, "-o", "out/", "--skip-existing")[0] == 0
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_a_list_of_windows_may_begin_with_any_letters(pictures, cli, toy):
    Path("фото").mkdir()
    for i in range(2):
        toy_image(i, 2, 3, 4).save(f"фото/{i}.png")
    Path("list").write_bytes("фото/0.png\r\nфото/1.png\r\n".encode("utf-16"))
    assert cli("encode", "--files-from", "list", "-m", toy)[1].count(b"\n") == 2
    Path("list").write_bytes(b"\xef\xbb\xbfin/0.png\0in/1.png\0")
    assert cli("encode", "--files-from", "list", "-0", "-m", toy)[1].count(b"\n") == 2
