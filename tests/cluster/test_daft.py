"""The engine on this machine: Daft's own runner, with the rows of `aetool encode` and `score` to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aetool.bundle.bundle import Bundle
from tests.cluster.rows import expected, found_in, make_pictures, rows_in, schema_of
from tests.conftest import command
from tests.toy import toy_image

pytest.importorskip("daft", reason="DAFT IS NOT INSTALLED: pip install 'daft>=0.7.26'")

ENGINE = ("--engine", "daft")


@pytest.fixture
def pictures(workplace, toy, monkeypatch) -> Path:
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    make_pictures(workplace / "in")
    return workplace / "in"


def test_rows_are_what_encode_gives_and_a_second_run_does_what_is_missing(pictures, aetool, toy):
    aetool("sample", "-n", "5", "--seed", "1", "-o", "in/light/sheet.png", "-q")
    plain = aetool("encode", "in", "-o", "z.npz")
    done = aetool("encode", "in", *ENGINE, "-o", "out/")
    assert (plain.returncode, done.returncode, done.stdout) == (3, 3, b"")
    rows, want = rows_in(Path("out")), expected(Path("z.npz"))
    assert found_in(rows) == want
    assert len(want) == 15 and "in/light/sheet.png[5]" in want
    assert list(schema_of(Path("out"))) == ["path", "class", "latent", "model", "error"]
    assert schema_of(Path("out"))["latent"] == "fixed_size_list<item: float>[4]"
    assert {row["model"] for row in rows} == {Bundle.read(toy).identity}
    assert [(row["path"], row["error"]) for row in rows if row["error"]] == [
        ("in/dark/broken.png", "not an image that can be read")
    ]
    said = done.stderr.decode().splitlines()
    assert "aetool: 15 done, 1 failed" in said
    of_sheets = [line for line in plain.stderr.decode().splitlines() if "sheet" in line]
    assert of_sheets and [line for line in said if "sheet" in line] == of_sheets
    assert any("4,095, a guess" in line for line in said) and any("1 .txt" in line for line in said)

    assert aetool("encode", "in", *ENGINE, "-o", "out/").returncode == 2
    assert b"the output in is an input" in aetool("encode", "in", *ENGINE, "-o", "in/").stderr
    toy_image(9, 9, 9, 9).save("in/dark/new.png")
    again = aetool("encode", "in", *ENGINE, "-o", "out/", "--skip-existing", "--errors", "e.jsonl")
    assert again.returncode == 3 and b"1 done, 1 failed" in again.stderr and b"11 are there already" in again.stderr
    assert [json.loads(line)["path"] for line in Path("e.jsonl").read_text().splitlines()] == ["in/dark/broken.png"]
    assert len(rows_in(Path("out"))) == 17 and len(found_in(rows_in(Path("out")))) == 16
    toy_image(1, 2, 3, 4).save("in/dark/broken.png")
    assert aetool("encode", "in", *ENGINE, "-o", "out/", "--skip-existing", "-q").returncode == 0
    assert len(found_in(rows_in(Path("out")))) == 17
    other = aetool("encode", "in", "-m", "mnist", *ENGINE, "-o", "out/", "--skip-existing")
    assert other.returncode == 4 and b"holds latents of the model" in other.stderr


def test_scores_are_those_of_score(pictures, aetool):
    lines = aetool("score", "in", "--json").stdout.splitlines()
    done = aetool("score", "in", *ENGINE, "-o", "out/", "-q")
    assert done.returncode == 3
    rows = {row["path"]: row for row in rows_in(Path("out"))}
    for line in map(json.loads, lines):
        row = rows[line["source"]]
        assert (row["mse"], round(row["percentile"], 4), row["distance"]) == tuple(
            line[name] for name in ("mse", "percentile", "distance")
        )
    assert len(lines) == 10 and rows["in/dark/broken.png"]["percentile"] is None


def test_parquet_gives_bytes_and_paths_and_a_pattern_gives_classes(pictures, aetool):
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["in/dark/0.png", "in/dark/broken.png", "in/light/2.png"]
    as_bytes = [Path(name).read_bytes() for name in names]
    structs = [{"bytes": data, "path": name} for data, name in zip(as_bytes, names, strict=True)]
    pq.write_table(
        pa.table({"image": structs, "data": as_bytes, "class": ["a", "b", None], "n": [1, 2, 3]}), "p.parquet"
    )
    assert aetool("encode", "in", "-o", "z.npz").returncode == 3
    want = expected(Path("z.npz"))
    assert aetool("encode", "p.parquet", "--column", "image", *ENGINE, "-o", "a/").returncode == 3
    assert found_in(rows_in(Path("a"))) == {names[0]: (want[names[0]][0], "a"), names[2]: (want[names[2]][0], None)}
    assert aetool("encode", "p.parquet", "--column", "data", *ENGINE, "-o", "b/").returncode == 3
    named = {row["path"]: row["class"] for row in rows_in(Path("b"))}
    assert list(named.values()) == ["a", "b", None] and all(len(n) == 71 and n.startswith("sha256:") for n in named)
    assert aetool("encode", "a", "--column", "path", *ENGINE, "-o", "c/").returncode == 3
    assert found_in(rows_in(Path("c"))) == found_in(rows_in(Path("a")))
    wrong = aetool("encode", "p.parquet", "--column", "n", *ENGINE, "-o", "d/")
    assert wrong.returncode == 2 and b"expected paths, URLs or bytes" in wrong.stderr
    assert aetool("encode", "in/**/[0-2].png", *ENGINE, "-o", "e/").returncode == 0
    assert found_in(rows_in(Path("e"))) == {
        name: want[name] for name in want if name[-5:] in ("0.png", "1.png", "2.png")
    }


def test_nothing_in_the_working_folder_is_run_and_nothing_said_on_stdout(pictures, monkeypatch, tmp_path):
    """Names of modules beside the pictures, libraries that print about bad ones, and signs of patterns in names."""
    for name in ("numpy.py", "daft.py", "aetool.py"):
        Path(name).write_text("open('ran', 'w')")
    from PIL import Image

    Image.effect_noise((64, 64), 50).save("whole.tif", compression="tiff_lzw")
    data = Path("whole.tif").read_bytes()
    Path("in/dark/cut.tif").write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    place = tmp_path / "t[1]*"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    line = [sys.executable, "-P", "-m", "aetool", "encode", "in", *ENGINE, "-o", "o[1]*?/"]  # -P: as the script aetool
    done = subprocess.run(line, capture_output=True)
    assert (done.returncode, done.stdout) == (3, b""), done.stderr
    assert not Path("ran").exists() and not list(place.iterdir()) and len(rows_in(Path("o[1]*?"))) == 12
    again = subprocess.run([*line, "--skip-existing"], capture_output=True)
    assert again.returncode == 3 and b"10 are there already" in again.stderr
    column = [*line[:5], "o[1]*?", "--column", "path", *ENGINE, "-o", "again/"]
    assert subprocess.run(column, capture_output=True).returncode == 3
    assert set(found_in(rows_in(Path("again")))) == set(found_in(rows_in(Path("o[1]*?"))))
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 100)))
    Path(os.environ["TMPDIR"]).mkdir()
    assert b"set TMPDIR to a folder" in subprocess.run([*line[:-1], "o/"], capture_output=True).stderr


@pytest.mark.slow
def test_half_written_parquet_and_interrupts(pictures, aetool):
    Path("out").mkdir()
    Path("out/half.parquet").write_bytes(b"PAR1" + bytes(100))
    assert aetool("encode", "in/dark", *ENGINE, "-o", "out/", "--skip-existing").returncode == 3
    assert len(list(Path("out").iterdir())) == 2
    assert b"4 are there already" in aetool("encode", "in/dark", *ENGINE, "-o", "out/", "--skip-existing").stderr
    Path("long").write_text("in/light/0.png\n" * 1_000_000)
    words = command(["encode", "--files-from", "long", *ENGINE, "-o", "other/"])
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == b"" and process.returncode == 130


@pytest.mark.slow
def test_all_hands_are_what_encode_gives_to_the_bit(workplace, aetool):
    data = Path(os.environ.get("AETOOL_DATA", "nowhere")) / "sign_digits"
    if not data.is_dir():
        pytest.skip("REAL DATA MISSING: set AETOOL_DATA to a folder with sign_digits/ to run this test")
    assert aetool("encode", str(data), "-m", "sign_digits", "-o", "z.npz").returncode == 0
    assert aetool("encode", str(data), "-m", "sign_digits", *ENGINE, "-o", "out/").returncode == 0
    found = found_in(rows_in(Path("out")))
    assert len(found) == 2062 and found == expected(Path("z.npz"))


def test_the_class_udf_gives_latents_and_errors_in_a_pipeline(pictures, toy):
    code = f"""
import os, sys, daft, numpy as np
import aetool
from aetool.cluster import encoder
model = aetool.load({str(toy)!r})
encode = encoder(model)
paths = ["in/dark/0.png", None, "in/dark/broken.png", "in/light/1.png"]
frame = daft.from_pydict({{"path": paths, "data": [p and open(p, "rb").read() for p in paths]}})
rows = frame.select(encode(daft.col("path")).alias("a"), encode(daft.col("data")).alias("b")).to_pylist()
assert [row["a"] for row in rows] == [row["b"] for row in rows]
errors = [row["a"]["error"] for row in rows]
assert errors == [None, "there is no picture in this row", "not an image that can be read", None]
assert rows[1]["a"]["latent"] is None
assert np.array_equal([rows[i]["a"]["latent"] for i in (0, 3)], model.encode([paths[0], paths[3]]))
sys.stdout.flush()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
