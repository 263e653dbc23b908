"""`aetool info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.cache import show_cache
from aetool.cli.console import Console, as_blocks, as_fields, as_table, say
from aetool.cli.console import as_json as to_json
from aetool.cli.model import named_path
from aetool.cli.options import AsJson
from aetool.cli.runs import show_runs
from aetool.cli.target import write_stdout
from aetool.errors import BundleError, UsageError, lookup, some

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="Bundle to show. Default: list those found.", autocompletion=completion.models
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Bundle to use: a folder, a name in ./models or shipped, or hf:OWNER/NAME[@REVISION].",
        autocompletion=completion.models,
    ),
]


Runs = Annotated[bool, typer.Option("--runs", help="List the training runs in ./runs, and how to go on with each.")]
Cache = Annotated[bool, typer.Option("--cache", help="List the decoded folders that training keeps.")]
Snippet = Annotated[
    str | None,
    typer.Option(
        "--snippet",
        metavar="LANGUAGE",
        help="Print a program that prints the latents of the model, as encode does: "
        + ", ".join(choices.SNIPPETS)
        + ".",
        autocompletion=completion.of(choices.SNIPPETS),
    ),
]
Clear = Annotated[bool, typer.Option("--clear", help="With --cache: remove them.")]


def info(
    name: Name = None,
    model: ModelOption = None,
    runs: Runs = False,
    cache: Cache = False,
    clear: Clear = False,
    snippet: Snippet = None,
    as_json: AsJson = False,
) -> None:
    """Describe a model, or list all models, the training runs, or the cache of decoded folders."""
    if model and name:
        raise UsageError(f"{name} and -m both name the model; give one")
    chosen = model or name
    if clear and not cache:
        raise UsageError("--clear belongs to --cache")
    if snippet is not None:
        _show_snippet(chosen, snippet, as_json or runs or cache)
    elif runs:
        show_runs(as_json, chosen, cache)
    elif cache:
        show_cache(clear, as_json, chosen)
    elif chosen is None:
        _list_models(as_json)
    else:
        _describe(chosen, as_json)


def _show_snippet(chosen: str | None, language: str, others: bool) -> None:
    from aetool.bundle.bundle import Bundle
    from aetool.bundle.snippets import snippet

    lookup(choices.SNIPPETS, language, "language")
    if others:
        raise UsageError("--snippet prints a program; leave --json, --runs and --cache out")
    if chosen is None:
        raise UsageError("--snippet is for a model; name one, as in: aetool info mnist --snippet python")
    path = named_path(chosen, Console())
    write_stdout(snippet(Bundle.read(path), path, language))


def _describe(chosen: str, as_json: bool) -> None:
    from aetool.bundle.bundle import Bundle

    bundle = Bundle.read(named_path(chosen, Console()))
    fields = {"name": bundle.name, "identity": bundle.identity} | bundle.manifest.to_dict()
    write_stdout(to_json(fields) if as_json else _summary(bundle) + _layers(bundle.manifest.layers))


def _list_models(as_json: bool) -> None:
    from aetool.bundle.bundle import Bundle
    from aetool.bundle.lookup import candidates

    found = []
    for path in candidates():
        try:
            found.append((path, Bundle.read(path)))
        except BundleError as error:
            say(f"aetool: warning: {error}")
    if as_json:
        write_stdout(to_json([_row(bundle) | {"path": str(path)} for path, bundle in found]))
        return
    shown = ("name", "images", "latent_size", "classes", "test_mse", "pca_mse", "exported")
    rows = [["model", "images", "k", "classes", "test mse", "PCA", "exported"]]
    rows += [[_shown(row[name]) for name in shown] for row in map(_row, (bundle for _, bundle in found))]
    below = [[f"{bundle.identity} in {path}"] for path, bundle in found]
    write_stdout(as_blocks(rows, below, right=(2, 3)))


def _row(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": bundle.name,
        "identity": bundle.identity,
        "images": list(manifest.image.shape),
        "latent_size": manifest.latent_size,
        "classes": len(manifest.classes),
        "test_mse": manifest.distortion["test"],
        "pca_mse": manifest.distortion["pca"],
        "exported": manifest.exported,
    }


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    if value is None:
        return "-"
    return f"{value:.5f}" if isinstance(value, float) else str(value).partition("T")[0]


def _summary(bundle: Bundle) -> str:
    from aetool.bundle.card import figure
    from aetool.images.spec import PREPARATIONS

    m, bank = bundle.manifest, bundle.bank()
    d, scale = m.distortion, PREPARATIONS[m.image.preparation].decoding_scale
    words = choices.in_words(m.architecture["options"])
    rows = [
        ["model", f"{bundle.name} {bundle.identity}"],
        ["images", f"{' x '.join(map(str, m.image.shape))} in [0, 1], alpha over {m.image.background}"],
        ["preparation", f"version {m.image.preparation}, decoded at: {scale}"],
        ["latents", f"{m.latent_size} {'number' if m.latent_size == 1 else 'numbers'}"],
        ["classes", some(m.classes) or "none"],
        ["architecture", f"{m.architecture['name']}{'; ' if words else ''}{words}"],
        ["data", f"{m.dataset['name']}, {m.dataset['train']:,} training and {m.dataset['test']:,} test images"],
        ["made by", str(m.training["command"]) + (f", {m.stopped}" if m.stopped else "")],
        *([["network", m.choice]] if m.choice else []),
        *([["weights", m.stored]] if m.stored else []),
        *([[name, " ".join(text.split())] for name, text in m.about.to_dict().items()] if m.about else []),
        ["exported", m.exported],
        ["test mse", f"{figure(d['test'])}, PCA {figure(d['pca'])}, training {figure(d['train'])}"],
        ["psnr, ssim", f"{figure(d['psnr'], 2)} dB, {figure(d['ssim'], 4)}"],
        ["bank", f"{len(bank.latents):,} latents of {bank.counts[-1]:,} training images"],
        ["parity", ", ".join(f"{name} {value:.1e}" for name, value in m.parity["found"].items())],
    ]
    return as_fields(rows) + "\n"


def _layers(layers: list[dict[str, Any]]) -> str:
    """Return the layer table; below it the output sizes of each ConvTranspose2d, worked out."""
    rows = [["part", "layer", "input", "output", "kernel", "stride", "pad", "weights"]]
    worked = []
    for row in layers:
        sizes = ["x".join(map(str, row.get(key, []))) for key in ("input", "output", "kernel", "stride", "padding")]
        rows.append([row["part"], row["layer"], *sizes, f"{row['parameters']:,}"])
        if row["layer"] == "ConvTranspose2d":
            worked += _worked_out(row)
    lines = [f"  {line}\n" for line in dict.fromkeys(worked)]
    title = ["\nConvTranspose2d: o = (i-1)s + k - 2p\n"] if lines else []
    return as_table(rows, right=(7,)) + "".join(title + lines)


def _worked_out(row: dict[str, Any]) -> list[str]:
    axes = zip(row["input"][1:], row["kernel"], row["stride"], row["padding"], strict=True)
    return [f"({i}-1)*{s} + {k} - 2*{p} = {(i - 1) * s + k - 2 * p}" for i, k, s, p in axes]
