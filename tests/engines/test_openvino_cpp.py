"""OpenVINO from C++: openvino.cpp beside this file, compiled with headers and libraries of the wheel."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from tests.engines.engine import HERE, Arrays, Engine, Missing, call, package, program


def version() -> str:
    if sys.platform != "linux" or not shutil.which("g++"):
        raise Missing("OpenVINO from C++: needs g++ and a wheel for Linux")
    return package("openvino")()


@functools.cache
def compiled() -> str:
    """Return the path of the compiled program, which is there until this process ends."""
    spec = importlib.util.find_spec("openvino")
    wheel = Path(spec.submodule_search_locations[0])
    (library,) = (wheel / "libs").glob("libopenvino.so*")
    place = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, place)
    target = str(Path(place, "openvino"))
    words = ["-std=c++17", f"-I{wheel}/include", str(HERE / "openvino.cpp"), str(library), f"-Wl,-rpath,{wheel}/libs"]
    call(["g++", *words, "-o", target])
    return target


def run(graph: Path, batches: Arrays) -> Arrays:
    return program([compiled()], graph, batches)


ENGINE = Engine("OpenVINO", "C++, in float32", version, run)


def test_openvino_from_cpp_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
