"""Rewrite a bundle in the newest format, from the old bundle alone.

python models/upgrade.py FOLDER...

The graphs and the identity stay byte for byte; bank.npz, bundle.json, README.md and SHA256SUMS are written anew, all or
nothing. A second run writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.generation.stored import completed
from aetool.latents.bank import write_bank


def upgrade(path: Path) -> None:
    """Rewrite the bundle in the folder `path`; raises `BundleError`, `ReadWriteError`."""
    bundle = Bundle.read(path)
    bank = completed(bundle.bank())
    files = {**bundle.files, "bank.npz": write_bank(bank), "bundle.json": bundle.manifest.to_json()}
    write(path, files, card(bundle.name, bundle.identity, bundle.manifest, len(bank.latents) > 0), replace=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        upgrade(Path(name))
        print(f"{name}: rewritten")
