"""Every command of the running world on the toy bundle, where results are known to the bit."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.toy import picture, toy_image, toy_latents

LEVELS = [(0, 51, 102, 255), (255, 204, 153, 0), (10, 20, 30, 40)]


@pytest.fixture
def pictures(workplace):
    for i, levels in enumerate(LEVELS):
        toy_image(*levels).save(workplace / f"{i}.png")
    return ["0.png", "1.png", "2.png"]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def tiles(picture: Image.Image, columns: int, rows: int, scale: int) -> list[np.ndarray]:
    """Cut a sheet of toy images into the four levels of each tile."""
    array = np.asarray(picture)
    step, middle = 8 * scale + 2, scale // 2
    assert array.shape == (rows * step + 2, columns * step + 2)
    places = [2 * scale + middle, 6 * scale + middle]
    return [
        array[2 + y * step :, 2 + x * step :][[[places[0]], [places[1]]], [places]].ravel()
        for y in range(rows)
        for x in range(columns)
    ]


def test_encode_writes_a_record_a_line(cli, toy, pictures):
    code, out, _ = cli("encode", *pictures, "-m", toy)
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["source"] for record in records] == pictures
    for record, levels in zip(records, LEVELS, strict=True):
        assert np.array_equal(np.float32(record["latent"]), np.float32(levels) / np.float32(255))
        assert re.fullmatch("[0-9a-f]{16}", record["model"]) and "class" not in record


def test_encode_of_a_folder_names_classes_and_keeps_the_order(cli, toy, workplace):
    for name in ("b/x.png", "a/y.PNG", "top.png", "a/.hidden.png", "a/notes.txt"):
        (workplace / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        toy_image(1, 2, 3, 4).save(workplace / "in" / name, "PNG")
    code, out, _ = cli("encode", "in", "-m", toy)
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(r["source"], r.get("class")) for r in records] == [
        ("in/a/y.PNG", "a"), ("in/b/x.png", "b"), ("in/top.png", None),
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "npz", "npy"])
def test_latent_files_decode_to_what_was_encoded(cli, toy, pictures, suffix):
    assert cli("encode", *pictures, "-m", toy, "-o", f"z.{suffix}")[0] == 0
    code, out, err = cli("decode", f"z.{suffix}", "-m", toy, "-o", "out/")
    assert (code, out) == (0, b"")
    assert ("do not say which model" in err) == (suffix == "npy")
    names = ["0.png", "1.png", "2.png"] if suffix != "npy" else [f"z.npy#{i:04}.png" for i in range(3)]
    for name, levels in zip(names, LEVELS, strict=True):
        assert np.array_equal(np.asarray(picture(f"out/{name}")), np.asarray(toy_image(*levels)))


def test_files_from_reads_lines_and_nul(cli, toy, pictures, workplace):
    (workplace / "odd\nname.png").write_bytes((workplace / "2.png").read_bytes())
    (workplace / "lines").write_text("1.png\n0.png")
    (workplace / "nul").write_bytes(b"odd\nname.png\0000.png\0")
    out = cli("encode", "-m", toy, "--files-from", "lines")[1]
    assert [json.loads(line)["source"] for line in out.splitlines()] == ["1.png", "0.png"]
    out = cli("encode", "-m", toy, "--files-from", "nul", "-0")[1]
    assert [json.loads(line)["source"] for line in out.splitlines()] == ["odd\nname.png", "0.png"]


def test_one_picture_is_native_and_bare_several_are_an_enlarged_sheet(cli, toy, pictures):
    code, out, _ = cli("reconstruct", "0.png", "-m", toy)
    assert code == 0 and np.array_equal(np.asarray(opened(out)), np.asarray(toy_image(*LEVELS[0])))
    assert cli("encode", *pictures, "-m", toy, "-o", "z.jsonl")[0] == 0
    sheet = opened(cli("decode", "z.jsonl", "-m", toy)[1])
    assert [list(tile) for tile in tiles(sheet, 3, 1, 8)] == [list(levels) for levels in LEVELS]
    assert opened(cli("reconstruct", "0.png", "-m", toy, "--scale", 3)[1]).size == (24, 24)


def test_reconstruct_json_is_the_report_and_pictures_need_an_output(cli, toy, pictures):
    noisy = np.asarray(toy_image(0, 0, 0, 0)).copy()
    noisy[0, 0] = 255
    Image.fromarray(noisy).save("noisy.png")
    code, out, _ = cli("reconstruct", "0.png", "noisy.png", "--json", "-m", toy, "-o", "r/")
    same, other = (json.loads(line) for line in out.splitlines())
    assert code == 0 and same == {"source": "0.png", "mse": 0.0, "psnr": None, "ssim": 1.0}
    assert other["mse"] == pytest.approx(1 / 64) and other["psnr"] == pytest.approx(18.0618, abs=1e-4)
    assert np.asarray(picture("r/noisy.png")).max() == 0
    assert len(cli("reconstruct", "0.png", "--json", "-m", toy)[1].splitlines()) == 1


def test_output_folders_keep_sub_folders_and_never_collide(cli, toy, workplace):
    for name in ("a.png", "sub/a.png", "a.bmp"):
        (workplace / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        toy_image(9, 9, 9, 9).save(workplace / "in" / name)
    assert cli("reconstruct", "in", "-m", toy, "-o", "out/")[0] == 0
    found = sorted(str(p.relative_to(workplace / "out")) for p in (workplace / "out").rglob("*.png"))
    assert found == ["a.bmp.png", "a.png", "sub/a.png"]


def test_names_from_records_never_leave_the_output_folder(cli, toy, workplace):
    record = {"source": "/etc/../../../x/evil\x1b.png", "latent": [0, 0, 0, 0]}
    (workplace / "z.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(record) + "\n")
    assert cli("decode", "z.jsonl", "-m", toy, "-o", "out/")[0] == 0
    found = [p.relative_to(workplace / "out") for p in (workplace / "out").rglob("*.png")]
    assert sorted(map(str, found)) == ["etc/x/evil_-2.png", "etc/x/evil_.png"]


def test_interpolate_starts_and_ends_on_the_reconstructions(cli, toy, pictures):
    code, out, _ = cli("interpolate", "0.png", "1.png", "--steps", 5, "-m", toy, "--no-labels")
    assert code == 0
    walk = tiles(opened(out), 5, 1, 8)
    for i, tile in enumerate(walk):
        exact = (np.float64(LEVELS[0]) * (4 - i) + np.float64(LEVELS[1]) * i) / 4
        assert np.abs(tile - exact).max() <= 0.5 + 1e-3
    assert list(walk[0]) == list(LEVELS[0]) and list(walk[-1]) == list(LEVELS[1])


def test_interpolate_takes_images_latent_files_class_means_and_stdin(shell, toy, pictures, workplace):
    np.save(workplace / "z.npy", np.array([[0, 0, 0, 1], [0, 0, 1, 1]], np.float32))
    done = shell(
        f"aetool encode 1.png -m {toy} | aetool interpolate 0.png z.npy - class:light --steps 2 --latents -m {toy}"
    )
    assert done.returncode == 0
    latents = [json.loads(line)["latent"] for line in done.stdout.splitlines()]
    assert len(latents) == 5 and latents[1:3] == [[0, 0, 0, 1], [0, 0, 1, 1]]
    assert latents[4] == pytest.approx(toy_latents()[6:].mean(0).tolist())


def test_slerp_differs_from_lerp_but_not_at_the_ends(cli, toy, pictures):
    walks = [cli("interpolate", "0.png", "1.png", "--method", m, "--latents", "-m", toy)[1] for m in ("lerp", "slerp")]
    lerp, slerp = ([json.loads(line)["latent"] for line in walk.splitlines()] for walk in walks)
    assert lerp[0] == slerp[0] and lerp[-1] == slerp[-1] and lerp[5] != slerp[5]


@pytest.mark.parametrize("suffix", ["gif", "webp", "apng"])
def test_animations_keep_every_step(cli, toy, pictures, suffix):
    assert cli("interpolate", "0.png", "0.png", "--steps", 7, "-m", toy, "-o", f"x.{suffix}", "--fps", 5)[0] == 0
    animation = picture(f"x.{suffix}")
    assert animation.n_frames == 7 and animation.size == (64, 64) and animation.info["loop"] == 0
    animation.seek(6)
    animation.load()
    assert animation.info["duration"] == 200


def test_sample_draws_from_the_class(cli, toy):
    line = ("sample", "--class", "light", "--method", "neighbours", "-n", 50, "--latents", "--seed", 1, "-m", toy)
    code, out, _ = cli(*line)
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(records) == 50 and {record["class"] for record in records} == {"light"}
    assert all(0.75 - 1e-6 <= value <= 0.75 + 5 / 32 + 1e-6 for record in records for value in record["latent"])


@pytest.mark.parametrize("method", ["local", "neighbours", "mix", "gmm", "gaussian"])
def test_the_same_seed_gives_the_same_bytes(cli, toy, method):
    line = ("sample", "--seed", 5, "--method", method, "-m", toy, "-o")
    for name in ("a.png", "b.png"):
        assert cli(*line, name, "--no-metadata")[0] == 0
    first, second = (Path(name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert cli("sample", "--seed", 6, "--method", method, "-m", toy, "-o", "c.png", "--no-metadata")[0] == 0
    assert Path("c.png").read_bytes() != first


def test_each_gives_a_row_of_every_class(cli, toy):
    code, out, _ = cli("sample", "--each", "-n", 3, "--latents", "--seed", 1, "-m", toy)
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["class"] for record in records] == ["dark"] * 3 + ["light"] * 3
    assert [record["source"] for record in records] == [f"{c}-{i:04}" for c in ("dark", "light") for i in (1, 2, 3)]
    assert cli("sample", "--each", "-n", 3, "--seed", 1, "-m", toy, "-o", "rows.png")[0] == 0
    wide, high = picture("rows.png").size
    assert wide > high  # three columns, two rows
    for more in (["--class", "dark"], ["--from", "."]):
        code, _, err = cli("sample", "--each", *more, "-m", toy)
        assert code == 2 and "leave --digit, --class and --from out" in err


def test_method_options_are_set_by_name(cli, toy):
    out = cli("sample", "--class", "dark", "--method", "mix", "--set", "m=1", "--latents", "-n", 20, "-m", toy)[1]
    drawn = np.float32([json.loads(line)["latent"] for line in out.splitlines()])
    assert all((toy_latents()[:6] == row).all(1).any() for row in drawn)
    code, _, err = cli("sample", "--set", "cuont=3", "-m", toy)
    assert code == 2 and 'did you mean "count"' in err


def test_samples_in_a_folder_are_named_by_class_and_number(cli, toy, workplace):
    assert cli("sample", "--class", "dark", "-n", 10, "-m", toy, "-o", "new/")[0] == 0
    assert sorted(p.name for p in (workplace / "new").iterdir()) == [f"dark-{i:04}.png" for i in range(1, 11)]
    assert picture("new/dark-0001.png").size == (8, 8)


def test_a_fresh_seed_is_told_and_kept_so_that_the_command_can_be_repeated(cli, toy):
    _, _, err = cli("sample", "-m", toy, "-o", "a.png")
    seed = re.search(r"seed (\d+)", err)[1]
    said = json.loads(cli("explain", "a.png", "--json")[1])
    assert said["seed"] == int(seed) and said["command"].endswith(f"--seed {seed}")
    assert cli("sample", "--seed", seed, "-m", toy, "-o", "b.png")[0] == 0
    assert np.array_equal(np.asarray(picture("a.png")), np.asarray(picture("b.png")))


def test_pictures_say_how_they_were_made_with_base_names_only(aetool, toy, workplace):
    (workplace / "deep").mkdir()
    toy_image(1, 2, 3, 4).save("deep/a.png")
    for suffix in ("png", "jpg", "gif", "webp", "apng"):
        done = aetool(
            "reconstruct", str(workplace / "deep/a.png"), "-m", str(toy), "-o", f"{workplace}/deep/x.{suffix}"
        )
        assert done.returncode == 0
        said = json.loads(aetool("explain", f"deep/x.{suffix}", "--json").stdout)
        assert said["command"] == f"aetool reconstruct a.png -m toy -o x.{suffix}"
        assert said["model"].startswith("toy ") and "seed" not in said
        assert str(workplace).encode() not in (workplace / f"deep/x.{suffix}").read_bytes()
    aetool("reconstruct", "deep/a.png", "-m", str(toy), "-o", "bare.png", "--no-metadata")
    assert aetool("explain", "bare.png").returncode == 4


def test_info_shows_the_manifest_and_works_the_layers_out(cli, toy):
    code, out, _ = cli("info", toy)
    assert code == 0 and b"1 x 8 x 8" in out and b"(4-1)*2 + 4 - 2*1 = 8" in out and b"dark, light" in out
    manifest = json.loads(cli("info", "-m", toy, "--json")[1])
    assert manifest["latent_size"] == 4 and manifest["format"] == "aetool bundle" and len(manifest["identity"]) == 16


def test_info_without_a_model_lists_those_found(cli, toy, workplace):
    (workplace / "models").mkdir()
    (workplace / "models/mine").symlink_to(toy)
    rows = cli("info")[1].decode().splitlines()
    assert rows[0].split()[0] == "model" and any(row.startswith("mine ") for row in rows)
    listed = {row["name"] for row in json.loads(cli("info", "--json")[1])}
    assert "mine" in listed


def test_verify_proves_the_golden_values(cli, toy):
    code, out, _ = cli("verify", toy)
    assert code == 0 and out.count(b" ok ") == 4
    proof = json.loads(cli("verify", toy, "--json")[1])
    assert proof["found"] == {"latents": 0.0, "images": 0.0} and proof["device"] == "cpu"


def test_devices_tells_what_there_is_and_why_not(cli):
    code, out, _ = cli("devices", "--json")
    rows = {row["device"]: row for row in json.loads(out)["devices"]}
    assert code == 0 and rows["cpu"]["available"]
    assert rows["cuda"]["available"] or (rows["cuda"]["reason"] and rows["cuda"]["fix"])
    assert b"cpu" in cli("devices")[1]


def test_a_picture_on_stdin_is_an_input(shell, toy, pictures):
    done = shell(f"aetool encode - -m {toy} < 0.png")
    record = json.loads(done.stdout)
    assert done.returncode == 0 and record["source"] == "-"
    assert np.array_equal(np.float32(record["latent"]), np.float32(LEVELS[0]) / np.float32(255))


def test_an_output_may_lie_in_the_input_folder_where_it_is_no_picture_of_it(cli, toy, pictures, workplace):
    assert cli("encode", ".", "-m", toy, "-o", "z.npz")[0] == 0
    assert cli("encode", ".", "-m", toy, "-o", "z.npz")[0] == 0
    assert cli("reconstruct", ".", "-m", toy, "-o", "new.png")[0] == 0
    code, _, err = cli("reconstruct", ".", "-m", toy, "-o", "new.png")
    assert code == 2 and "is an input" in err


def test_arrays_and_lines_hold_the_same_samples(cli, toy, workplace):
    words = ["sample", "-m", toy, "-n", "100", "--seed", "4", "-q", "-o"]
    assert cli(*words, "whole.jsonl")[0] == 0
    assert cli(*words, "whole.npz")[0] == 0
    records = [json.loads(line) for line in Path("whole.jsonl").read_text().splitlines()]
    assert [record["source"] for record in records] == [f"new-{i:04}" for i in range(1, 101)]
    latents = np.array([record["latent"] for record in records], np.float32)
    assert np.array_equal(np.load("whole.npz")["latents"], latents)


@pytest.mark.parametrize("command", ["encode", "score", "explore"])
def test_a_model_among_pictures_is_told_unless_a_file_is_called_so(workplace, cli, toy, command):
    words = (command, "mnist", "-m", toy, *(["-o", "x.html"] if command == "explore" else []))
    code, _, err = cli(*words)
    assert code == 2 and err.endswith(
        "mnist is a model, and pictures are expected here; put -m before the name of the model\n"
    )
    Path("mnist").mkdir()
    assert "is a model" not in cli(*words)[2]
