"""README.md of a bundle: the model card, made from the manifest."""

from __future__ import annotations

from aetool.manifest import Manifest


def card(name: str, identity: str, manifest: Manifest, has_rows: bool) -> str:
    """Return the model card in Markdown."""
    d, t, spec, data = manifest.distortion, manifest.training, manifest.image, manifest.dataset
    parameters = {part: sum(r["parameters"] for r in manifest.layers if r["part"] == part) for part in ("encoder", "decoder")}
    kind = "grey" if spec.channels == 1 else "colour"
    return f"""# {name}

An autoencoder of {kind} images of {spec.height} x {spec.width} with latents of {manifest.latent_size} numbers, made by
[aetool](../../README.md). Identity `{identity}`.

    aetool info -m {name}
    {_example(name, manifest)}

| | |
|---|---|
| Data | {data["name"]}: {data["train"]:,} training and {data["test"]:,} test images, sha256 `{data["sha256"][:16]}…` |
| Classes | {", ".join(manifest.classes) or "none"} |
| Architecture | {manifest.architecture["name"]} {manifest.architecture["options"]}; parameters: encoder {parameters["encoder"]:,}, decoder {parameters["decoder"]:,} |
| Training | {t["epochs"]} epochs, {t["steps"]:,} steps of {t["batch_size"]}, {t["seconds"]:.0f} s |
| Distortion (mse per value in [0, 1]) | test **{d["test"]:.5f}**, training {d["train"]:.5f}; PCA with {manifest.latent_size} components on test {d["pca"]:.5f} |
| Test PSNR, SSIM | {d["psnr"]:.2f} dB, {d["ssim"]:.4f} |
| Exported | {manifest.exported} |

Made by:

    {t["command"]}
    aetool export

{_parity(manifest)}

## Intended use and limits

It reconstructs, varies and generates images like those it was trained on; of others it shows the nearest thing it knows.
{_bank_note(has_rows)}
"""


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
            "The bank holds latents of training images: whoever has the bundle can decode near copies of those images.\n"
            "`aetool export --no-bank` leaves them out."
        )
    return "The bank holds statistics of the training latents only, no latents of single images."
