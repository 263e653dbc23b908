"""Models on a hub: resolved to a commit, downloaded once, checked, and kept as plain files.

The hub is huggingface.co, or $HF_ENDPOINT. Only `located` uses the network, and only commands with an address in -m or
$AETOOL_MODEL call it.
"""

from __future__ import annotations

import json
import os
import urllib.error
import warnings
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from aetool.bundle.address import COMMIT, MAIN, Address, address_of, is_there, last_known, note_of
from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import CARD, FILES, MAX_BYTES, SUMS, check_sums, hashed
from aetool.bundle.gate import check_graph
from aetool.bundle.manifest import Manifest
from aetool.errors import BundleError, LastKnown, ReadWriteError, UsageError, printable
from aetool.system.atomic import write_file, write_folder
from aetool.system.downloads import Misdirected, TooLarge, if_allowed, is_allowed, is_local, open_url, receive, why
from aetool.system.progress import Report

ENDPOINT = "https://huggingface.co"
ANSWER_BYTES = 1 << 23
"""Bytes of the largest answer about a repository; it names all its files."""
CARD_BYTES = 1 << 20
"""Bytes of the largest model card that is kept."""
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a server that cannot answer now."""


class Unreachable(ReadWriteError):
    """A hub could not be reached, or gave no whole answer."""


class _Status(Exception):
    """An answer other than the file: the status, and the hub's own name of the error."""

    def __init__(self, error: urllib.error.HTTPError) -> None:
        self.code, self.error = error.code, error.headers.get("X-Error-Code") or ""


@dataclass(frozen=True)
class Hub:
    """A hub: its address, and a token that its host alone is sent."""

    endpoint: str
    token: str | None

    @property
    def host(self) -> str:
        """The host, as messages name the hub."""
        return printable(urlsplit(self.endpoint).netloc)

    def get(self, path: str, most: int, title: str, report: Report) -> bytes:
        """Return at most so many bytes of a file; raises `_Status`, `TooLarge`, `Misdirected`, `Unreachable`."""
        try:
            with open_url(f"{self.endpoint}/{path}", self.token, is_local(self.endpoint)) as response:
                return receive(response, most, title, report)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in AGAIN:
                raise Unreachable(f"{self.host} cannot answer now (status {error.code})", fix="hf-network") from None
            raise _Status(error) from None
        except (TooLarge, Misdirected):
            raise
        except (OSError, HTTPException, ValueError) as error:
            raise Unreachable(f"{self.host} cannot be reached: {printable(why(error))}", fix="hf-network") from error


def hub_of_environment() -> Hub:
    """Return the hub that $HF_ENDPOINT and $HF_TOKEN say; raises `UsageError` for values that cannot be used."""
    endpoint, token = os.environ.get("HF_ENDPOINT") or ENDPOINT, os.environ.get("HF_TOKEN", "").strip()
    try:
        parts = urlsplit(endpoint)
        plain = parts.hostname and not (parts.username or parts.password or parts.query or parts.fragment)
        usable = plain and parts.port != 0 and endpoint.isprintable() and " " not in endpoint
    except ValueError:
        usable = False
    if not usable or not is_allowed(parts.geturl(), local=True):
        raise UsageError("$HF_ENDPOINT is no https address, and no http address of this machine", fix="hf-endpoint")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError("$HF_TOKEN holds characters that no token has")
    return Hub(parts.geturl().rstrip("/"), token or None)


def located(text: str, report: Report = lambda *_: None) -> Path:
    """Return the folder of the model at the address `text`, downloaded unless its commit is in the cache.

    A branch or tag is asked for every time. Where the hub cannot be reached, the last known commit is taken, with the
    warning `LastKnown`. Raises `UsageError` for no address, `ReadWriteError`, and `BundleError` for a model that is not
    there, may not be read, or is refused.
    """
    address = address_of(text)
    if address.commit is not None and is_there(address.folder / address.commit):
        return address.folder / address.commit
    hub = hub_of_environment()
    commit = address.commit or _resolved(hub, address, report)
    if not is_there(address.folder / commit):
        _download(hub, address, commit, report)
    if address.commit is None:
        _remember(address, commit)
    return address.folder / commit


def _resolved(hub: Hub, address: Address, report: Report) -> str:
    """Return the commit of a branch or tag, the last known one where the hub cannot be reached."""
    place = f"api/models/{address.owner}/{address.name}/revision/{quote(address.revision, safe='')}"
    try:
        commit = json.loads(hub.get(place, ANSWER_BYTES, f"asking {hub.host}", lambda *_: None))["sha"]
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise ValueError
    except Unreachable as error:
        known = last_known(address)
        if known is None:
            raise
        warnings.warn(LastKnown(f"{error}; {address} is taken at the last known commit {known}"), stacklevel=4)
        return known
    except _Status as status:
        raise _refusal(status, hub, address, None) from None
    except (TooLarge, Misdirected) as error:
        raise ReadWriteError(f"{hub.host} gave no answer to use: {printable(why(error))}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReadWriteError(f"{hub.host} does not say which commit {address}@{address.revision} is") from error
    report(f"{address}: {address.revision} is commit {commit}", 0, None, "")
    return commit


def _refusal(status: _Status, hub: Hub, address: Address, file: str | None) -> Exception:
    """Return the error of an answer without the file, or without the commit where `file` is None."""
    if status.code == 401:
        wanted = "does not take the token of $HF_TOKEN for" if hub.token else "asks for a token for"
        return BundleError(f"{hub.host} {wanted} {address}: it is private, gated, or not there", fix="hf-token")
    if status.code == 403:
        return BundleError(f"{hub.host} does not let you read {address}: it is private or gated", fix="hf-access")
    if status.code == 404:
        return BundleError(_absent(status, hub, address, file), fix="hf-address" if file is None else None)
    return ReadWriteError(f"{hub.host} gave an answer of status {status.code} for {address}")


def _absent(status: _Status, hub: Hub, address: Address, file: str | None) -> str:
    revision = address.revision if address.revision != MAIN else ""
    if file is None or status.error in ("RepoNotFound", "RevisionNotFound"):
        where = f" with a revision {revision}" if revision else ""
        return f"{hub.host} has no model {address}{where}"
    return f"{address} on {hub.host} is no bundle of aetool: {file} is missing"


def _download(hub: Hub, address: Address, commit: str, report: Report) -> None:
    """Download the files of a commit into memory, check them, and write them to the cache, whole or not at all."""
    shown, done = f"{address}@{commit}", 0
    files: dict[str, bytes] = {}

    def told(title: str, received: int, _total: int | None, _text: str) -> None:
        report(title, done + received, None, f"{(done + received) / 1e6:.1f} MB")

    for name in ("bundle.json", SUMS, *(name for name in FILES if name != "bundle.json"), CARD):
        data = _file(hub, address, commit, name, told)
        if data is not None:
            files[name], done = data, done + len(data)
    kept = dict(files)
    files.pop(CARD, None)
    _check(shown, files, files.pop(SUMS))
    try:
        write_folder(address.folder / commit, kept, replace=True)  # where a part of it was left, say by hand
    except ReadWriteError as error:
        if not is_there(address.folder / commit):  # another process may have been faster
            raise ReadWriteError(str(error), fix="hf-cache") from error


def _file(hub: Hub, address: Address, commit: str, name: str, report: Report) -> bytes | None:
    """Return a file of a commit, None for a card that is missing or large."""
    place = f"{address.owner}/{address.name}/resolve/{commit}/{name}"
    most = CARD_BYTES if name == CARD else MAX_BYTES[name]
    try:
        return hub.get(place, most, f"downloading {address}", report)
    except _Status as status:
        if name == CARD and status.code == 404:
            return None
        raise _refusal(status, hub, address, name) from None
    except TooLarge as error:
        if name == CARD:
            return None
        raise BundleError(f"the bundle {address}@{commit} is refused: {name} is no file of acceptable size") from error
    except Misdirected as error:
        raise ReadWriteError(f"{hub.host} gave no {name} of {address}: {why(error)}") from error


def _check(shown: str, files: dict[str, bytes], sums: bytes) -> None:
    """Raise `BundleError` for files that a bundle would be refused for; so none of them is kept."""
    expected, identity = hashed(files)
    check_sums(Path(shown), expected, sums)
    try:
        bundle = Bundle(shown, Manifest.from_json(files["bundle.json"]), files, identity)
        image, latent = ("images", bundle.graphs.spec.shape), ("latents", (bundle.graphs.latent_size,))
        check_graph(bundle.graphs.encoder, image, latent, 1)
        check_graph(bundle.graphs.decoder, latent, image, 1)
    except BundleError as error:
        raise BundleError(f"the bundle {shown} is refused: {error}", error.fix) from error


def _remember(address: Address, commit: str) -> None:
    """Note the commit that a revision is now, if the cache can be written."""
    path = note_of(address)
    if last_known(address) != commit:
        with if_allowed(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, f"{commit} {address.revision}\n".encode())
