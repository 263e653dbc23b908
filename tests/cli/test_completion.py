"""Completion in the shell: installed for the shell that is named, else for the shell of the caller."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import command

MARKS = {"bash": b"complete -o default", "zsh": b"#compdef aetool", "fish": b"complete --command aetool",
         "powershell": b"Register-ArgumentCompleter", "pwsh": b"Register-ArgumentCompleter"}  # fmt: skip
FILES = {"bash": ".bash_completions/aetool.sh", "zsh": ".zfunc/_aetool", "fish": ".config/fish/completions/aetool.fish"}


@pytest.mark.parametrize("named", MARKS)
@pytest.mark.parametrize("words", ["--show-completion {}", "--show-completion={}"])
def test_completion_is_shown_for_the_named_shell(aetool, named, words):
    done = aetool(*words.format(named).split())
    assert (done.returncode, done.stderr) == (0, b"") and MARKS[named] in done.stdout


@pytest.mark.parametrize("named", FILES)
def test_completion_is_installed_for_the_named_shell(aetool, workplace, named):
    done = aetool("--install-completion", named, env={"HOME": str(workplace)})
    assert done.returncode == 0 and done.stdout.startswith(f"{named} completion installed in".encode())
    assert MARKS[named] in Path(FILES[named]).read_bytes()
    assert not [other for other in FILES if other != named and Path(FILES[other]).exists()]


def test_without_a_name_the_shell_of_the_caller_is_taken(shell, workplace):
    program = " ".join(command(["--install-completion"]))
    done = shell(f"export HOME={workplace}; {program}; true")  # bash, as "true" keeps it from becoming the program
    assert done.returncode == 0 and Path(FILES["bash"]).exists()


@pytest.mark.parametrize("words", [["--install-completion", "tcsh"], ["--show-completion=tcsh"],
                                   ["--install-completion", "sample"]])  # fmt: skip
def test_other_shells_are_refused_in_a_line(aetool, workplace, words):
    done = aetool(*words, env={"HOME": str(workplace)})
    assert (done.returncode, done.stdout) == (2, b"") and not list(workplace.iterdir())
    assert done.stderr.startswith(b"aetool: there is no completion for") and done.stderr.count(b"\n") == 1
    assert b"zsh" in done.stderr


def test_a_shell_that_is_not_here_is_refused(aetool, workplace):
    folder = str(Path(sys.executable).parent)
    done = aetool("--install-completion", "pwsh", env={"HOME": str(workplace), "PATH": folder})
    assert done.returncode == 2 and b"pwsh is not installed here" in done.stderr
