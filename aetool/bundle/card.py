"""README.md of a bundle: the model card, made from the manifest."""

from __future__ import annotations

import math
import shlex

from aetool.bundle.manifest import Manifest
from aetool.errors import printable, some
from aetool.images.spec import PREPARATIONS, ImageSpec


def card(name: str, identity: str, manifest: Manifest, has_rows: bool) -> str:
    """Return the model card in Markdown."""
    d, spec, size = manifest.distortion, manifest.image, manifest.latent_size
    kind = {1: "grey images", 3: "colour images"}.get(spec.channels, f"images of {spec.channels} channels")
    return f"""# {name}

An autoencoder of {kind} of {spec.height} x {spec.width} with latents of {size} numbers, made by
[aetool](../../README.md). Identity `{identity}`.

    aetool info -m {name}
    {_example(name, manifest)}

| | |
|---|---|
| Data | {_data(manifest)} |
| Classes | {some(manifest.classes) or "none"} |
| Architecture | {_architecture(manifest)} |
| Preparation of files | {_preparation(spec)} |
{_stored(manifest)}| Training | {_training(manifest)} |
| Test mse | **{figure(d["test"])}** per value in [0, 1]; PCA with {size} components {figure(d["pca"])} |
| Training mse | {figure(d["train"])} |
| Test PSNR, SSIM | {figure(d["psnr"], 2)} dB, {figure(d["ssim"], 4)} |
| Scores | {_scores(manifest)} |
| Exported | {manifest.exported} |

Made by:

    {_command(manifest, has_rows)}

{_parity(manifest)}

## Intended use and limits

It reconstructs, varies and generates images like those it was trained on; of others it shows the nearest that it knows.
{_bank_note(manifest, has_rows)}
"""


def _stored(manifest: Manifest) -> str:
    return f"| Weights | {printable(manifest.stored)} |\n" if manifest.stored else ""


def _option(manifest: Manifest) -> str:
    return f" --weights {printable(manifest.weights['type'])}" if manifest.weights else ""


def figure(value: float | None, digits: int = 5) -> str:
    """Return a figure of the manifest or of training as text; None and NaN stand for no images to measure."""
    return "not measured" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _scores(manifest: Manifest) -> str:
    """Return what `aetool score` measures images by."""
    if manifest.scoring is None:
        return "percentiles of the mse alone" if "quantiles" in manifest.distortion else "none, without held-out images"
    pixels = " of each pixel" if manifest.scoring.scale.size > 1 else " for all pixels"
    both = "mse and distance to the bank" if manifest.scoring.distance is not None else "mse"
    return f"by {both} of {manifest.scoring.images:,} held-out images; maps with a scale{pixels}"


def _preparation(spec: ImageSpec) -> str:
    words = PREPARATIONS[spec.preparation]
    alpha = f"alpha over {spec.background}"
    return f"version {words.version}: upright, {alpha}, centre crop, Lanczos; decoded at {words.decoding_scale}"


def _training(manifest: Manifest) -> str:
    t = manifest.training
    if manifest.imported:
        return f"elsewhere: graphs of {_plain(t['imported']['made_by'])}, rewritten and imported"
    parts = [f"{t['epochs']} epochs", f"{t['steps']:,} steps of {t['batch_size']}", f"{t['seconds']:.0f} s"]
    left_out = t.get("left_out", 0)
    parts += [manifest.stopped] if manifest.stopped else []
    parts += [manifest.choice] if manifest.choice else []
    parts += [f"{left_out:,} {'file' if left_out == 1 else 'files'} of the data left out"] if left_out else []
    return ", ".join(parts)


def _command(manifest: Manifest, has_rows: bool) -> str:
    """Return the commands of the bundle; an unfinished training was stopped by hand."""
    command, without = str(manifest.training["command"]), "" if has_rows else " --no-bank"
    if manifest.imported:
        return command + without
    return (
        command
        + (f"    # {manifest.stopped}" if manifest.stopped else "")
        + f"\n    aetool export{without}{_option(manifest)}"
    )


def _data(manifest: Manifest) -> str:
    """Return name and sizes of the data set, and what was left of it at export."""
    data, found = manifest.dataset, manifest.dataset.get("found")
    text = (
        f"{data['name']}: {data['train']:,} training and {data['test']:,} test images, sha256 `{data['sha256'][:16]}…`"
    )
    if manifest.imported and data["test"]:
        text += "; the model may have been trained on the test images"
    return text + (f"; {found['train']:,} and {found['test']:,} were there at export" if found else "")


def _architecture(manifest: Manifest) -> str:
    options = ", ".join(f"{key} {_plain(value)}" for key, value in manifest.architecture["options"].items())
    parts = [
        f"{part} {sum(row['parameters'] for row in manifest.layers if row['part'] == part):,}"
        for part in ("encoder", "decoder")
    ]
    return f"{manifest.architecture['name']}, {options}; parameters: {', '.join(parts)}"


def _plain(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _example(name: str, manifest: Manifest) -> str:
    words = ["aetool", "sample", "-m", name, *(["--class", manifest.classes[-1]] if manifest.classes else [])]
    return printable(shlex.join([*words, "-o", "new.png"]))


def _parity(manifest: Manifest) -> str:
    found = manifest.parity["found"]
    both = "The imported graphs and the bundle" if manifest.imported else "Torch and ONNX Runtime"
    when = ", before the weights were rounded" if manifest.weights else ""
    return (
        f"{both} agree in batches of {', '.join(map(str, manifest.parity['batches']))}: "
        f"latents to {found['latents']:.1e} of\ntheir scale, image values to {found['images']:.1e}, "
        f"distortion to {found['distortion']:.1e}{when}."
    )


def _bank_note(manifest: Manifest, has_rows: bool) -> str:
    verb = "import" if manifest.imported else "export"
    if has_rows:
        return (
            "The bank holds latents of training images: whoever has the bundle can decode near copies of them.\n"
            f"`aetool {verb} --no-bank` leaves these latents out."
        )
    return "The bank holds statistics of the training latents only, no latents of single images."
