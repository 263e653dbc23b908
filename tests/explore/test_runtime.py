"""Where the runtime comes from: a place that is named, the cache, or npm; pinned in each."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from aetool.explore import runtime
from aetool.system.paths import cache_folder
from tests.explore.conftest import SMALL

PACKAGE = f"{runtime.PACKAGE}-{runtime.VERSION}.tgz"


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    """Write a package as `npm pack` does, and return its path."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def npm(tmp_path, small, monkeypatch):
    """Put a program `npm` first in the path that runs lines of the shell; `asked` counts its runs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "npm").touch()
    (folder / "npm").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(lines: str) -> None:
        (folder / "npm").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{lines}\n')

    write.asked = lambda: len((folder / "asked").read_text().splitlines()) if (folder / "asked").exists() else 0
    write.words = folder / "asked"
    return write


@pytest.fixture
def page(cli, toy):
    def run(*words: object) -> tuple[int, str]:
        code, _, err = cli("explore", "-m", toy, "-o", "page.html", *words)
        assert (code == 0) == Path("page.html").exists()
        return code, err

    return run


def test_npm_fetches_it_once_into_a_folder_that_goes(npm, page, tmp_path, workplace):
    source = packed(tmp_path / PACKAGE, SMALL)
    npm(f"pwd >> {tmp_path}/places; cp {source} .")
    assert page()[0] == 0 and page()[0] == 0
    assert npm.asked() == 1 and npm.words.read_text().startswith(f"pack {runtime.PACKAGE}@{runtime.VERSION} ")
    assert not Path((tmp_path / "places").read_text().strip()).exists()
    assert sorted(path.name for path in workplace.glob("*.*")) == [PACKAGE, "page.html"]


def test_a_damaged_cache_is_fetched_again(npm, page, tmp_path):
    source = packed(tmp_path / PACKAGE, SMALL)
    npm(f"cp {source} .")
    page()
    kept = cache_folder() / f"{runtime.PACKAGE}-{runtime.VERSION}" / f"{runtime.WASM.name}.gz"
    kept.write_bytes(kept.read_bytes()[:-5])
    assert page()[0] == 0 and npm.asked() == 2


def test_a_cache_that_cannot_be_written_is_left_out(npm, page, tmp_path, monkeypatch):
    source = packed(tmp_path / PACKAGE, SMALL)
    npm(f"cp {source} .")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert page()[0] == 0 and page()[0] == 0 and npm.asked() == 2


def test_without_npm_a_line_says_what_to_type(page, small, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, err = page()
    assert code == 7 and len(err.splitlines()) == 1 and "install npm" in err and "--runtime" in err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("echo 'npm error code ENOTFOUND' >&2; echo 'npm error network no route' >&2; exit 1", "network no route"),
        ("exit 3", "ended with 3"),
        ("exit 0", "ended with 0"),
        ("printf '\\033[31mred' >&2; exit 1", "\\x1b[31mred"),
    ],
)
def test_a_failure_of_npm_is_told_in_a_line(lines, said, npm, page):
    npm(lines)
    code, err = page()
    assert code == 7 and err.count("\n") == 2 and said in err and "--runtime" in err, err


def test_another_package_of_that_name_is_refused(npm, page, tmp_path):
    name = runtime.SCRIPT.name
    source = packed(tmp_path / PACKAGE, SMALL | {name: SMALL[name].replace(b"1", b"2")})
    npm(f"cp {source} .")
    code, err = page()
    assert code == 4 and f"is not the published {name}" in err


@pytest.mark.parametrize("inner", ["", "onnxruntime-web", "onnxruntime-web/dist", ".."])
def test_a_folder_with_the_package_is_taken(inner, page, small, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert page("--runtime", small / inner)[0] == 0


def test_a_package_is_taken_and_nothing_of_it_kept(page, small, tmp_path):
    source = packed(tmp_path / "any.tgz", SMALL)
    shutil.rmtree(small)
    assert page("--runtime", source)[0] == 0 and not list(cache_folder().glob(f"{runtime.PACKAGE}*"))


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda place: place / "gone", 7, "could not read"),
        (lambda place: place, 4, "holds no onnxruntime-web"),
        (lambda place: Path(__file__), 4, "is no package of npm"),
        (lambda place: packed(place / "a.tgz", {}), 4, "holds no"),
        (lambda place: packed(place / "b.tgz", dict.fromkeys(SMALL, b"other")), 4, "is not the published"),
        (lambda place: packed(place / "c.tgz", {n: c + b"more" for n, c in SMALL.items()}), 4, "is not the published"),
    ],
)
def test_another_place_is_refused_with_a_line(make, code, said, page, small, tmp_path):
    place = tmp_path / "other"
    place.mkdir()
    found, err = page("--runtime", make(place))
    assert found == code and said in err and err.count("\n") == 1
    assert code == 7 or "npm pack onnxruntime-web@" in err


def test_the_exports_of_the_module_become_a_global():
    text = "var x=import.meta.url,y=location.origin;export{x as A,y as B};\n//# sourceMappingURL=m\n"
    assert runtime._with_global(text) == 'var x=location.href,y="file://";globalThis.ort={A:x,B:y};'


def test_no_address_of_a_registry_is_in_the_code():
    for path in Path(runtime.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".js", ".html", ".css"):
            assert not re.search(r"https?://(?!www\.w3\.org/)|registry\.|npmjs", path.read_text()), path
