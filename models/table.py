"""The table of shipped models in models/README.md, written from the manifests of the bundles."""

from __future__ import annotations

from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.bundle.lookup import SHIPPED

HERE = Path(__file__).parent

HEAD = """# Shipped models

`python models/table.py` writes the table from the manifests. Use a model by name: `aetool sample -m mnist --digit 8`.

| model | identity | images | k | architecture | test mse | PCA | PSNR | SSIM | size |
|---|---|---|---|---|---|---|---|---|---|
"""


def row(bundle: Bundle) -> str:
    """Return the table row of a bundle."""
    m, d = bundle.manifest, bundle.manifest.distortion
    size = sum(len(data) for data in bundle.files.values()) / 1e6
    cells = [f"[{bundle.name}]({bundle.name}/README.md)", f"`{bundle.identity}`", " x ".join(map(str, m.image.shape)),
             str(m.latent_size), m.architecture["name"], f"{d['test']:.5f}", f"{d['pca']:.5f}", f"{d['psnr']:.2f} dB",
             f"{d['ssim']:.4f}", f"{size:.1f} MB"]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def table() -> str:
    """Return the text of models/README.md."""
    return HEAD + "".join(row(Bundle.read(HERE / name)) for name in SHIPPED)


if __name__ == "__main__":
    (HERE / "README.md").write_text(table())
