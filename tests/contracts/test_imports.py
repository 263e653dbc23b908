"""The walls of the house: imports run one way, the running world stays small, nothing heavy is imported for help."""

from __future__ import annotations

import ast
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path

import pytest

from aetool.cli.app import COMMANDS
from tests.conftest import REPOSITORY, command

PACKAGE = REPOSITORY / "aetool"
MODULES = sorted(PACKAGE.rglob("*.py"))

RULE = (
    "cli > bench > training > cluster > explore > model > runtime > bundle > generation > latents > images > metrics"
    " > system > arrays > errors, choices"
)
"""A folder imports only from those to its right."""

RANK = {room: -rank for rank, rooms in enumerate(RULE.split(" > ")) for room in rooms.split(", ")}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return every imported module of a file, and whether the import stands at module level and is executed."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                if child.module == "aetool":
                    found.extend((f"aetool.{alias.name}", top) for alias in child.names)
                else:
                    found.append((child.module or "", top))
            visit(child, top and not isinstance(child, ast.FunctionDef | ast.ClassDef))

    visit(ast.parse(path.read_text()), True)
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path):
    own = room(name_of(path))
    for module, _ in imports(path):
        target = room(module)
        if module.startswith("aetool.") and target in RANK and own in RANK and target != own:
            assert RANK[target] < RANK[own], f"{name_of(path)} imports {module}"


def test_every_module_has_its_place():
    rooms = {room(name_of(path)) for path in MODULES} - {"", "__main__"}
    assert rooms <= set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_stay_in_their_rooms(path):
    own = name_of(path)
    heavy = {"torch": ("aetool.training",), "onnx": ("aetool.training",),
             "sklearn": ("aetool.training",), "safetensors": ("aetool.training",),
             "onnxruntime": ("aetool.runtime",), "typer": ("aetool.cli",),
             "daft": ("aetool.cluster",), "ray": ("aetool.cluster",), "pyarrow": ("aetool.cluster",),
             "rich": ("aetool.cli",)}  # fmt: skip
    for module, _ in imports(path):
        homes = heavy.get(module.split(".")[0])
        assert homes is None or own.startswith(homes), f"{own} imports {module}"
    assert own not in ("aetool.training.config", "aetool.training.architectures.options") or not any(
        m.startswith("torch") for m, _ in imports(path)
    )


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").rglob("*.py")), ids=name_of)
def test_nothing_heavy_at_module_level_of_the_command_line(path):
    system = tuple(f"aetool.system.{name}" for name in ("limits", "quiet", "special"))  # of the standard library alone
    light = ("aetool.cli", "aetool.choices", "aetool.errors", *system, "typer", "aetool.__version__")
    for module, top in imports(path):
        known = module.startswith(light) or module.split(".")[0] in sys.stdlib_module_names
        assert not top or known, f"{path.name} imports {module} at module level"


def test_only_the_command_line_prints():
    for path in MODULES:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not any(getattr(call.func, "id", "") == "print" for call in calls), path


def test_files_and_functions_stay_short():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert len(path.read_text().splitlines()) <= 300, path
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= 40, f"{path}:{node.lineno} {node.name} has {lines} lines"
                taken = len(node.args.args) + len(node.args.kwonlyargs)
                assert taken <= 13, f"{path}:{node.lineno} {node.name} takes {taken} parameters"


def test_commands_stay_skins():
    """The body of a command function has fewer than 15 statements, blocks counted, imports and docstring not."""
    for name in COMMANDS:
        own = f"{name}_" if iskeyword(name) else name
        tree = ast.parse((PACKAGE / f"cli/commands/{own}.py").read_text())
        (command,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == own)
        statements = [node for node in ast.walk(command) if isinstance(node, ast.stmt)]
        imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in statements)
        assert len(statements) - imports - 2 < 15, name  # less the function itself and its docstring


def modules_after(*words: str, cwd: Path) -> set[str]:
    """Return the names in sys.modules after a command line has run in a process of its own."""
    code = (
        "import sys\nfrom aetool.cli.app import run\nassert run(sys.argv[1:]) == 0\n"
        "sys.stderr.write('\\n'.join(['@@', *sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, timeout=60, text=True,
                          encoding="utf-8", errors="replace")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stderr.partition("@@")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["sample", "--help"], ["train", "--help"],
                                   ["search", "--help"]])  # fmt: skip
def test_help_is_light(words, workplace):
    loaded = modules_after(*words, cwd=workplace)
    assert not loaded & {"numpy", "PIL", "onnxruntime", "torch", "sklearn"}
    assert "typer" in loaded


def test_completion_is_light(workplace, aetool):
    done = aetool(env={"_AETOOL_COMPLETE": "complete_bash", "COMP_WORDS": "aetool sam", "COMP_CWORD": "1",
                       "PYTHONPROFILEIMPORTTIME": "1"})  # fmt: skip
    assert b"sample" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}
    assert "typer" in loaded and not loaded & {"numpy", "PIL", "onnxruntime", "torch"}


def test_the_running_world_never_imports_torch(toy, workplace, monkeypatch):
    from tests.toy import toy_image

    toy_image(0, 50, 100, 200).save("a.png")
    toy_image(255, 0, 9, 20).save("b.png")
    lines = (["encode", "a.png", "-o", "z.jsonl"], ["decode", "z.jsonl", "-o", "x.png"], ["sample", "-o", "s.png"],
             ["interpolate", "a.png", "b.png", "--method", "graph", "--even", "-o", "i.gif"], ["search", "a.png"],
             ["combine", "a.png", "b.png", "-o", "c.png"], ["perturb", "a.png", "-o", "p.png"], ["score", "a.png"],
             ["reconstruct", "a.png", "-o", "r.png"], ["verify"],
             ["info"], ["devices"], ["explain", "s.png"])  # fmt: skip
    monkeypatch.setenv("AETOOL_MODEL", str(toy))
    for words in lines:
        loaded = modules_after(*words, cwd=workplace)
        assert not loaded & {"torch", "onnx", "sklearn", "scipy", "safetensors", "rich"}, words
        assert "aetool.training" not in loaded


def test_the_package_imports_lazily():
    code = (
        "import sys, aetool; assert 'numpy' not in sys.modules; aetool.Bundle; assert 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_python_dash_m_is_the_program():
    done = subprocess.run(command(["--version"]), capture_output=True, timeout=60)
    from aetool import __version__

    assert done.stdout == f"aetool {__version__}\n".encode()
