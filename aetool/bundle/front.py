"""The front matter of a model card, in YAML, which hubs read: library, licence, data and results."""

from __future__ import annotations

import json
import math

from aetool.bundle.manifest import Manifest
from aetool.errors import printable

DATASETS = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
"""Names on huggingface.co of data sets with a name here. Folders have none there: the name may be that of another."""


def front_matter(name: str, manifest: Manifest) -> str:
    """Return the front matter, with the lines that enclose it."""
    data = _data(manifest)
    lines = ["---", "library_name: aetool"]
    if manifest.about is not None and manifest.about.license is not None:
        lines.append(f"license: {manifest.about.license.lower()}")
    lines += ["tags:", "- autoencoder", "- image-reconstruction", "- image-generation", "- onnx"]
    lines += ["datasets:", f"- {data}"] if data else ["datasets: []"]
    return "\n".join([*lines, *_results(name, data, manifest), "---"]) + "\n"


def _data(manifest: Manifest) -> str | None:
    """Return the name on the hub of the data set that the model was made with, None where it has none."""
    name = str(manifest.dataset["name"])
    words = str(manifest.training["command"]).split()  # in which a folder of the same name is written as ./mnist
    named = words[1:3] == ["train", name] or (manifest.imported and f" --data {name} " in f"{' '.join(words)} ")
    return DATASETS.get(name) if named else None


def _results(name: str, data: str | None, manifest: Manifest) -> list[str]:
    """Return the results on test images, beside those of PCA; none where nothing was measured."""
    d = manifest.distortion
    figures = [
        ("mse", "Test mse, per value in [0, 1]", d["test"]),
        ("mse", f"Test mse of PCA with {manifest.latent_size} components", d["pca"]),
        ("psnr", "Test PSNR, in dB", d["psnr"]),
        ("ssim", "Test SSIM", d["ssim"]),
    ]
    known = [(kind, title, value) for kind, title, value in figures if value is not None and math.isfinite(value)]
    if not known:
        return []
    lines = [
        "model-index:",
        f"- name: {text(name)}",
        "  results:",
        "  - task:",
        "      type: image-to-image",
        "      name: Image reconstruction",
        "    dataset:",
        f"      name: {text(str(manifest.dataset['name']))}",
        f"      type: {text(data or str(manifest.dataset['name']))}",
        "      split: test",
        "    metrics:",
    ]
    for kind, title, value in known:
        lines += [f"    - type: {kind}", f"      name: {text(title)}", f"      value: {value:.7f}"]
    return lines


def text(words: str) -> str:
    """Return words as a text of YAML, which a text of JSON in printable characters is."""
    return json.dumps(printable(words), ensure_ascii=False)
