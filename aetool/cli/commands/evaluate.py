"""`aetool evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli import params
from aetool.cli.report import Talk

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle
    from aetool.generation.sampling import Sampler
    from aetool.runtime.codec import Codec
    from aetool.system.progress import Report
    from aetool.training.data.dataset import Dataset

Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DATASET", help="Its data set. Default: the name that the model gives."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="'NAME KEY=VALUE…'",
        help="A sampler with its options, as 'neighbours count=10'; may be repeated. Default: each as it is.",
    ),
]
EvaluateSeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws. Default: 0.")]
DataDir = Annotated[
    str | None, typer.Option("--data-dir", metavar="DIR", help="Where named data sets lie, as for train.")
]
EvaluateThreads = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="Default: one a core.")]


def evaluate(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Bundle to evaluate.")] = None,
    data: Data = None,
    methods: Methods = None,
    seed: EvaluateSeed = 0,
    as_json: params.AsJson = False,
    data_dir: DataDir = None,
    device: params.Device = "auto",
    threads: EvaluateThreads = None,
    quiet: params.Quiet = False,
) -> None:
    """Measure a model and the images its samplers make; needs the extra [train].

    The judge is a classifier, trained once on the training images (minutes) and cached. Ratio is the Fréchet distance
    over that of reconstructed training images; novelty the distance to the nearest training image, over that of
    reconstructed test images.
    """
    from aetool.cli.choice import choose_bundle
    from aetool.cli.loading import show_loading
    from aetool.cli.report import as_json as to_json
    from aetool.cli.sinks import write_stdout
    from aetool.runtime.codec import Codec
    from aetool.system.processes import all_cores

    talk = Talk(quiet)
    samplers = _samplers(methods or [])
    bundle = choose_bundle(name, talk)
    samplers = _that_can_draw(samplers, bundle, named=bool(methods), talk=talk)
    count = threads or all_cores()
    codec = Codec(bundle, device, count)
    with show_loading(talk) as report:
        dataset = _dataset(bundle, data, data_dir, count, talk, report)
        found = _measured(codec, dataset, samplers, seed, count, report)
    write_stdout(to_json(found) if as_json else _text(found))


def _samplers(methods: list[str]) -> dict[str, Sampler]:
    """Return the samplers asked for, or all, by what the table calls them."""
    from aetool.cli.settings import configure
    from aetool.errors import UsageError, lookup
    from aetool.generation.sampling import SAMPLERS

    if not all(method.strip() for method in methods):
        raise UsageError("--method takes the name of a sampler, and its options behind it, as 'neighbours count=10'")
    asked = [(method.split(), method) for method in methods] or [([name], name) for name in SAMPLERS]
    return {shown: configure(lookup(SAMPLERS, words[0], "method"), words[1:]) for words, shown in asked}


def _that_can_draw(samplers: dict[str, Sampler], bundle: Bundle, named: bool, talk: Talk) -> dict[str, Sampler]:
    """Return the samplers that this bank can serve; where they were `named`, every one must be."""
    from aetool.errors import UsageError
    from aetool.generation.sampling import rng_for

    able, bank = {}, bundle.bank()
    for name, sampler in samplers.items():
        try:
            sampler.draw(bank, None, 1, rng_for(0))
            able[name] = sampler
        except UsageError as error:
            if named:
                raise
            talk.warn(f"{name} is left out: {error}")
    return able


def _dataset(
    bundle: Bundle, data: str | None, data_dir: str | None, threads: int, talk: Talk, report: Report
) -> Dataset:
    """Return the model's data set, split as in training."""
    from aetool.errors import InvalidInput, UsageError
    from aetool.training.data.dataset import load
    from aetool.training.data.folder import Wishes
    from aetool.training.data.named import DATASETS

    manifest, spec = bundle.manifest, bundle.manifest.image
    name = data or manifest.dataset["name"]
    if data is None and name not in DATASETS:
        raise UsageError(f"{bundle.name} was trained on «{name}»; say where that is with --data")
    wishes = Wishes(spec.channels, (spec.height, spec.width), spec.background)
    dataset = load(name, manifest.training["seed"], data_dir, report, wishes, threads)
    if dataset.spec.shape != spec.shape or dataset.classes != manifest.classes:
        raise InvalidInput(f"{dataset.name} has other images or classes than {bundle.name} was trained on")
    if dataset.sha256 != manifest.dataset["sha256"]:
        talk.warn(f"{dataset.name} is not what {bundle.name} was trained on; that may have held these test images")
    return dataset


def _measured(
    codec: Codec, dataset: Dataset, samplers: dict[str, Sampler], seed: int, threads: int, report: Report
) -> dict[str, Any]:
    from aetool.training.evaluation import judge, quality
    from aetool.training.pca import pca_mse

    bundle, train, test = codec.bundle, dataset.train.pixels, dataset.test.pixels
    found: dict[str, Any] = {
        "model": {"name": bundle.name, "identity": bundle.identity},
        "data": {"name": dataset.name, "sha256": dataset.sha256, "train": len(train), "test": len(test)},
        "distortion": {"test": quality.distortion(codec, dataset), "latent_size": bundle.manifest.latent_size},
        "seed": seed,
    }
    found["distortion"]["pca"] = pca_mse(train, test, bundle.manifest.latent_size, 0)
    if len(dataset.classes) > 1:
        chosen = judge.find_judge(dataset, threads, report)
        found["judge"] = {"accuracy": judge.accuracy(chosen, dataset), "features": judge.FEATURES}
        rows = quality.evaluate(codec, dataset, chosen, samplers, seed, report)
        found["rows"] = [row.to_dict() for row in rows]
    return found


COLUMNS = {"accuracy": "accuracy", "worst_class": "worst", "frechet": "Fréchet", "ratio": "ratio",
           "precision": "prec.", "recall": "recall", "density": "dens.", "coverage": "cover.",
           "novelty": "novelty"}  # fmt: skip
"""Figures of a row and what the table calls them."""


def _text(found: dict[str, Any]) -> str:
    from aetool.cli.report import as_table

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
