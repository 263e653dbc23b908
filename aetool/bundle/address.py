"""Addresses of models on a hub, `hf:OWNER/NAME@REVISION`, and where their files lie in the cache.

The files of a commit lie in hub/OWNER/NAME/COMMIT/ of the cache, as plain files. Beside the folders of commits lies, in
revisions/, the last known commit of each branch and tag, for times without a network. Nothing here uses a network.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from aetool.errors import BundleError, UsageError, printable
from aetool.system.paths import cache_folder, fitting
from aetool.system.reading import read_own

PREFIX = "hf:"
MAIN = "main"
"""The branch that an address without a revision means."""
PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
"""Owner and name, by the rules of the hub; neither holds "--" or ".." nor ends in ".git"."""
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A commit of git, by its SHA-1 or SHA-256."""
LONGEST = 200
"""Bytes of the longest revision."""
SHOWN = 100
"""Characters of an address that a message shows at most."""


@dataclass(frozen=True)
class Address:
    """A model on a hub. The revision is a branch, a tag, a reference such as refs/pr/1, or a commit."""

    owner: str
    name: str
    revision: str = MAIN

    def __str__(self) -> str:
        """Return the address without its revision."""
        return f"{PREFIX}{self.owner}/{self.name}"

    @property
    def commit(self) -> str | None:
        """The commit that the revision is, None where it is another name."""
        revision = self.revision.lower()
        return revision if COMMIT.fullmatch(revision) else None

    @property
    def folder(self) -> Path:
        """The folder of the model in the cache, with a folder for each commit."""
        return hub_folder() / self.owner / self.name


def is_address(name: str) -> bool:
    """Return whether the name of a model is meant as an address on a hub."""
    return name.startswith(PREFIX)


def address_of(text: str) -> Address:
    """Return the address that a text is; raises `UsageError` for a text that is none."""
    repository, at, revision = text.removeprefix(PREFIX).partition("@")
    owner, _, name = repository.partition("/")
    if not (_is_part(owner) and _is_part(name)):
        raise UsageError(f'"{_shown(text)}" is no model on a hub', fix="hf-address")
    if at and not _is_revision(revision):
        raise UsageError(f'"{_shown(revision)}" is no branch, tag or commit', fix="hf-address")
    return Address(owner, name, revision if at else MAIN)


def _is_part(text: str) -> bool:
    return bool(PART.fullmatch(text)) and not (".." in text or "--" in text or text.endswith(".git"))


def _is_revision(text: str) -> bool:
    """Return whether git allows such a name; a percent sign is refused too, since servers may read it as a code."""
    if not text.isprintable() or len(text.encode()) > LONGEST or text.startswith("-") or text.endswith("."):
        return False
    forbidden = any(part in text for part in (*" ~^:?*[\\%", "..", "@{"))
    parts = text.split("/")
    return not forbidden and not any(not p or p.startswith(".") or p.endswith(".lock") for p in parts)


def _shown(text: str) -> str:
    return printable(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def hub_folder() -> Path:
    """Return the folder of the cache with the models of hubs."""
    return cache_folder() / "hub"


def kept(text: str) -> Path:
    """Return the folder of the model at the address `text` in the cache, of its last known commit.

    Raises `UsageError` for no address, `BundleError` for what is not in the cache.
    """
    address = address_of(text)
    commit = address.commit or last_known(address)
    if commit is None or not is_there(address.folder / commit):
        raise BundleError(f"{_shown(text)} is not in the cache, and the network is not to be used", fix="hf-offline")
    return address.folder / commit


def is_there(path: Path) -> bool:
    """Return whether a folder holds a bundle; folders of the cache are whole or not there."""
    return os.path.isfile(path / "bundle.json")  # noqa: PTH113 (which raises where it may not look)


def note_of(address: Address) -> Path:
    """Return the file with the last known commit of a revision, and the revision."""
    from urllib.parse import quote

    return address.folder / "revisions" / fitting(quote(address.revision, safe=""))


def last_known(address: Address) -> str | None:
    """Return the commit that a revision was last, None where it is not known or its files are gone."""
    try:
        commit, revision = (read_own(note_of(address), 1 << 10) or b"").decode().split()
    except (OSError, ValueError):
        return None
    # The name of the file may be shared: not every file system tells Main from main.
    known = revision == address.revision and COMMIT.fullmatch(commit) and is_there(address.folder / commit)
    return commit if known else None


def cached() -> list[Path]:
    """Return the folders of all models in the cache; nothing is asked for over a network."""
    try:
        return sorted(
            path.parent for path in hub_folder().glob("*/*/*/bundle.json") if COMMIT.fullmatch(path.parts[-2])
        )
    except OSError:
        return []


def called(path: Path) -> str:
    """Return what the bundle in the folder `path` is called: its address in the cache of hubs, else as its folder."""
    if COMMIT.fullmatch(path.name) and path.parents[2:3] and path.parents[2] == hub_folder():
        return f"{PREFIX}{path.parent.parent.name}/{path.parent.name}"
    return path.name if path.name not in ("", "..") else path.resolve().name
