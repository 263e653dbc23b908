"""Export: the bundle of a training run, written to a folder."""

from __future__ import annotations

from pathlib import Path

from aetool.bundle.card import card
from aetool.bundle.folder import check_free, write
from aetool.system.paths import first_free, safe_name
from aetool.system.progress import Report
from aetool.training import run_folder
from aetool.training.export.run import make_bundle


def export(
    run: str | Path | None = None,
    output: str | Path | None = None,
    bank: bool = True,
    force: bool = False,
    progress: Report = lambda *_: None,
) -> Path:
    """Write the bundle of a run, the newest by default, and return its folder: `output`, or a free models/NAME.

    Without `bank` the bundle holds no latents of training images; `force` replaces a bundle at `output`. Raises
    `BundleError` where torch and ONNX Runtime differ, `InvalidInput` where the data set has changed, `UsageError`.
    """
    found = run_folder.find(None if run is None else str(run), trained=True)
    path = None if output is None else Path(output)
    if path is not None:
        check_free(path, force)
    made = make_bundle(found, bank, progress)
    path = path or first_free(Path("models"), safe_name(made.manifest.dataset["name"]))
    write(path, made.files, card(path.name, made.identity, made.manifest, bank), force)
    return path
