"""Images flagged by `aetool score --fail-over 99`, and defects found by its maps; writes results and tables.

python benchmarks/scoring.py            (needs $AETOOL_DATA with mnist/ and sign_digits/, a folder of photos)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import documents
import numpy as np
import numpy.typing as npt
from defects import KINDS, with_defects

from aetool import Bundle, Codec
from aetool.arrays import Images, Pixels, to_images
from aetool.bundle.scoring import Scoring, scoring
from aetool.images.files import find_images, read_batches
from aetool.latents.distance import Reference, reference
from aetool.metrics import Figures, mse
from aetool.training.evaluation.evaluate import find_dataset

HERE = Path(__file__).parent
RESULTS = HERE / "results/scoring.json"
THRESHOLDS = (95, 99)
SEED = 0
HALVES = 100
"""Divisions of held-out images into two halves, of which one is scored by the other."""
DEFECTS = 1000
"""Most images with defects of a kind."""


class Scored:
    """A model, and the mse, distances and maps of images."""

    def __init__(self, name: str) -> None:
        self.bundle = Bundle.find(name)
        self.codec = Codec(self.bundle, "cpu")
        self.known: Reference = reference(self.bundle.bank())
        assert self.bundle.manifest.scoring is not None
        self.scoring: Scoring = self.bundle.manifest.scoring

    def figures(self, images: Images) -> tuple[Figures, Figures]:
        """Return mse and distances (n,) of images (n, c, h, w)."""
        return mse(images, self.codec.reconstruct(images)), self.known.distances(self.codec.encode(images))

    def test(self) -> Pixels:
        """Return the held-out images of the training data."""
        name = self.bundle.manifest.dataset["name"]
        folder = None if name == "mnist" else os.path.join(os.environ["AETOOL_DATA"], name)  # noqa: PTH118
        dataset, same = find_dataset(self.bundle, folder, None, 1, lambda *_: None)
        assert same
        return np.asarray(dataset.test.pixels[:])


def kinds(test: Pixels, model: Scored) -> Iterator[tuple[str, Images]]:
    """Yield the name and the images (n, 1, 28, 28) of each kind."""
    rng = np.random.default_rng(SEED)
    images = to_images(test)
    yield "test images", images
    yield "inverted", 1 - images
    yield "turned by a quarter", np.ascontiguousarray(np.rot90(images, axes=(2, 3)))
    yield "upside down", np.ascontiguousarray(images[:, :, ::-1])
    mixed = rng.permuted(images.reshape(len(images), -1), axis=1)
    yield "pixels in random order", mixed.reshape(images.shape)
    photos = find_images([os.path.join(os.environ["AETOOL_DATA"], "sign_digits")])  # noqa: PTH118
    yield "photos of hands", np.concatenate([b.value for b in read_batches(photos, model.codec.spec, 256)])
    yield "blank", np.zeros_like(images[:1])


def run() -> dict[str, Any]:
    """Return the scores of all kinds by the model mnist, and how both shipped models find defects."""
    models = [Scored("mnist"), Scored("sign_digits")]
    rows = []
    for kind, images in kinds(models[0].test(), models[0]):
        figures = models[0].figures(images)
        rows.append(row(kind, figures[0], models[0].scoring.percentiles(*figures)))
    return {
        "model": f"{models[0].bundle.name} {models[0].bundle.identity}",
        "thresholds": THRESHOLDS,
        "rows": rows,
        "defects": [defects(model) for model in models],
    }


def row(kind: str, found: Figures, scores: Figures) -> dict[str, Any]:
    """Return the figures of a kind: number of images, medians, and the share above each threshold."""
    above = [round(float((scores > threshold).mean()), 5) for threshold in THRESHOLDS]
    median = {"mse": float(f"{np.median(found):.4g}"), "percentile": round(float(np.median(scores)), 2)}
    return {"kind": kind, "images": len(found), "median": median, "above": above}


def defects(model: Scored) -> dict[str, Any]:
    """Return how a model finds each kind of defect, and all of them, and how many clean images it flags."""
    test = model.test()
    clean, some = model.figures(to_images(test)), test[:DEFECTS]
    rows, maps, masks, figures = [], [], [], []
    for kind in KINDS:
        made = with_defects(kind, some, SEED)
        images = to_images(made.pixels)
        heat = model.scoring.maps(images, model.codec.reconstruct(images))
        figures.append(model.figures(images))
        maps.append(heat.ravel())
        masks.append(made.masks.ravel())
        rows.append(found(model, kind, maps[-1], masks[-1], figures[-1], clean))
    together = np.concatenate([one[0] for one in figures]), np.concatenate([one[1] for one in figures])
    rows.append(found(model, "all of them", np.concatenate(maps), np.concatenate(masks), together, clean))
    name = f"{model.bundle.name} {model.bundle.identity}"
    return {"model": name, "held_out": len(test), "clean_above_99": round(halves(*clean), 5), "rows": rows}


def found(
    model: Scored, kind: str, heat: npt.NDArray[Any], mask: npt.NDArray[Any], made: tuple[Figures, Figures],
    clean: tuple[Figures, Figures],
) -> dict[str, Any]:  # fmt: skip
    """Return the figures of a kind of defect."""
    scores, usual = model.scoring.unusualness(*made), model.scoring.unusualness(*clean)
    return {
        "kind": kind,
        "images": len(made[0]),
        "pixel_auroc": round(auroc(heat[mask], heat[~mask]), 4),
        "image_auroc": round(auroc(scores, usual), 4),
        "mse_auroc": round(auroc(made[0], clean[0]), 4),
        "above_99": round(float((model.scoring.percentiles(*made) > 99).mean()), 4),
    }


def auroc(higher: npt.NDArray[Any], lower: npt.NDArray[Any]) -> float:
    """Return the share of pairs in which the first is larger, equal ones half: the area under the ROC curve."""
    values, places = np.unique(np.concatenate([higher, lower]), return_inverse=True)
    ours, theirs = (np.bincount(part, minlength=len(values)) for part in np.split(places, [len(higher)]))
    below = np.cumsum(theirs) - theirs / 2
    return float((ours * below).sum() / (len(higher) * len(lower)))


def halves(errors: Figures, distances: Figures) -> float:
    """Return the share of clean images above 99 by the scoring of other clean images: the mean of many halves."""
    rng, scale, shares = np.random.default_rng(SEED), np.ones((1, 1), np.float32), []
    for _ in range(HALVES):
        order = rng.permutation(len(errors))
        here, there = order[::2], order[1::2]
        other = scoring(errors[there], distances[there], scale, errors[there])
        shares.append((other.percentiles(errors[here], distances[here]) > 99).mean())
    return float(np.mean(shares))


def table(results: dict[str, Any]) -> str:
    """Return the tables of the results."""
    names = [f"above {threshold}" for threshold in results["thresholds"]]
    lines = [f"| images | number | median mse | median percentile | {' | '.join(names)} |"]
    lines.append("|---" * (4 + len(names)) + "|")
    for row in results["rows"]:
        median, above = row["median"], [f"{100 * share:.2f} %" for share in row["above"]]
        cells = [row["kind"], f"{row['images']:,}", f"{median['mse']:.4f}", f"{median['percentile']:.1f}", *above]
        lines.append(f"| {' | '.join(cells)} |")
    first = f"Model {results['model']}.\n\n" + "\n".join(lines) + "\n"
    return first + "".join("\n" + defect_table(one) for one in results["defects"])


def defect_table(found: dict[str, Any]) -> str:
    """Return the table of the defects of a model."""
    lines = [
        f"Model {found['model']}: of {found['held_out']:,} clean held-out images {100 * found['clean_above_99']:.2f} % "
        f"are above 99, by the other half of them.\n",
        "| defect | images | pixel AUROC | image AUROC | by the mse alone | above 99 |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        areas = [f"{row[name]:.3f}" for name in ("pixel_auroc", "image_auroc", "mse_auroc")]
        lines.append(f"| {row['kind']} | {row['images']:,} | {' | '.join(areas)} | {100 * row['above_99']:.1f} % |")
    return "\n".join(lines) + "\n"


def sentence(results: dict[str, Any]) -> str:
    """Return the sentence of README.md about the results."""
    above = {row["kind"]: f"{100 * row['above'][-1]:.1f} %" for row in results["rows"]}
    clean = 100 * results["defects"][0]["clean_above_99"]
    areas = [one["rows"][-1]["pixel_auroc"] for one in results["defects"]]
    assert above["blank"] == "100.0 %"
    return (
        f"With the model `mnist`, {above['inverted']} of inverted test digits, {above['photos of hands']} of photos of "
        f"hands and a\nblank image are above 99, and {clean:.1f} % of test digits, as it should be. Where defects were "
        f"made, a map is higher\nthan elsewhere for {100 * areas[0]:.0f} % of pairs of pixels with `mnist` and "
        f"{100 * areas[1]:.0f} % with `sign_digits`\n(`python benchmarks/scoring.py`).\n"
    )


if __name__ == "__main__":
    results = run()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    documents.replace(HERE / "README.md", "scoring", table(results))
    documents.replace(HERE.parent / "README.md", "scoring", sentence(results))
