"""`aetool sample`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.labels import told, wanted
from aetool.cli.layout import check_size, layout_of, target_for
from aetool.cli.model import open_model
from aetool.cli.options import Inputs, LayoutOptions, ModelOptions, Output, Quiet, Seed, Whole
from aetool.cli.settings import configure
from aetool.cli.target import Target
from aetool.cli.write import write_generated
from aetool.errors import UsageError, lookup, printable, some

if TYPE_CHECKING:
    from aetool.generation.sampling import Sampler
    from aetool.images.files import ImageFile
    from aetool.images.layout import Layout
    from aetool.latents.bank import Bank
    from aetool.model.model import Model


@dataclass(frozen=True, eq=False, repr=False)
class ClassOptions:
    """The class to sample: a class, every class, or the user's own pictures."""

    digit: Annotated[
        int | None, typer.Option("--digit", metavar="D", help="Class to sample, where the classes are digits.")
    ] = None
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="Class to sample. Default: the whole bank.",
            autocompletion=completion.classes,
        ),
    ] = None  # fmt: skip
    each: Annotated[bool, typer.Option("--each", help="-n images of every class, a row a class.")] = False
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid", metavar="ROWSxCOLUMNS",
            help="The plane of latents instead, decoded at regular places, for models with two numbers a latent.",
        ),
    ] = None  # fmt: skip
    given: Annotated[
        int | None,
        typer.Option("-n", "--count", metavar="N", min=1, max=1_000_000, help="How many new images. Default: 16."),
    ] = None
    folder: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FOLDER", help="Take these images as the class; --class then picks a sub-folder."
        ),
    ] = None
    whole: Whole = False

    @property
    def count(self) -> int:
        """The new images of a class."""
        return self.given or 16

    @property
    def named(self) -> bool:
        """Whether a class, pictures or a count are given."""
        chosen = (self.digit, self.class_name, self.given, self.folder)
        return self.each or self.whole or any(one is not None for one in chosen)


@dataclass(frozen=True, eq=False, repr=False)
class SamplerOptions:
    """The sampler, its options and its seed."""

    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help=f"{', '.join(choices.SAMPLERS)}.",
            autocompletion=completion.of(choices.SAMPLERS),
        ),
    ] = "local"
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help=f"Set an option of the method; may be repeated. {choices.options_of(choices.SAMPLERS)}.",
        ),
    ] = None

    seed: Seed = None

    @property
    def named(self) -> bool:
        """Whether any of them is given."""
        return self.method != SamplerOptions.method or bool(self.settings) or self.seed is not None

    def sampler(self) -> Sampler:
        """Return the sampler with its options; raises `UsageError`."""
        from aetool.generation.sampling import SAMPLERS

        return configure(lookup(SAMPLERS, self.method, "method"), self.settings or [])

    def check(self, bank: Bank) -> None:
        """Raise `UsageError` for an option of the sampler that does nothing for this bank."""
        given = {setting.partition("=")[0] for setting in self.settings or []}
        if "pure" in given and not bank.classes:
            raise UsageError("pure compares classes, and there are none; leave --set pure out")


def sample(
    chosen: ClassOptions,
    inputs: Inputs,
    output: Output,
    method: SamplerOptions,
    options: ModelOptions,
    layout: LayoutOptions,
    quiet: Quiet = False,
) -> None:
    """Make new images of a class, or of the whole bank."""
    console, target = Console(quiet), target_for(output, layout)
    if chosen.grid is not None:
        return _write_plane(chosen, inputs, method, target, open_model(options, console), layout, console)
    sampler, name = method.sampler(), _class_name(chosen, inputs)
    model = open_model(options, console, inputs.limits)
    names, shown = _rows(chosen, layout, name, target, model, console)
    check_size(chosen.count * len(names), model, target, shown)
    failures = Failures(console, inputs.errors)
    bank = _own_bank(chosen, inputs, target, model, name, failures)
    labels = _labels(names, bank, model, method)  # an unknown class is said before a seed is
    seed = console.seed(method.seed)
    write_generated(
        model.sampled(labels, chosen.count, seed, sampler, bank), model, target, shown, layout, console, seed,
        options.threads, failures if bank else None,
    )  # fmt: skip
    if bank:
        failures.end()


def _write_plane(
    chosen: ClassOptions,
    inputs: Inputs,
    method: SamplerOptions,
    target: Target,
    model: Model,
    layout: LayoutOptions,
    console: Console,
) -> None:
    """Write the plane of the latents of a model; raises `UsageError` for one with others than two numbers a latent."""
    from aetool.model.drawing import plane_of

    if chosen.named or method.named or vars(inputs) != vars(Inputs()):
        raise UsageError("--grid shows the whole plane, and draws nothing; leave the class, -n, --from, --method out")
    sides = str(chosen.grid).lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdecimal() and 0 < int(side) <= 1000 for side in sides):
        raise UsageError(f'--grid takes rows and columns, 1 to 1000 each, as 20x20, not "{chosen.grid}"')
    rows, columns = map(int, sides)
    shown = layout_of(layout, columns=columns)
    made = plane_of(model.bundle, rows, columns)
    check_size(rows * columns, model, target, shown)
    write_generated([made], model, target, shown, layout, console)


def _rows(
    chosen: ClassOptions,
    options: LayoutOptions,
    name: str | None,
    target: Target,
    model: Model,
    console: Console,
) -> tuple[tuple[str | None, ...], Layout]:
    """Return the classes and the layout, with --each all classes, a row each with its name beside it."""
    if not chosen.each:
        return (name,), layout_of(options)
    from aetool.model.labels import of_rows

    names = _drawable(model, console)
    several = len(names) > 1 and wanted(target, options)
    made = of_rows(names, model.classes()) if several else None
    return names, layout_of(options, columns=chosen.count, labels=told(made, console) if made else None)


def _class_name(chosen: ClassOptions, inputs: Inputs) -> str | None:
    if chosen.digit is not None and chosen.class_name is not None:
        raise UsageError("--digit and --class both name the class; give one")
    name = str(chosen.digit) if chosen.digit is not None else chosen.class_name
    if chosen.each and (name is not None or chosen.folder or inputs.files_from):
        raise UsageError("--each stands for every class of the model; leave --digit, --class and --from out")
    if not chosen.folder and not inputs.files_from and (chosen.whole or inputs.errors):
        raise UsageError("--whole and --errors are for the images of --from or --files-from; name some")
    if not chosen.folder and not inputs.files_from and inputs.layout:
        raise UsageError("--layout is for the images of --from; name some")
    return name


def _drawable(model: Model, console: Console) -> tuple[str, ...]:
    """Return the classes of --each, and name those without latents; all where no class has any."""
    every, found = model.classes(), model.bundle.bank().known_classes()
    if found and len(found) < len(every):
        names = [f'"{printable(name)}"' for name in every if name not in found]
        kind = "class" if len(names) == 1 else "classes"
        console.warn(f"{kind} {some(names)} left out: no image was there when the model was exported")
    return found or every


def _own_bank(
    chosen: ClassOptions, inputs: Inputs, target: Target, model: Model, name: str | None, failures: Failures
) -> Bank | None:
    """Return the bank of the pictures of --from or --files-from, None without both."""
    if not chosen.folder and not inputs.files_from:
        return None
    files = input_files([chosen.folder] if chosen.folder else [], inputs, target, failures.console)
    pictures = _of_class(model.each_image(files, inputs.layout), name)
    return model.bank_of(failures.values(model.encoded(taken_whole(pictures, chosen.whole))))


def _labels(
    names: tuple[str | None, ...], bank: Bank | None, model: Model, method: SamplerOptions
) -> dict[str | None, int | None]:
    """Return the class numbers of names, None of the user's own pictures; refuses options that do nothing there."""
    method.check(bank or model.bundle.bank())
    return dict.fromkeys(names) if bank else model.labels(names)


def _of_class(pictures: Iterable[ImageFile], name: str | None) -> Iterable[ImageFile]:
    """Return the pictures in the sub-folder `name`, or all; raises `UsageError` for an empty sub-folder."""
    from aetool.system.names import composed

    if name is None:
        return pictures  # as a stream: those of stdin are not held all at once
    files = list(pictures)
    found = [file for file in files if file.label == composed(name)]
    if not found:
        there = some(sorted({file.label for file in files if file.label})) or "none"
        raise UsageError(f'no images in a sub-folder "{name}" of the folder; sub-folders: {there}')
    return found
