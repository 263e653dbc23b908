"""`aetool evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli import completion
from aetool.cli.console import Console, as_table
from aetool.cli.console import as_json as to_json
from aetool.cli.failures import Failures
from aetool.cli.listing import warn_of_namesake
from aetool.cli.model import choose_bundle, open_codec
from aetool.cli.options import AsJson, Device, ModelName, Quiet
from aetool.cli.process import limit_blas
from aetool.cli.settings import configure
from aetool.cli.target import write_stdout
from aetool.errors import UsageError, lookup

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle
    from aetool.generation.sampling import Sampler
    from aetool.training.data.dataset import Dataset

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATASET",
        help="Its data set. Default: the name that the model gives.",
        autocompletion=completion.data_sets,
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="'NAME KEY=VALUE…'",
        help="A sampler with its options, as 'neighbours count=10'; may be repeated. Default: each as it is.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws. Default: 0.")]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", metavar="DIR", help="Where named data sets lie, as for train.")
]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="Default: one a core.")]


def evaluate(
    name: ModelName = None,
    data: Data = None,
    methods: Methods = None,
    seed: Seed = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Measure a model and the images its samplers make; needs the extra [train].

    The judge is a classifier, trained once on the training images (minutes) and cached. Ratio is the Fréchet distance
    over that of reconstructed training images; novelty the distance to the nearest training image, over that of
    reconstructed test images.
    """
    from aetool.system.processes import all_cores

    console, count = Console(quiet), threads or all_cores()
    limit_blas(count)
    from aetool.training.evaluation.evaluate import evaluate as measure
    from aetool.training.evaluation.evaluate import find_dataset

    failures = Failures(console)
    warn_of_namesake(data, console)
    asked = _samplers(methods or [])
    bundle = choose_bundle(name, console)
    _check_used(bundle, methods, seed, data, data_dir)
    samplers = _usable(asked, bundle, bool(methods), console)
    codec = open_codec(bundle, device, count, console)
    with failures.of_data(), console.stages() as report:
        dataset, same = find_dataset(bundle, data, data_dir, count, report)
        _tell(dataset, same, bundle, failures)
        found = measure(bundle, codec, dataset, samplers, seed or 0, count, report)
    write_stdout(to_json(found) if as_json else _text(found))


def _tell(dataset: Dataset, same: bool, bundle: Bundle, failures: Failures) -> None:
    """Name the unusable files, and other data than the training data."""
    failures.add_data(dataset.skipped, dataset.listing)
    if not same:
        what = f"{dataset.name} is not what {bundle.name} was trained on"
        failures.console.warn(f"{what}; that may have held these test images")


def _check_used(
    bundle: Bundle, methods: list[str] | None, seed: int | None, data: str | None, data_dir: str | None
) -> None:
    """Raise `UsageError` for options that do nothing for this model or this data set."""
    from aetool.training.data.settings import check_settings

    if len(bundle.manifest.classes) < 2 and (methods or seed is not None):
        raise UsageError(f"{bundle.name} knows no classes to judge samples by; leave --method and --seed out")
    if data_dir is not None:
        check_settings(data or str(bundle.manifest.dataset["name"]), ["data_dir"])


def _samplers(methods: list[str]) -> dict[str, Sampler]:
    """Return the samplers asked for, or all, by their titles in the table."""
    from aetool.generation.sampling import SAMPLERS

    if not all(method.strip() for method in methods):
        raise UsageError("--method takes the name of a sampler, and its options behind it, as 'neighbours count=10'")
    asked = [(method.split(), method) for method in methods] or [([name], name) for name in SAMPLERS]
    return {shown: configure(lookup(SAMPLERS, words[0], "method"), words[1:]) for words, shown in asked}


def _usable(samplers: dict[str, Sampler], bundle: Bundle, named: bool, console: Console) -> dict[str, Sampler]:
    """Return the usable samplers for the bank; raises the error of an unusable sampler `named` by the user."""
    from aetool.cli.fixes import told
    from aetool.training.evaluation.evaluate import cannot_draw

    errors = {name: cannot_draw(sampler, bundle) for name, sampler in samplers.items()}
    for name, error in errors.items():
        if error and named:
            raise error
        if error:
            console.warn(f"{name} is left out: {told(error)}")
    return {name: sampler for name, sampler in samplers.items() if not errors[name]}


COLUMNS = {"accuracy": "accuracy", "worst_class": "worst", "frechet": "Fréchet", "ratio": "ratio",
           "precision": "prec.", "recall": "recall", "density": "dens.", "coverage": "cover.",
           "novelty": "novelty"}  # fmt: skip
"""Figures of a row and their titles in the table."""


def _text(found: dict[str, Any]) -> str:
    model, data, distortion = found["model"], found["data"], found["distortion"]
    lines = [
        f"{model['name']} ({model['identity']}) on {data['name']}: test mse {distortion['test']:.5f}, "
        f"PCA with {distortion['latent_size']} numbers {distortion['pca']:.5f}\n"
    ]
    if "rows" not in found:
        return lines[0] + "the data have no classes: no judge can be trained, and samplers are not measured\n"
    lines.append(f"a judge of {100 * found['judge']['accuracy']:.2f} % on the test images; seed {found['seed']}\n\n")
    digits = {"ratio": 2, "novelty": 2}
    table = [["", *COLUMNS.values()]]
    table += [[row["name"], *(f"{row[key]:.{digits.get(key, 3)}f}" for key in COLUMNS)] for row in found["rows"]]
    return "".join(lines) + as_table(table, right=tuple(range(1, len(table[0]))))
