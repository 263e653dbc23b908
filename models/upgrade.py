"""Rewrite a bundle in the newest format, from the old bundle and, where it is below $AETOOL_DATA, its data set.

python models/upgrade.py FOLDER...

The graphs and the identity stay byte for byte; bank.npz, bundle.json, README.md, samples.png and SHA256SUMS are written
anew, all or nothing. A second run writes the same bytes. The bank gets the map of `aetool explore`. A model of files
keeps its preparation; one of a named data set, which was trained on no files, gets the newest. By the held-out images
of its data set a bundle gets what `aetool score` measures by; without the data set it scores as before.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.bundle.scoring import Scoring
from aetool.choices import DATASETS
from aetool.generation.stored import completed
from aetool.images.spec import CURRENT
from aetool.latents.bank import Bank
from aetool.latents.bank_file import write_bank
from aetool.model.overview import overview
from aetool.runtime.codec import Codec
from aetool.training.evaluation.evaluate import find_dataset
from aetool.training.export.scoring import held_out
from aetool.training.mapping import mapped


def upgrade(path: Path) -> Scoring | None:
    """Rewrite the bundle in the folder `path`, and return its scoring; raises `BundleError`, `ReadWriteError`."""
    bundle = Bundle.read(path)
    manifest, bank = bundle.manifest, completed(bundle.bank())
    if bank.positions is None and len(bank.latents):
        bank = replace(bank, positions=mapped(bank.latents))
    if " ".join(manifest.training["command"].split()[:3]) in {f"aetool train {name}" for name in DATASETS}:
        manifest = replace(manifest, image=replace(manifest.image, preparation=CURRENT))
    manifest = replace(manifest, scoring=manifest.scoring or _scoring(bundle, bank))
    files = {**bundle.files, "bank.npz": write_bank(bank), "bundle.json": manifest.to_json()}
    samples = overview(replace(bundle, manifest=manifest, files=files))
    counts = [int(count) for count in bank.counts[:-1]]
    text = card(bundle.name, bundle.identity, manifest, len(bank.latents) > 0, counts, samples is not None)
    write(path, files, text, replace=True, samples=samples)
    return manifest.scoring


def _scoring(bundle: Bundle, bank: Bank) -> Scoring | None:
    """Return the scoring by the held-out images of the training data, None where these data are not found."""
    name = str(bundle.manifest.dataset["name"])
    folder = Path(os.environ.get("AETOOL_DATA", ""), name)
    if not os.environ.get("AETOOL_DATA") or not folder.is_dir():
        return None
    dataset, same = find_dataset(bundle, name if name in DATASETS else str(folder), None, 1, lambda *_: None)
    return held_out(Codec(bundle, "cpu"), bank, dataset.test.pixels) if same else None


if __name__ == "__main__":
    for name in sys.argv[1:]:
        found = upgrade(Path(name))
        print(f"{name}: rewritten{'' if found else '; without its training data it scores as before'}")
