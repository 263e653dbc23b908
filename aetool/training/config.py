"""The settings of a training run, without torch, for the command line."""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from aetool.choices import DATASETS, LAYOUTS, device_named
from aetool.errors import BundleError, UsageError, lookup
from aetool.images.spec import MOST_CHANNELS, SIDES
from aetool.training.architectures.options import ARCHITECTURES, ArchitectureConfig, BlendConfig

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16")
LATENT_SIZE, BATCH_SIZE, LEARNING_RATE = 16, 128, 1e-2
FIXED: dict[str, Any] = {
    "latent_size": LATENT_SIZE, "batch_size": BATCH_SIZE, "lr": LEARNING_RATE, "shift": 0, "patience": 0,
}  # fmt: skip
"""Settings of named data sets, where a user gives no others."""


@dataclass(frozen=True)
class TrainConfig:
    """All inputs of the weights besides the data; stored in the run folder as config.json.

    files_from is the name of the list of pictures that the images were named in; the run folder keeps the names.
    channels, size (height, width) and background prepare the images of a folder, layout those of an array (see
    `data.folder.FolderOptions`).
    shift is the largest random move of an image in pixels, elastic the standard deviation of random bending in pixels,
    affine the largest random turn in degrees and change of scale in %, both left out in the last fifth of the steps.
    precision is the precision of the forward and backward passes; weights and
    loss stay float32. lr is the peak of a one-cycle schedule over the epochs. patience is the number of steps without a
    better network after which training ends early, 0 for never. threads are included because the last bits of sums on
    a CPU depend on the threads. start is the run whose weights the first ones are; more are the epochs of each
    continuation of the finished run. ranks are the processes of a training by several, None for one, whose threads are
    those of each; sums over several differ from those of one in their last bits. None stands otherwise for a choice by
    the data, see `defaults.settled`.
    """

    dataset: str = "digits"
    data_dir: str | None = None
    files_from: str | None = None
    start: str | None = None
    channels: int | None = None
    size: tuple[int, int] | None = None
    background: int | None = None
    layout: str | None = None
    architecture: str = "blend"
    options: ArchitectureConfig = field(default_factory=BlendConfig)
    latent_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float = 1e-4
    shift: int | None = None
    elastic: float = 0.0
    affine: float = 0.0
    patience: int | None = None
    precision: str = "float32"
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    more: tuple[int, ...] = ()
    ranks: int | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for values of no possible training."""
        lookup(ARCHITECTURES, self.architecture, "architecture")
        object.__setattr__(self, "device", device_named(self.device))
        lookup(dict.fromkeys(DEVICES), self.device, "device")
        lookup(dict.fromkeys(PRECISIONS), self.precision, "precision")
        whole = {
            "latent size": self.latent_size, "batch size": self.batch_size, "threads": self.threads,
            "epochs": self.epochs,
        }  # fmt: skip
        for name, value in whole.items():
            if value is not None and value < 1:
                raise UsageError(f"the {name} must be at least 1, not {value}")
        if min(self.more, default=1) < 1:
            raise UsageError(f"a run goes on for at least 1 epoch, not {min(self.more)}")
        if (self.latent_size or 0) > 1 << 16 or self.threads > 1024:
            raise UsageError("the latent size is at most 65,536, and there are at most 1,024 threads")
        if self.batch_size == 1:
            raise UsageError("the batch size must be at least 2: batch normalisation compares images")
        self._check_images()
        if (self.patience or 0) < 0:
            raise UsageError(f"the patience is a number of steps, 0 for none, not {self.patience}")
        if self.lr is not None and not (self.lr > 0 and math.isfinite(self.lr)):
            raise UsageError(f"the learning rate must be above 0, not {self.lr}")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"the seed must be from 0 to 2^63 - 1, not {self.seed}")

    def _check_images(self) -> None:
        """Raise `UsageError` for values by which no images can be prepared or changed."""
        if self.layout is not None:
            lookup(LAYOUTS, self.layout, "layout")
        if self.channels is not None and not 1 <= self.channels <= MOST_CHANNELS:
            raise UsageError(f"images have 1 channel (grey), 3 (colour), or up to {MOST_CHANNELS}, not {self.channels}")
        if self.size is not None and not all(side in SIDES for side in self.size):
            given = f"{self.size[0]}x{self.size[1]}"
            raise UsageError(f"images can be trained on from 8 to {SIDES[-1]} pixels a side, not {given}")
        changes = {
            "shifted by 0 to 64 pixels": self.shift or 0, "bent by 0 to 64 pixels": self.elastic,
            "turned by 0 to 64 degrees": self.affine,
        }  # fmt: skip
        for change, amount in changes.items():
            if not 0 <= amount <= 64:
                raise UsageError(f"images can be {change}, not {amount}")
        if self.background is not None and not 0 <= self.background <= 255:
            raise UsageError(f"the background is a grey level from 0 to 255, not {self.background}")

    @property
    def k(self) -> int:
        """The latent size."""
        return self.latent_size or LATENT_SIZE

    @property
    def chooses(self) -> bool:
        """Whether the best network of the run is kept: not in runs of older versions, which have no patience."""
        return self.patience is not None

    def batch(self, images: int) -> int:
        """Return the images a step, of `images` training images."""
        return min(self.batch_size or BATCH_SIZE, images)

    def steps_per_epoch(self, images: int) -> int:
        """Return the full batches among `images` training images."""
        return images // self.batch(images)

    def epochs_of(self, images: int) -> int:
        """Return the configured epochs, or the epochs of about 2,500 steps."""
        return self.epochs or max(10, math.ceil(2500 / self.steps_per_epoch(images)))

    def steps(self, images: int) -> int:
        """Return the steps of a whole training on `images` training images."""
        return self.epochs_of(images) * self.steps_per_epoch(images)

    def command(self) -> str:
        """Return the command line of the same weights, with base names of files and folders."""
        program = f"torchrun --nproc-per-node {self.ranks} -m aetool train" if self.ranks else "aetool train"
        words = [program, *self._source()]
        words += ["--start", shlex.quote(Path(self.start).name)] if self.start else []
        flags = {
            "arch": "architecture", "latent-dim": "latent_size", "epochs": "epochs", "batch-size": "batch_size",
            "lr": "lr", "shift": "shift", "elastic": "elastic", "affine": "affine", "patience": "patience",
            "precision": "precision", "channels": "channels", "background": "background", "layout": "layout",
            "seed": "seed",
        }  # fmt: skip
        usual = TrainConfig()
        if self.dataset in DATASETS and not self.files_from:
            usual = replace(usual, **FIXED)
        for flag, name in flags.items():
            if getattr(self, name) not in (None, getattr(usual, name)) and not (
                name == "background" and self._of_old()
            ):
                words.append(f"--{flag} {getattr(self, name)}")
        if self.size is not None:
            words.append(f"--size {self.size[0]}x{self.size[1]}")
        words.append(f"--threads {self.threads}")  # always: the command line's default is one a core
        for key, value in asdict(self.options).items():
            if value != getattr(ARCHITECTURES[self.architecture], key):
                words.append(f"--set {key}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
        more = [f"{program} --more-epochs {epochs}" for epochs in self.more]
        return " && ".join([" ".join(words), *more])

    def _of_old(self) -> bool:
        """Return whether the background is the default of earlier versions, which named data sets and files refuse."""
        return self.background == 0 and (self.dataset in DATASETS or Path(self.dataset).is_file())

    def _source(self) -> list[str]:
        """Return the words for the data; ./NAME is a folder that is called like a data set."""
        if self.files_from:
            return ["--files-from", shlex.quote(Path(self.files_from).name)]
        name = Path(self.dataset).name
        return [shlex.quote(f"./{name}" if name in DATASETS and self.dataset != name else name)]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainConfig:
        """Return the settings from the values of `to_dict`; raises `BundleError` for any other values."""
        try:
            options: Any = type(lookup(ARCHITECTURES, data["architecture"], "architecture"))
            given = {key: tuple(v) if isinstance(v, list) else v for key, v in data["options"].items()}
            known = {f.name for f in fields(cls)}
            size = tuple(data["size"]) if data.get("size") else None
            kept = {key: value for key, value in data.items() if key in known}
            return cls(**kept | {"options": options(**given), "size": size, "more": tuple(data.get("more", ()))})
        except (KeyError, TypeError, AttributeError, UsageError) as error:
            raise BundleError(f"this is not the configuration of a training run: {error}") from error
