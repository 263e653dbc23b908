"""Snippets: every program that `aetool info --snippet` prints is run, and its latents are those of `aetool encode`."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetool.bundle import snippets
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import write
from aetool.bundle.lookup import shipped_path
from aetool.choices import SNIPPETS
from aetool.images.spec import PREPARATIONS, ImageSpec
from aetool.latents.bank_file import write_bank
from tests.conftest import REPOSITORY
from tests.toy import picking_graphs, toy_bank, toy_image, toy_manifest

MODULES = Path(os.environ.get("AETOOL_NODE_MODULES", REPOSITORY / "tests/engines/node_modules"))
LETTERS = 'a"é\\c'
FAR = 1e-5
"""How far other engines may be, in units of the spread of the latents."""


@pytest.fixture(params=["toy", "mnist", "sign_digits", "digits"])
def model(request) -> Path:
    """A shipped model, the toy, or one that was just trained."""
    name = request.param
    return request.getfixturevalue(name) if name in ("toy", "digits") else shipped_path(name)


@pytest.fixture
def prepared(model, cli, workplace) -> tuple[list[str], list[str], list[dict]]:
    """Pictures, their files of pixels, and the records of `aetool encode`."""
    rng = np.random.default_rng(0)
    Path("in").mkdir()
    for i in range(5):
        small = Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8))
        small.resize((90, 70)).save(f"in/{i} {LETTERS[i]}.png")
    code, out, err = cli("encode", "in", "-m", model, "--pixels", "px", "-q")
    assert code == 0, err
    names = sorted(str(path) for path in Path("in").iterdir())
    for i, path in enumerate(sorted(Path("px").iterdir())):
        path.rename(f"px/{i} {LETTERS[i]}")
    pixels = sorted(str(path) for path in Path("px").iterdir())
    return names, pixels, [json.loads(line) for line in out.splitlines()]


def program(cli, model: Path, language: str, file: str) -> str:
    """Write the program for a model to `file`, and return it."""
    code, out, err = cli("info", model, "--snippet", language)
    assert code == 0, err
    Path(file).write_bytes(out)
    return out.decode()


def run(*words: str, **env: str) -> list[dict]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=os.environ | env)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(found: list[dict], names: list[str], records: list[dict], model: Path) -> None:
    """Compare the records of a program with those of encode."""
    ours, theirs = (np.float32([record["latent"] for record in each]) for each in (found, records))
    bank = Bundle.read(model).bank()
    spread = float(np.sqrt(bank.covariance(None).diagonal().mean()))
    assert ours.shape == theirs.shape and abs(ours - theirs).max() <= FAR * spread
    assert [record["source"] for record in found] == names
    assert [record["model"] for record in found] == [record["model"] for record in records]


def test_each_is_a_whole_program_that_says_first_what_it_takes(cli, model, workplace):
    for language in SNIPPETS:
        text = program(cli, model, language, "x")
        lines = text.splitlines()
        assert len(lines) < 40 and max(map(len, lines)) <= 120 + len(str(model))
        assert not re.findall(r"\|[A-Z_]+\|", text)
        if language == "python":
            assert "preparation included" in lines[0] and "aetool encode -m" in lines[0]
        else:
            shape = ", ".join(map(str, Bundle.read(model).manifest.image.shape))
            assert f"prepared pixels, raw uint8 ({shape})" in lines[0] and "--pixels FOLDER/" in lines[0]
        if language in ("python", "numpy"):
            imported = {node.names[0].name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)}
            assert "aetool" not in imported


def test_python_prints_the_same_lines(cli, model, prepared):
    names, _, records = prepared
    program(cli, model, "python", "encode.py")
    found = run(sys.executable, "encode.py", *names)
    assert [record | {"source": ""} for record in found] == [record | {"source": ""} for record in records]
    compare(found, names, records, model)


def test_numpy_computes_the_same(cli, model, prepared):
    _, pixels, records = prepared
    program(cli, model, "numpy", "encode.py")
    compare(run(sys.executable, "-I", "encode.py", *pixels), pixels, records, model)


@pytest.mark.parametrize("package", ["onnxruntime-web", "onnxruntime-node"])
def test_javascript_computes_the_same(cli, model, prepared, package):
    if not shutil.which("node"):
        pytest.skip("NODE.JS MISSING: install node to run this test")
    if not (MODULES / package).is_dir():
        pytest.skip(f"{package} MISSING: npm install --ignore-scripts {package}, and name its node_modules with "
                    "AETOOL_NODE_MODULES")  # fmt: skip
    _, pixels, records = prepared
    text = program(cli, model, "javascript", "encode.mjs")
    Path("encode.mjs").write_text(text.replace('from "onnxruntime-web"', f'from "{package}"'))
    Path("node_modules").symlink_to(MODULES)
    compare(run("node", "encode.mjs", *pixels), pixels, records, model)


def test_cpp_computes_the_same(cli, model, prepared):
    if not shutil.which("g++"):
        pytest.skip("G++ MISSING: install a compiler of C++ to run this test")
    found = importlib.util.find_spec("openvino")
    if found is None:
        pytest.skip("OPENVINO MISSING: pip install openvino to run this test")
    _, pixels, records = prepared
    wheel = Path(found.submodule_search_locations[0])
    (library,) = (wheel / "libs").glob("libopenvino.so*")
    text = program(cli, model, "cpp", "encode.cpp")
    assert "g++ -std=c++17 encode.cpp -I$O/include -L$O/libs -l:libopenvino.so.VERSION" in text
    words = ["g++", "-Wall", "-Werror=unused", "-std=c++17", "encode.cpp", f"-I{wheel}/include", f"-L{wheel}/libs"]
    subprocess.run([*words, f"-l:{library.name}"], check=True, timeout=300)
    compare(run("./a.out", *pixels, LD_LIBRARY_PATH=f"{wheel}/libs"), pixels, records, model)
    Path("short.u8").write_bytes(b"x")
    assert subprocess.run(["./a.out", "short.u8"], env=os.environ | {"LD_LIBRARY_PATH": f"{wheel}/libs"}).returncode


def test_what_a_program_prints_can_be_decoded(cli, toy, workplace):
    toy_image(0, 50, 100, 200).save("a.png")
    program(cli, toy, "python", "encode.py")
    done = subprocess.run([sys.executable, "encode.py", "a.png"], capture_output=True, timeout=60)
    Path("z.jsonl").write_bytes(done.stdout)
    code, _, err = cli("decode", "z.jsonl", "-m", toy, "-o", "b.npy")
    assert code == 0 and not err
    assert np.array_equal(np.load("b.npy")[0, 0], np.asarray(toy_image(0, 50, 100, 200)))


# Pictures of all kinds, for the preparation in the program in Python.


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(width)
    colours = rng.integers(0, 256, (7, 9, len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    return Image.fromarray(colours.squeeze(), mode=None).resize((width, height), Image.Resampling.BICUBIC)


def turned(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def kinds() -> dict[str, bytes]:
    """Return picture files of many kinds by name."""
    found: dict[str, bytes] = {}

    def add(name: str, image: Image.Image, **more) -> None:
        stream = io.BytesIO()
        image.save(stream, Image.registered_extensions()[Path(name).suffix], **more)
        found[name] = stream.getvalue()

    for number in range(1, 9):
        add(f"turned{number}.jpg", photo(91, 67), exif=turned(number), quality=95)
        add(f"large{number}.jpg", photo(1003, 777), exif=turned(number))
        add(f"turned{number}.png", photo(91, 67), exif=turned(number))
        add(f"turned{number}.webp", photo(91, 67), exif=turned(number), lossless=True)
        add(f"turned{number}.tif", photo(91, 67), exif=turned(number))
    for width, height in ((2000, 300), (300, 2000), (257, 256), (64, 64), (28, 28), (8, 8), (3, 5), (1, 1)):
        add(f"size{width}x{height}.jpg", photo(width, height))
        add(f"size{width}x{height}.png", photo(width, height))
    add("grey.jpg", photo(900, 700, "L"))
    add("cmyk.jpg", photo(900, 700).convert("CMYK"))
    add("progressive.jpg", photo(900, 700), progressive=True)
    add("clear.png", photo(90, 80, "RGBA"))
    add("clear.webp", photo(90, 80, "RGBA"), lossless=True)
    add("grey-clear.png", photo(90, 80).convert("LA"))
    add("palette.png", photo(90, 80).quantize(16))
    add("palette-clear.png", photo(90, 80).quantize(16), transparency=3)
    add("grey-key.png", photo(90, 80, "L"), transparency=80)
    add("colour-key.png", photo(90, 80).quantize(4).convert("RGB"), transparency=(1, 2, 3))
    add("bits.png", photo(90, 80).convert("1"))
    add("x.gif", photo(90, 80))
    add("moving.gif", photo(90, 80), save_all=True, append_images=[photo(91, 80).crop((0, 0, 90, 80))])
    add("x.bmp", photo(90, 80))
    add("x.ppm", photo(90, 80))
    add("fax.tif", photo(90, 80).convert("1"))
    return found


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """A function that makes a bundle of 8x8 images for a spec; its latents are four pixels of each channel."""

    def make(spec: ImageSpec) -> Path:
        path = tmp_path_factory.mktemp("colours") / "m"
        pick = np.zeros((64 * spec.channels, 4), np.float32)
        for k in range(4):
            pick[(7 + 13 * k + 64 * (k % spec.channels)) % len(pick), k] = 1
        manifest = toy_manifest()
        golden = replace(manifest.golden, images=manifest.golden.images.repeat(spec.channels, 1))
        files = picking_graphs(pick, pick.T.copy(), spec.channels) | {"bank.npz": write_bank(toy_bank())}
        write(path, files | {"bundle.json": replace(manifest, image=spec, golden=golden).to_json()}, "", replace=False)
        return path

    return make


@pytest.mark.parametrize("version", PREPARATIONS)
@pytest.mark.parametrize(("channels", "background"), [(1, 0), (3, 255), (3, 128)])
def test_python_prepares_pictures_of_all_kinds_to_the_bit(cli, colours, workplace, version, channels, background):
    model = colours(ImageSpec(channels, 8, 8, background, version))
    Path("in").mkdir()
    for name, data in kinds().items():
        Path("in", name).write_bytes(data)
    names = sorted(str(path) for path in Path("in").iterdir())
    code, out, err = cli("encode", *names, "-m", model, "--whole", "-q")
    assert code == 0, err
    program(cli, model, "python", "encode.py")
    done = subprocess.run([sys.executable, "encode.py", *names], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    for ours, theirs in zip(done.stdout.splitlines(), out.splitlines(), strict=True):
        assert ours == theirs


def deep(name: str) -> bytes:
    """Return a picture of more than 8 bits a channel."""
    values = np.random.default_rng(0).integers(0, 65536, (20, 20), np.uint16)
    if name in ("colour.png", "clear.png"):
        channels, kind = (3, 2) if name == "colour.png" else (4, 6)
        rows = b"".join(b"\0" + row.astype(">u2").repeat(channels).tobytes() for row in values)
        parts = {
            b"IHDR": struct.pack(">IIBBBBB", 20, 20, 16, kind, 0, 0, 0),
            b"IDAT": zlib.compress(rows),
            b"IEND": b"",
        }
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + part + body + struct.pack(">I", zlib.crc32(part + body))
            for part, body in parts.items()
        )
    stream = io.BytesIO()
    image = Image.fromarray(values.astype(np.float32) if name == "float.tif" else values)
    image.save(stream, Image.registered_extensions()[Path(name).suffix])
    return stream.getvalue()


@pytest.mark.parametrize("name", ["x.png", "x.tif", "float.tif", "colour.png", "clear.png"])
def test_python_refuses_numbers_of_more_than_8_bits(cli, toy, workplace, name):
    Path(name).write_bytes(deep(name))
    program(cli, toy, "python", "encode.py")
    done = subprocess.run([sys.executable, "encode.py", name], capture_output=True, text=True, timeout=60)
    assert done.returncode and not done.stdout
    assert f"{name} has not 8 bits a channel: aetool encode --pixels prepares it" in done.stderr


def test_python_takes_pixels_where_images_are_no_pictures(cli, colours, workplace):
    model = colours(ImageSpec(5, 8, 8))
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (2, 5, 8, 8), np.uint8))
    code, out, _ = cli("encode", "x.npy", "-m", model, "--pixels", "px")
    text = program(cli, model, "python", "encode.py")
    assert code == 0 and "prepared pixels, raw uint8 (5, 8, 8)" in text.splitlines()[0]
    pixels = sorted(str(path) for path in Path("px").iterdir())
    compare(run(sys.executable, "encode.py", *pixels), pixels, [json.loads(line) for line in out.splitlines()], model)


def test_numpy_knows_every_operator_by_itself_or_by_the_reference(cli, toy, prepared_toy, monkeypatch):
    """Where a graph has another operator, the program computes by the operators of aetool."""
    pixels, records = prepared_toy
    monkeypatch.setattr(snippets, "OPERATORS", {})
    text = program(cli, toy, "numpy", "encode.py")
    assert "from aetool.runtime.reference import Reference" in text and len(text.splitlines()) < 40
    compare(run(sys.executable, "encode.py", *pixels, PYTHONPATH=str(REPOSITORY)), pixels, records, toy)


@pytest.fixture
def prepared_toy(cli, toy, workplace):
    toy_image(0, 50, 100, 200).save("a.png")
    _, out, _ = cli("encode", "a.png", "-m", toy, "--pixels", "px")
    return ["px/a.png.u8"], [json.loads(line) for line in out.splitlines()]


def test_numpy_with_all_operators_stays_short(toy, monkeypatch):
    bundle, nodes = Bundle.read(toy), [{"operator": name} for name in snippets.OPERATORS]
    monkeypatch.setattr(snippets, "read_message", lambda *_: {"graph": {"nodes": nodes}})
    assert len(snippets.snippet(bundle, toy, "numpy").splitlines()) < 40


def test_names_of_models_are_written_as_each_language_wants_them(cli, toy, workplace):
    name = 'a "b" \\c ?? é'
    shutil.copytree(toy, name)
    toy_image(0, 50, 100, 200).save("a.png")
    _, out, _ = cli("encode", "a.png", "-m", name, "--pixels", "px")
    for language in ("python", "numpy"):
        program(cli, name, language, "encode.py")
        given = "a.png" if language == "python" else "px/a.png.u8"
        (found,) = run(sys.executable, "encode.py", given)
        assert found["latent"] == json.loads(out)["latent"]
    literal = re.search(r"compile_model\((.*), \"CPU\"", program(cli, name, "cpp", "x"))[1]
    assert ast.literal_eval("b" + literal) == os.fsencode(Path(name).resolve() / "encoder.onnx")
    literal = re.search(r"readFileSync\((\".*\")\)\)", program(cli, name, "javascript", "x"))[1]
    assert json.loads(literal) == str(Path(name).resolve() / "encoder.onnx")


@pytest.mark.parametrize("language", SNIPPETS)
def test_no_program_is_printed_for_a_graph_that_the_gate_refuses(cli, toy, tmp_path, language):
    bundle = Bundle.read(toy)
    files = {name: bundle.files[name] for name in ("decoder.onnx", "bank.npz", "bundle.json")}
    write(tmp_path / "evil", files | {"encoder.onnx": b"\x08\x0a\x9a\x06\x00"}, "", replace=False)
    code, out, err = cli("info", tmp_path / "evil", "--snippet", language)
    assert (code, out) == (5, b"") and "the graph with the latents is refused" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mnist --snippet sql", 'no language "sql"'),
        ("mnist --snippet pyton", 'did you mean "python"'),
        ("--snippet python", "--snippet is for a model; name one"),
        ("mnist --snippet cpp --json", "leave --json"),
        ("mnist --snippet cpp --runs", "--runs"),
        ("--snippet cpp --cache", "--cache"),
    ],
)
def test_what_is_no_snippet_is_refused_in_one_line(cli, workplace, words, said):
    code, out, err = cli("info", *words.split())
    assert (code, out) == (2, b"") and said in err and err.count("\n") == 1


@pytest.mark.parametrize("language", ["python", "numpy"])
def test_a_reader_that_has_enough_ends_the_program_quietly(language, cli, toy, workplace):
    toy_image(1, 50, 100, 200).save("a.png")
    assert cli("encode", "a.png", "-m", toy, "--pixels", "px", "-q")[0] == 0
    program(cli, toy, language, "encode.py")
    names = ["a.png" if language == "python" else str(next(Path("px").iterdir()))] * 2000  # lines for two pipes
    words = ["bash", "-c", '"$@" | head -n 1; exit ${PIPESTATUS[0]}', "bash", sys.executable, "encode.py", *names]
    done = subprocess.run(words, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (141, b"", 1)
