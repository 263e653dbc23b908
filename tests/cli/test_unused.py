"""Options that would do nothing are refused with 2 and one line, before anything is read or made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import aetool
from aetool.errors import UsageError
from aetool.training.config import TrainConfig
from aetool.training.data.settings import check_settings
from tests.toy import toy_image


@pytest.fixture
def here(workplace):
    Path("in").mkdir()
    for i in range(16):
        toy_image(i, 20, 30, 200).save(f"in/{i:02}.png")
    toy_image(1, 20, 30, 200).save("a.png")
    Path("z.jsonl").write_text("[0, 0, 0, 1]\n")
    Path("names").write_text("a.png\n")
    Path("old.json").write_text('{"ratios": {}}')
    np.savez("d.npz", images=np.random.default_rng(0).integers(0, 255, (40, 16, 16), dtype=np.uint8))
    return workplace


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # settings of picture files, where the data set is none
        ("train d.npz --size 32 --channels 3 --background 255", "sets channels, size and background itself"),
        ("train mnist --size 32", "mnist is no folder of images, and sets size itself; leave --channels, --size"),
        ("train fashion-mnist --channels 3", "sets channels itself"),
        ("train digits --background 9", "sets background itself"),
        ("train --background 0", "sets background itself"),
        ("train in --data-dir .", "in is not looked for in another folder; leave --data-dir out"),
        ("train d.npz --data-dir .", "leave --data-dir out"),
        ("train digits --data-dir .", "leave --data-dir out"),
        ("train --resume --threads 1", "keeps its settings"),
        ("export --force", "--force replaces the bundle at -o"),
        # lists and reports that are not there
        ("encode a.png -0 -m TOY", "-0 is for the names of --files-from"),
        ("score a.png --null -m TOY", "-0 is for the names of --files-from"),
        ("sample -m TOY -0", "-0 is for the names of --files-from"),
        ("sample -m TOY --errors e.jsonl", "are for the images of --from"),
        ("sample -m TOY --whole", "are for the images of --from"),
        ("sample --from in -m TOY --set pure=0.5", "pure compares classes"),
        ("reconstruct a.png -m TOY -o x.png --skip-existing", "output folder"),
        ("bench TOY --baseline old.json", "--baseline is compared by --fail-over"),
        ("bench TOY --fail-over 10%", "--baseline"),
        ("info TOY -m TOY", "both name the model"),
        ("evaluate TOY --data digits --data-dir .", "leave --data-dir out"),
        ("evaluate TOY --data in --data-dir .", "leave --data-dir out"),
        # the speed and the scale of pictures, where there are none
        ("sample -m TOY --fps 5 -o x.png", "--fps is the speed of an animation"),
        ("sample -m TOY --fps 10 -o x/", "--fps is the speed of an animation"),
        ("decode z.jsonl -m TOY --fps 5", "--fps is the speed of an animation"),
        ("combine a.png a.png -m TOY --fps 5 -o x.jpg", "--fps is the speed of an animation"),
        ("perturb a.png -m TOY --fps 5 -o x.png", "--fps is the speed of an animation"),
        ("interpolate a.png a.png -m TOY --fps 5 -o x.png", "--fps is the speed of an animation"),
        ("reconstruct a.png -m TOY --fps 5 -o x.png", "--fps is the speed of an animation"),
        ("sample -m TOY --scale 2 -o x/", "keep their size"),
        ("reconstruct a.png -m TOY --scale 1 -o x/", "keep their size"),
        ("decode z.jsonl -m TOY --scale 2 -o x/", "keep their size"),
        ("sample -m TOY --scale 2 --latents", "no picture is written, so --scale would do nothing"),
        ("combine a.png a.png -m TOY --fps 2 --latents", "no picture is written, so --fps"),
        ("perturb a.png -m TOY --no-metadata -o x.npz", "no picture is written, so --no-metadata"),
        ("interpolate a.png a.png -m TOY --json --scale 3", "no picture is written, so --scale"),
        ("interpolate a.png a.png -m TOY --json --fps 3 --no-metadata", "so --fps and --no-metadata"),
        ("reconstruct a.png -m TOY --json --scale 3", "no picture is written, so --scale"),
    ],
)
def test_an_option_that_does_nothing_is_refused(cli, toy, here, words, said):
    before = sorted(here.rglob("*"))
    code, out, err = cli(*(str(toy) if word == "TOY" else word for word in words.split()))
    assert (code, out) == (2, b"") and said in err and err.count("\n") == 1, err
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        "sample -m TOY --fps 5 --scale 2 --no-metadata -o x.gif",
        "sample -m TOY --scale 2 --no-metadata -o x.png",
        "sample -m TOY --no-metadata -o x/",
        "interpolate a.png a.png -m TOY --json --fps 5 --scale 2 -o x.webp",
        "reconstruct a.png -m TOY --json --scale 2 --no-metadata -o x.png",
        "sample --from in -m TOY --errors e.jsonl --whole -o x.png",
        "sample --files-from names -0 --from in -m TOY -o x.png",
        "sample -m TOY --set pure=0.5 --class dark -o x.png",
        "perturb a.png -m TOY --sigma 0 --seed 1 -o x.png",
        "sample -m TOY -n 1 --threads 2 --max-pixels 5 --max-frames 5 -o x.png",
    ],
)
def test_what_does_something_or_only_bounds_is_not_refused(cli, toy, here, words):
    Path("names").write_bytes(b"a.png\0")
    assert cli(*(str(toy) if word == "TOY" else word for word in words.split()))[0] == 0


def test_a_preview_in_a_terminal_has_no_scale(toy, here):
    from tests.cli.test_pipes import on_a_terminal

    code, text = on_a_terminal(["sample", "-m", str(toy), "--scale", "3"], {})
    assert code == 2 and "not this preview" in text


def test_python_refuses_settings_that_count_for_folders_alone(here):
    for setting in ({"size": (32, 32)}, {"channels": 3}, {"background": 9}, {"data_dir": "."}):
        with pytest.raises(UsageError):
            aetool.train("d.npz", TrainConfig(**setting))
    assert not Path("runs").exists()


def test_settings_count_for_folders_and_missing_data_are_named_first(cli, here):
    check_settings("in", ["size", "channels", "background"])
    check_settings("mnist", ["data_dir", "epochs"])
    code, _, err = cli("train", "gone", "--size", "32", "--data-dir", ".")
    assert code == 2 and 'no data set "gone"' in err
