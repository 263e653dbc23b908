"""Rewrite a bundle in the newest format, from the old bundle alone.

python models/upgrade.py FOLDER...

The graphs and the identity stay byte for byte; bank.npz, bundle.json, README.md and SHA256SUMS are written anew, all or
nothing. A second run writes the same bytes. A model of files keeps its preparation; one of a named data set, which was
trained on no files, gets the newest.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.choices import DATASETS
from aetool.generation.stored import completed
from aetool.images.spec import CURRENT
from aetool.latents.bank import write_bank


def upgrade(path: Path) -> None:
    """Rewrite the bundle in the folder `path`; raises `BundleError`, `ReadWriteError`."""
    bundle = Bundle.read(path)
    manifest, bank = bundle.manifest, completed(bundle.bank())
    if " ".join(manifest.training["command"].split()[:3]) in {f"aetool train {name}" for name in DATASETS}:
        manifest = replace(manifest, image=replace(manifest.image, preparation=CURRENT))
    files = {**bundle.files, "bank.npz": write_bank(bank), "bundle.json": manifest.to_json()}
    write(path, files, card(bundle.name, bundle.identity, manifest, len(bank.latents) > 0), replace=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        upgrade(Path(name))
        print(f"{name}: rewritten")
