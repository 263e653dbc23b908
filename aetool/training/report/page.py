"""The page report.html: HTML of what a training has reached, complete in itself, without scripts and connections."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from aetool import __version__
from aetool.arrays import Pixels
from aetool.bundle.card import figure
from aetool.choices import in_words
from aetool.errors import printable
from aetool.images.encode import encode_picture
from aetool.images.sheet import SMOOTH, resized
from aetool.training.report.contents import MOST_CLASSES, Pair, Shown
from aetool.training.report.curve import curve
from aetool.training.summary import best_entry, classes, colours, division, duration, ratio

if TYPE_CHECKING:
    from aetool.training.loop import Trainer

TRAINING, FINISHED, STOPPED = "training", "finished", "stopped"
"""States of a run."""
REFRESH = 5
"""Seconds between two looks of a browser at the file, while training runs."""
SIDE = 160
"""Most pixels of a side of a picture: larger ones are scaled down."""
PHOTO = 1 << 12
"""Values of a picture from which on it is stored as a JPEG."""
LABEL = 12
"""Letters of the widest label of a class."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(trainer: Trainer, shown: Shown, state: str, now: datetime) -> str:
    """Return the page of a run in a `state`."""
    title = _text(f"{trainer.run.name}: {_title(trainer, state)}")
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">\n' if state == TRAINING else ""
    chosen = trainer.progress.best_step if trainer.config.chooses and trainer.chosen_by else None
    last = trainer.epochs if state == TRAINING else trainer.progress.history[-1]["epoch"]
    parts = [
        f"<header><h1>{_text(trainer.run.name)}</h1>\n{_state(trainer, state, now)}</header>\n",
        _figures(trainer),
        _section("Distortion", "Mean squared error of a value in [0, 1], the lower the better; "
                 "PCA is the best linear autoencoder.", curve(trainer.progress.history, last, chosen)),
        _reconstructions(shown),
        _samples(shown, trainer),
        _section("Settings", "", _settings(trainer)),
        _section("Next", "", "".join(_next(trainer, state))),
    ]  # fmt: skip
    style = (Path(__file__).parent / "style.css").read_text()
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{refresh}'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{''.join(parts)}</main>\n"
        f"<footer>aetool {__version__}, {now:%Y-%m-%d %H:%M:%S}</footer>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    """Return a text fit for HTML, control characters and undecodable bytes as backslash escapes."""
    return escape(printable(text))


def _section(title: str, line: str, body: str) -> str:
    said = f'<p class="said">{line}</p>\n' if line else ""
    return f"<section>\n<h2>{title}</h2>\n{said}{body}</section>\n"


def _title(trainer: Trainer, state: str) -> str:
    if state == TRAINING:
        return f"epoch {trainer.progress.history[-1]['epoch']} of {trainer.epochs}"
    return state


def _state(trainer: Trainer, state: str, now: datetime) -> str:
    """Return where the training stands: how far it is, and how long it takes."""
    done, steps = trainer.progress, trainer.last_step
    if state == FINISHED:
        early = f", early, at step {done.step:,} of {trainer.steps:,}" if done.step < trainer.steps else ""
        return f'<p class="state finished">finished{early}, after {duration(done.seconds)} of training</p>\n'
    text = f"{state} at step {done.step:,} of {steps:,}" if state == STOPPED else f"step {done.step:,} of {steps:,}"
    if state == TRAINING:
        each = done.seconds / done.step if done.step else trainer.expected / max(1, trainer.steps)
        text += f", about {duration(each * (steps - done.step))} left, as of {now:%H:%M:%S}"
    bar = f'<progress max="{max(1, steps)}" value="{done.step}"></progress>'
    return f'<p class="state {state}">{text}</p>\n{bar}\n'


def _figures(trainer: Trainer) -> str:
    """Return the figures of the best network in large print."""
    entry = best_entry(trainer)
    held_out = "validation" if entry["test_mse"] is None and "validation_mse" in entry else "test"
    floor = entry["pca_mse"] if held_out == "test" else entry.get("validation_pca_mse")
    better = ratio(entry)
    cells = [
        (figure(entry.get(f"{held_out}_mse")), f"{held_out} mse of the best network"),
        (figure(floor), "mse of PCA"),
        *([(f"{better:.2f} ×", "better than PCA" if round(better, 2) > 1 else "as good as PCA")] if better else []),
        (f"{trainer.config.k}", f"{'number' if trainer.config.k == 1 else 'numbers'} a latent"),
    ]
    return (
        f'<dl class="figures">{"".join(f"<div><dd>{value}</dd><dt>{name}</dt></div>" for value, name in cells)}</dl>\n'
    )


def _picture(pixels: Pixels, alt: str) -> str:
    """Return a picture, uint8 (c, h, w), as an element that holds all its bytes."""
    c, height, width = pixels.shape
    scale = SIDE / max(height, width)
    if scale < 1:
        pixels = resized(pixels[None], max(1, round(height * scale)), max(1, round(width * scale)))[0]
    suffix, kind = (".jpg", "jpeg") if c * height * width >= PHOTO else (".png", "png")
    data = base64.b64encode(encode_picture(pixels, suffix)).decode()
    smooth = "" if min(height, width) < SMOOTH or scale < 1 else ' class="pixels"'
    return f'<img{smooth} src="data:image/{kind};base64,{data}" alt="{_text(alt)}" width="{width}" height="{height}">'


def _reconstructions(shown: Shown) -> str:
    which = "held-out images" if shown.held_out else "training images, as none are held out"
    line = f"Each image beside its reconstruction by the best network so far, of {shown.looked_at:,} {which}."
    body = "".join(
        f'<h3>{title}</h3>\n<div class="pairs">{"".join(map(_pair, pairs))}</div>\n'
        for title, pairs in shown.pairs.items()
    )
    return _section("Reconstructions", line, body)


def _pair(pair: Pair) -> str:
    both = _picture(pair.image, pair.name) + _picture(pair.again, f"reconstruction of {pair.name}")
    label = f"<b>{_text(pair.label)}</b>" if pair.label else ""
    caption = f"<figcaption>{label}<span>mse {figure(pair.mse, 4)}</span></figcaption>"
    return f'<figure title="{_text(pair.name)}"><div>{both}</div>{caption}</figure>\n'


def _samples(shown: Shown, trainer: Trainer) -> str:
    rest = len(trainer.dataset.classes) - len(shown.samples)
    more = f" The first {MOST_CLASSES} classes are shown." if rest > 0 and len(shown.samples) == MOST_CLASSES else ""
    line = f"Drawn from the latents of training images, as <code>aetool sample</code> does.{more}"
    wide = min(LABEL, max(map(len, map(printable, shown.samples))))
    rows = []
    for name, pictures in shown.samples.items():
        label = f'<h3 title="{_text(name)}">{_text(name)}</h3>' if name else ""
        of = f" of class {name}" if name else ""
        tiles = "".join(_picture(one, f"new image{of}") for one in pictures)
        rows.append(f'<div class="row">{label}<div class="tiles">{tiles}</div></div>\n')
    return _section("New images", line, f'<div class="samples" style="--label: {wide}ch">{"".join(rows)}</div>\n')


def _settings(trainer: Trainer) -> str:
    rows = [(name, _text(value)) for name, value in _facts(trainer)]
    rows.append(("made by", _code(trainer.config.command())))
    cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>\n" for name, value in rows)
    return f"<table>\n{cells}</table>\n"


def _facts(trainer: Trainer) -> Iterator[tuple[str, str]]:
    """Yield the settings of a run in words."""
    config, data = trainer.config, trainer.dataset
    yield "data", f"{data.name}: {division(data)}"
    yield "images", f"{data.spec.height} x {data.spec.width} {colours(data.spec)}"
    if data.classes:
        yield "classes", classes(data)
    yield "network", f"{config.architecture}; {in_words(asdict(config.options))}"
    yield "training", f"{trainer.steps:,} steps of {trainer.batch_size} images, {trainer.epochs:,} epochs"
    yield "learning rate", f"{config.lr:g} at its peak" if config.lr else "0.01 at its peak"
    changed = {"moved by up to": (config.shift, "pixels"), "bent by about": (config.elastic, "pixels"),
               "turned and scaled by up to": (config.affine, "degrees and %")}  # fmt: skip
    moved = ", ".join(f"{how} {amount:g} {unit}" for how, (amount, unit) in changed.items() if amount)
    yield "changes", moved or "none: images are trained on as they are"
    if config.patience:
        yield "patience", f"ends early after {config.patience:,} steps without a better network"
    threads = f"{config.threads} {'thread' if config.threads == 1 else 'threads'}"
    yield "computed in", f"{config.precision} on {trainer.device.type}, {threads}, seed {config.seed}"


def _next(trainer: Trainer, state: str) -> Iterator[str]:
    """Yield what to type next."""
    run = shlex.quote(str(trainer.run))
    if state == TRAINING:
        yield _command("Stop with Ctrl-C, which saves a checkpoint, and go on later, to the same weights:",
                       f"aetool train --resume {run}")  # fmt: skip
        return
    if state == STOPPED:
        yield _command("Go on, to the same weights as without the stop:", f"aetool train --resume {run}")
    yield _command("Write the best network as a model:", f"aetool export {run}")
    each = " --each" if trainer.dataset.classes else ""
    yield _command("Make new images with it:", f"aetool sample{each} -o new.png")
    if state == FINISHED:
        yield _command("Train on from the best network:", f"aetool train --more-epochs {trainer.epochs} {run}")


def _command(why: str, line: str) -> str:
    return f"<p>{why}</p>\n<pre>{_code(line)}</pre>\n"


def _code(line: str) -> str:
    """Return a command line, which breaks between words."""
    return f"<code>{' '.join(f'<span>{_text(word)}</span>' for word in line.split(' '))}</code>"
