"""README.md of a bundle: the model card, made from the manifest."""

from __future__ import annotations

from aetool.bundle.manifest import Manifest
from aetool.errors import some


def card(name: str, identity: str, manifest: Manifest, has_rows: bool) -> str:
    """Return the model card in Markdown."""
    d, t, spec, data = manifest.distortion, manifest.training, manifest.image, manifest.dataset
    kind = "grey" if spec.channels == 1 else "colour"
    return f"""# {name}

An autoencoder of {kind} images of {spec.height} x {spec.width} with latents of {manifest.latent_size} numbers, made by
[aetool](../../README.md). Identity `{identity}`.

    aetool info -m {name}
    {_example(name, manifest)}

| | |
|---|---|
| Data | {data["name"]}: {data["train"]:,} training and {data["test"]:,} test images, sha256 `{data["sha256"][:16]}…` |
| Classes | {some(manifest.classes) or "none"} |
| Architecture | {_architecture(manifest)} |
| Training | {t["epochs"]} epochs, {t["steps"]:,} steps of {t["batch_size"]}, {t["seconds"]:.0f} s |
| Test mse | **{d["test"]:.5f}** per value in [0, 1]; PCA with {manifest.latent_size} components {d["pca"]:.5f} |
| Training mse | {d["train"]:.5f} |
| Test PSNR, SSIM | {d["psnr"]:.2f} dB, {d["ssim"]:.4f} |
| Exported | {manifest.exported} |

Made by:

    {t["command"]}
    aetool export

{_parity(manifest)}

## Intended use and limits

It reconstructs, varies and generates images like those it was trained on; of others it shows the nearest that it knows.
{_bank_note(has_rows)}
"""


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
    choice = f"--class {manifest.classes[-1]} " if manifest.classes else ""
    return f"aetool sample -m {name} {choice}-o new.png"


def _parity(manifest: Manifest) -> str:
    found = manifest.parity["found"]
    return (
        f"Torch and ONNX Runtime agree on test images in batches of {', '.join(map(str, manifest.parity['batches']))}: "
        f"latents to {found['latents']:.1e} of\ntheir standard deviation, image values to {found['images']:.1e}, "
        f"distortion to {found['distortion']:.1e}."
    )


def _bank_note(has_rows: bool) -> str:
    if has_rows:
        return (
            "The bank holds latents of training images: whoever has the bundle can decode near copies of them.\n"
            "`aetool export --no-bank` leaves these latents out."
        )
    return "The bank holds statistics of the training latents only, no latents of single images."
