"""Any input ends, with one line: real bad files, bombs, headers that lie, latents of every wrong kind, odd folders."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aetool.bundle.folder import FILES, write
from aetool.errors import AetoolError
from aetool.images.files import find_images
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions, decode_folder
from tests.faults.outcome import HANG, Outcome, part_of
from tests.toy import toy_image, write_toy

CORPORA = Path(os.environ.get("AETOOL_DATA") or "missing").parent / "corpora"
Case = tuple[str, str, Callable[[Path], str | None]]
"""Kind, name, and what tries it in an empty folder beside the toy bundle and returns what went wrong."""
GIGA = 1 << 30


def program(place: Path, *words: object, wanted: tuple[int, ...]) -> tuple[str | None, str]:
    """Run aetool in a folder; returns what is wrong with how it ended, and what it put out."""
    line = [sys.executable, "-m", "aetool", *map(str, words), "-q"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "AETOOL_MODEL": str(place.parent / "toy")}
    try:
        done = subprocess.run(line, cwd=place, env=env, capture_output=True, timeout=HANG, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{words} hangs", ""
    err = done.stderr.decode()
    *warnings, last = err.splitlines() or [""]
    said = all(text.startswith("aetool: warning: ") for text in warnings) and (not last or last.startswith("aetool: "))
    if done.returncode not in wanted or not said or (done.returncode and not last):
        return f"{words[0]} ended with {done.returncode}, not {wanted}: {err[-300:]}", ""
    return None, done.stdout.decode("utf-8", "surrogateescape")


def png(width: int, height: int, rows: bytes) -> bytes:
    """Return a one-bit PNG whose packed rows are given."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """Return `count` zeros packed by zlib."""
    packer = zlib.compressobj()
    parts = [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join([*parts, packer.compress(bytes(count & (1 << 20) - 1)), packer.flush()])


def gif(frames: int) -> bytes:
    """Return an animation of so many frames of one pixel."""
    head = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
    return head + b"!\xf9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0" * frames + b";"


def npz_of_zeros(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    """Write a small .npz that holds a large array."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{name}.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
        left = int(np.prod(shape)) * np.dtype(dtype).itemsize
        while left:
            left -= stream.write(bytes(min(left, 1 << 24)))


# Corpora


def corpora() -> Iterator[Case]:
    """Yield a case for each folder of real files and each command."""
    for folder in sorted(CORPORA.iterdir()) if CORPORA.is_dir() else []:
        if folder.is_dir():
            yield "corpus", f"encode {folder.name}", lambda place, folder=folder: _accounted(place, folder, "encode")
            yield (
                "corpus",
                f"reconstruct {folder.name}",
                lambda place, folder=folder: _accounted(place, folder, "reconstruct", "-o", "out/"),
            )
            yield "corpus", f"folder reader {folder.name}", lambda place, folder=folder: _folder_reader(folder)


def _accounted(place: Path, folder: Path, *words: str) -> str | None:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    (place / "list").write_text("".join(f"{path}\n" for path in files))
    wrong, out = program(place, *words, "--files-from", "list", "--errors", "bad.jsonl", wanted=(0, 3))
    if wrong:
        return wrong
    bad = len((place / "bad.jsonl").read_text().splitlines())
    done = len(out.splitlines()) if words[0] == "encode" else sum(path.is_file() for path in (place / "out").rglob("*"))
    return None if done + bad == len(files) else f"{done} done and {bad} failed of {len(files)}"


def _folder_reader(folder: Path) -> str | None:
    files = list(find_images([str(folder)]))
    data = decode_folder(files, FolderOptions(), 1, lambda *_: None)
    ok = len(data.pixels) + len(data.skipped) == len(files) and len(data.pixels)
    return None if ok else f"{len(data.pixels)} used, {len(data.skipped)} skipped of {len(files)}"


# Bombs


def bombs() -> Iterator[Case]:
    """Yield pictures and archives that grow."""
    for side in (30_000, 13_370):
        yield "bomb", f"PNG of {side} squared", lambda place, side=side: _picture_bomb(place, side)
    yield "bomb", "GIF of 100,000 frames", _long_gif
    yield "bomb", "latents of 1 GB in 1 MB", _latents_bomb
    yield "bomb", "npz of 1 GB in 1 MB", _data_bomb
    yield "bomb", "gz of 1 GB in 1 MB", _gzip_bomb
    yield "bomb", "bank of 1 GB in 1 MB", _bank_bomb


def _picture_bomb(place: Path, side: int) -> str | None:
    (place / "bomb.png").write_bytes(png(side, side, zeros((side // 8 + 1) * side)))
    toy_image(1, 2, 3, 4).save(place / "good.png")
    wrong, _ = program(place, "encode", "bomb.png", wanted=(6,))
    return wrong or program(place, "encode", "bomb.png", "good.png", wanted=(3,))[0]


def _long_gif(place: Path) -> str | None:
    (place / "long.gif").write_bytes(gif(100_000))
    return program(place, "encode", "long.gif", wanted=(0,))[0]


def _latents_bomb(place: Path) -> str | None:
    npz_of_zeros(place / "z.npz", "latents", "<f4", (GIGA // 16, 4))
    return program(place, "decode", "z.npz", "-o", "x.png", wanted=(6,))[0]


def _data_bomb(place: Path) -> str | None:
    npz_of_zeros(place / "x.npz", "images", "|u1", (GIGA // 784, 28, 28))
    return _refused(place / "x.npz", 6)


def _gzip_bomb(place: Path) -> str | None:
    with gzip.open(place / "x-images-idx3.gz", "wb", 9) as stream:
        stream.write(struct.pack(">HBB3I", 0, 8, 3, GIGA // 784, 28, 28))
        for _ in range(GIGA >> 24):
            stream.write(bytes(1 << 24))
    return _refused(place / "x-images-idx3.gz", 6)


def _bank_bomb(place: Path) -> str | None:
    npz_of_zeros(place / "bank.npz", "latents", "<f4", (GIGA // 16, 4))
    files = {name: (place.parent / "toy" / name).read_bytes() for name in FILES}
    write(place / "evil", files | {"bank.npz": (place / "bank.npz").read_bytes()}, "", replace=False)
    return program(place, "sample", "-m", "evil", "-o", "x.png", wanted=(5,))[0]


def _refused(path: Path, code: int) -> str | None:
    try:
        load(str(path), 0)
    except AetoolError as error:
        return None if error.exit_code == code and str(error).isprintable() else f"{error.exit_code}: {error}"
    return "was loaded"


# Headers


def headers() -> Iterator[Case]:
    """Yield idx files that lie in each byte of their headers."""
    images = struct.pack(">HBB3I", 0, 8, 3, 20, 9, 11) + bytes(range(180)) * 11
    for at in range(16):
        for byte in (0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF):
            if images[at] != byte:
                lying = images[:at] + bytes([byte]) + images[at + 1 :]
                yield "idx header", f"byte {at} is {byte}", lambda place, data=lying: _idx(place, data)
    for size in (0, 1, 3, 4, 15, 16, 100, len(images) - 1, len(images) + 1):
        yield "idx header", f"{size} bytes", lambda place, data=(images * 2)[:size]: _idx(place, data)


def _idx(place: Path, data: bytes) -> str | None:
    (place / "x-images-idx3-ubyte").write_bytes(data)
    return _refused(place / "x-images-idx3-ubyte", 4)


# Latents


def latents() -> Iterator[Case]:
    """Yield latents of every wrong kind, and the odd ones that are right."""
    good = np.full((3, 4), 0.5)
    odd = good.copy()
    for value in (np.nan, np.inf, -np.inf, 1e39):
        odd = good.copy()
        odd[1, 2] = value
        yield "latents", f"{value}", lambda place, array=odd: _npy(place, array, 4)
    yield "latents", "1e38", lambda place: _npy(place, good * 2e38, 0, 5)
    yield "latents", "object", lambda place: _npy(place, np.array([[1, "a", None, {}]], object), 4)
    yield "latents", "struct", lambda place: _npy(place, np.zeros(3, "f4,i4"), 4)
    yield "latents", "text", lambda place: _npy(place, np.full((3, 4), "1"), 4)
    yield "latents", "complex", lambda place: _npy(place, good * 1j, 4)
    yield "latents", "no dimensions", lambda place: _npy(place, np.array(1.0), 4)
    yield "latents", "another size", lambda place: _npy(place, np.zeros((3, 5)), 4)
    yield "latents", "size 0", lambda place: _npy(place, np.zeros((3, 0)), 4)
    yield "latents", "empty", lambda place: _npy(place, np.zeros((0, 4)), 4)
    yield "latents", "big-endian", lambda place: _npy(place, good.astype(">f8"), 0)
    yield "latents", "Fortran", lambda place: _npy(place, np.asfortranarray(good), 0)
    yield "latents", "whole numbers", lambda place: _npy(place, np.ones((3, 4), "u1"), 0)
    for text in (b"", b"\n\n", b"{", b"[]", b"{}", b"null", b"[1,2,3]", b"[1,2,3,NaN]", b"[1,2,3,1e999]",
                 b"[" * 100_000, b'{"latent": "1234"}', b'{"latent": [1,2,3,true]}',
                 b'{"latent": [1,2,3,4], "model": 7}',
                 b'{"latent": [1,2,3,4], "model": "0123456789abcdef"}', b"[1,2,3," + b"9" * 100_000 + b"]", b"\xff\xfe",
                 b"PK", b"PK\3\4" + bytes(100), b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff", b"1 2 3 4\n"):  # fmt: skip
        yield "latents", repr(text[:30]), lambda place, text=text: _text(place, text)


def _npy(place: Path, array: np.ndarray, *codes: int) -> str | None:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return _text(place, stream.getvalue(), *codes)


def _text(place: Path, data: bytes, *codes: int) -> str | None:
    (place / "z").write_bytes(data)
    wrong, _ = program(place, "decode", "z", "-o", "x.png", wanted=codes or (4,))
    return wrong or ("left a picture" if not codes and (place / "x.png").exists() else None)


# Folders


def folders() -> Iterator[Case]:
    """Yield folders with what is no file."""
    yield "folder", "FIFO, socket, device, loops, links", _odd_folder
    yield "folder", "unreadable names in a list", _vanished


def _odd_folder(place: Path) -> str | None:
    inside = place / "in"
    (inside / "sub").mkdir(parents=True)
    toy_image(1, 2, 3, 4).save(inside / "a.png")
    os.mkfifo(inside / "b.png")
    listening = socket.socket(socket.AF_UNIX)
    os.chdir(inside)  # names of sockets are short
    listening.bind("c.png")
    os.chdir("/")
    for name, target in (("d.png", "/dev/zero"), ("e.png", "e.png"), ("f.png", "nowhere"), ("sub/up", "..")):
        (inside / name).symlink_to(target)
    (inside / "sub/g.png").mkdir()
    for words in (["encode", "in"], ["reconstruct", "in", "-o", "out/"]):
        wrong, out = program(place, *words, "--errors", "bad", wanted=(3,))
        if wrong:
            return wrong
        bad = {Path(json.loads(line)["path"]).name for line in (place / "bad").read_text().splitlines()}
        if not bad <= {"e.png", "f.png"} or (words[0] == "encode" and len(out.splitlines()) != 1):
            return f"bad are {bad}"
    names = sorted(str(path.relative_to(place)) for path in inside.iterdir())
    wrong, out = program(place, "encode", *names, "--errors", "bad", wanted=(3,))  # as a glob names them
    return wrong or (None if len(out.splitlines()) == 1 else f"put out {out!r}")


def _vanished(place: Path) -> str | None:
    toy_image(1, 2, 3, 4).save(place / "a.png")
    (place / "list").write_bytes(b"a.png\nnot-there.png\n" + b"x" * 5000 + b"\na\0b\n\xff\xfe\n/dev/zero\n")
    wrong, out = program(place, "encode", "--files-from", "list", "--errors", "bad", wanted=(3,))
    return wrong or (None if out.count("a.png") == 1 else f"put out {out!r}")


def run(share: float, seed: int) -> Outcome:
    """Try `share` of all cases."""
    outcome = Outcome()
    cases = [*corpora(), *bombs(), *headers(), *latents(), *folders()]
    with tempfile.TemporaryDirectory() as name:
        write_toy(Path(name, "toy"))
        for i, (kind, what, case) in enumerate(part_of(cases, share, random.Random(seed))):
            place = Path(name, str(i))
            place.mkdir()
            try:
                wrong = case(place)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            outcome.add(kind, wrong and f"{what}: {wrong}")
    return outcome
