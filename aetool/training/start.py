"""The start of a run with the weights of another: what is taken over, and what must not be asked for otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from aetool.bundle.lookup import find_path
from aetool.errors import BundleError, InvalidInput, UsageError, printable
from aetool.training import run_folder
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset
from aetool.training.record import Record, read_record

if TYPE_CHECKING:
    from torch import Tensor


def taken(name: str, pictures: bool) -> dict[str, Any]:
    """Return the settings that a new run takes over from the run `name`, on a folder of pictures or on other data.

    Raises `UsageError` for a bundle, and where no run is called so.
    """
    run, record = _found(name)
    config, spec = record.config, record.spec
    assert spec is not None
    prepared = {"channels": spec.channels, "size": (spec.height, spec.width)} if pictures else {}
    settings = {"architecture": config.architecture, "options": config.options, "latent_size": config.k}
    return settings | prepared | {"start": run}


def refuse_others(taken_over: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise `UsageError` where a setting was given with another value than the one taken over."""
    for name, value in taken_over.items():
        if name != "start" and given.get(name, value) != value:
            what = f"another {name.replace('_', ' ')}".replace("another options", "other options")
            other = f"{_told(value)}, not {_told(given[name])}"
            raise UsageError(f"{printable(taken_over['start'])} has {what}: {other}", fix="start")


def _told(value: Any) -> str:
    """Return a setting as it is typed."""
    if is_dataclass(value) and not isinstance(value, type):
        options = {key: ",".join(map(str, v)) if isinstance(v, tuple) else v for key, v in asdict(value).items()}
        return " ".join(f"{key}={v}" for key, v in options.items())
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def started(config: TrainConfig, pictures: bool) -> TrainConfig:
    """Return the configuration of a run that starts with another, with all settings taken over."""
    if config.start is None:
        return config
    usual, settings = TrainConfig(), taken(config.start, pictures)
    refuse_others(settings, {key: v for key in settings if (v := getattr(config, key)) != getattr(usual, key)})
    return replace(config, **settings)


def first_weights(config: TrainConfig, data: Dataset) -> dict[str, Tensor] | None:
    """Return the tensors of the first network of a run, None where the run starts afresh.

    Raises `InvalidInput` for images of another shape than those of the run to start with.
    """
    if config.start is None:
        return None
    from aetool.training.trained import trained_network

    run, record = _found(config.start)
    assert record.spec is not None
    if data.spec.shape != record.spec.shape:
        shapes = [" x ".join(map(str, spec.shape)) for spec in (data.spec, record.spec)]
        raise InvalidInput(f"{data.name} has images of {shapes[0]}, and {run} was trained on {shapes[1]}")
    network, _, _ = trained_network(record.config, record.spec, run_folder.find(run))
    return {f"network.{name}": tensor for name, tensor in network.state_dict().items()}


def _found(name: str) -> tuple[str, Record]:
    """Return the folder and the record of the run `name`."""
    try:
        run = run_folder.find(name)
    except UsageError as error:
        try:
            find_path(name, offline=True)
        except (BundleError, UsageError):
            raise error from None
        raise UsageError(f"{printable(name)} is a bundle, without what training needs", fix="start-bundle") from None
    record = read_record(run)
    if record.spec is None:
        raise BundleError(
            f"{run} does not say which size its images have, as runs of aetool 0.1: it can only go on by itself"
        )
    return str(run), record
