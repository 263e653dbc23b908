"""README.md of a bundle: the model card, made from the manifest."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from aetool.bundle.front import front_matter
from aetool.bundle.manifest import Manifest
from aetool.errors import printable, some
from aetool.images.spec import PREPARATIONS, ImageSpec


def card(
    name: str,
    identity: str,
    manifest: Manifest,
    has_rows: bool,
    counts: Sequence[int] = (),
    samples: bool = False,
) -> str:
    """Return the model card in Markdown, with the front matter of hubs.

    `counts` are the training images of each class, () where they are not known; `samples` says that samples.png lies
    beside the card. The only link is that to samples.png.
    """
    spec = manifest.image
    kind = {1: "grey images", 3: "colour images"}.get(spec.channels, f"images of {spec.channels} channels")
    return f"""{front_matter(name, manifest)}
# {name}
{_description(manifest)}
An autoencoder of {kind} of {spec.height} x {spec.width} with latents of {manifest.latent_size} numbers, made by aetool.
Identity `{identity}`.
{_samples(manifest, has_rows) if samples else ""}
    aetool info -m {name}
    {_example(name, manifest)}

{_table(manifest, counts)}

Made by:

    {_command(manifest, has_rows)}

{_parity(manifest)}

## Intended use and limits

It reconstructs, varies and generates images like those it was trained on; of others it shows the nearest that it knows.
{_bank_note(manifest, has_rows)}
{_sharing(repository(name))}"""


def _table(manifest: Manifest, counts: Sequence[int]) -> str:
    d, size = manifest.distortion, manifest.latent_size
    return f"""| | |
|---|---|
{_author(manifest)}| Data | {_data(manifest)} |
| Classes | {_classes(manifest, counts)} |
| Architecture | {_architecture(manifest)} |
| Preparation of files | {_preparation(manifest.image)} |
{_stored(manifest)}| Training | {_training(manifest)} |
| Test mse | **{figure(d["test"])}** per value in [0, 1]; PCA with {size} components {figure(d["pca"])} |
| Training mse | {figure(d["train"])} |
| Test PSNR, SSIM | {figure(d["psnr"], 2)} dB, {figure(d["ssim"], 4)} |
| Scores | {_scores(manifest)} |
| Exported | {manifest.exported} |"""


def _sharing(name: str) -> str:
    return f"""
## Sharing

From this folder to huggingface.co, with `pip install huggingface_hub` and `hf auth login` before:

    hf upload OWNER/{name} . .

Then every command takes it from there: `aetool sample -m hf:OWNER/{name}`.
"""


def repository(name: str) -> str:
    """Return the name of a bundle as hubs allow it: letters, digits, and single - _ . between them."""
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    kept = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", kept)).removesuffix(".git").strip("-.")
    return kept[:90].strip("-.") or "model"


def _description(manifest: Manifest) -> str:
    said = manifest.about.description if manifest.about else None
    return "\n" + "\n".join(printable(line) for line in said.strip().splitlines()) + "\n" if said else ""


def _author(manifest: Manifest) -> str:
    said = manifest.about
    rows = (("Author", said.author), ("License", said.license and said.license.lower())) if said else ()
    return "".join(f"| {title} | {_cell(text)} |\n" for title, text in rows if text)


def _classes(manifest: Manifest, counts: Sequence[int]) -> str:
    """Return the names of the classes, each with the number of its training images where that is known."""
    names = [_cell(name) for name in manifest.classes]
    if not names:
        return "none"
    if not counts:
        return some(names)
    return some(f"{name}: {count:,}" for name, count in zip(names, counts, strict=True)) + " training images"


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return printable(" ".join(text.split())).replace("|", "\\|")


def _samples(manifest: Manifest, has_rows: bool) -> str:
    """Return the picture of samples, and what it shows."""
    each = "In each row, which is a class" if manifest.classes else "In each row"
    if has_rows:
        first = "training images, encoded and decoded (four, if there are so many)"
        return f"\n![Reconstructions and samples](samples.png)\n\n{each}: first {first}, then new images.\n"
    return f"\n![Samples](samples.png)\n\n{each}: new images.\n"


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
    counts = f"{data['train']:,} training and {data['test']:,} test images"
    text = f"{_cell(data['name'])}: {counts}, sha256 `{data['sha256'][:16]}…`"
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
