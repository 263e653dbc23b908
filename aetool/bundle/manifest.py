"""The manifest of a bundle, bundle.json."""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass
from types import NoneType
from typing import Any

from aetool.arrays import OneLine
from aetool.bundle.about import About
from aetool.bundle.golden import Golden, GoldenPictures, Samples
from aetool.bundle.scoring import Scoring, are_quantiles
from aetool.errors import BundleError, printable
from aetool.images.spec import MOST_CHANNELS, PREPARATIONS, ImageSpec, spec_of

FORMAT = "aetool bundle"
VERSION, BEFORE = 3, 2
"""The newest version, and the one that is written where an older aetool can read the manifest: with whole golden images
of 1 or 3 channels, and weights in float32. Fields added to a version by a later 0.x are optional. Version 1 is read as
well."""


@dataclass(frozen=True, eq=False, repr=False)
class Manifest(OneLine):
    """All of bundle.json.

    image          how pictures become images (`ImageSpec`); in the file the preparation lies beside it, with its words
    latent_size    k
    classes        class names, empty where there are none
    architecture   {"name", "options"}
    layers         rows {"part", "layer", "input", "output", "parameters", and "kernel", "stride", "padding"}, shapes
                   without n
    dataset        {"name", "sha256", "train", "test"}: counts of images; "found": counts at export, if some were gone
    training       every setting, and steps, epochs, seconds; "planned_steps"; "left_out": unusable files; "imported":
                   tool and sha256 of the source of graphs that were trained elsewhere
    exported       UTC, ISO 8601
    distortion     {"train", "test", "pca"}: mse; {"psnr", "ssim"} on test images; "quantiles": 101 of the held-out mse,
                   absent without held-out images; None where nothing could be measured
    parity         torch, or the source of imported graphs, against ONNX Runtime: batches, figures and bounds
    golden         see `Golden`
    pictures       see `GoldenPictures`; None for a model that was trained on no picture files
    weights        {"type": "float16", "images", "found", "bounds"}: how the weights are stored, and what that changed;
                   None for float32
    scoring        see `Scoring`; None without held-out images, and in bundles of older versions
    about          see `About`; None where nothing was said
    """

    image: ImageSpec
    latent_size: int
    classes: tuple[str, ...]
    architecture: dict[str, Any]
    layers: list[dict[str, Any]]
    dataset: dict[str, Any]
    training: dict[str, Any]
    exported: str
    distortion: dict[str, Any]
    parity: dict[str, Any]
    golden: Golden
    pictures: GoldenPictures | None = None
    weights: dict[str, Any] | None = None
    scoring: Scoring | None = None
    about: About | None = None

    @property
    def stopped(self) -> str | None:
        """Where an unfinished training stopped, as "stopped at step 437 of 5,000"; None for a finished training."""
        step, planned = self.training["steps"], self.training.get("planned_steps")
        return f"stopped at step {step:,} of {planned:,}" if type(planned) is int and step < planned else None

    @property
    def imported(self) -> bool:
        """Whether the graphs were trained elsewhere, and imported."""
        return "imported" in self.training

    @property
    def choice(self) -> str | None:
        """How the network was chosen among those of its training; None for a training of an older version."""
        by, d = self.training.get("chosen_by"), self.distortion
        if by is None:
            return None
        early = "; patience ended the training early" if "patience_ended" in self.training else ""
        text = f"the network of step {self.training['best_step']:,}, chosen by the {by} images"
        if by == "test":
            return f"{text}, as there were too few to spare others{early}"
        return f"{text}: mse {d['validation']:.5f}, PCA {d['validation_pca']:.5f}{early}"

    @property
    def stored(self) -> str | None:
        """How the weights are stored, where not in float32, and what that changed."""
        if self.weights is None:
            return None
        found = self.weights["found"]
        mse, pixels = (f"{100 * found[name]:.2g} %" for name in ("mse", "pixels"))
        changed = f"mse moved by {mse}, {pixels} of pixels by more than a level"
        return f"{self.weights['type']}, computed in float32: {changed} ({self.weights['images']} images)"

    def quantiles(self) -> list[float]:
        """Return the quantiles of the held-out mse; raises `BundleError` for a model without held-out images."""
        if "quantiles" not in self.distortion:
            raise BundleError("this model was exported without held-out images to score by", fix="no-quantiles")
        found: list[float] = self.distortion["quantiles"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as plain JSON values, golden images as base64 of little-endian float32."""
        named = {name: getattr(self, name) for name in ("latent_size", "classes", *PLAIN)}
        known = self.image.channels in (1, 3) and not isinstance(self.golden.images, Samples) and self.weights is None
        head: dict[str, Any] = {"format": FORMAT, "version": BEFORE if known else VERSION, **self.image.to_dict()}
        if self.pictures is not None:
            head["preparation"]["golden"] = self.pictures.to_dict()
        stored = {} if self.weights is None else {"weights": self.weights}
        scored = {} if self.scoring is None else {"scoring": self.scoring.to_dict()}
        said = {} if self.about is None else {"about": self.about.to_dict()}
        return head | named | said | stored | scored | {"golden": self.golden.to_dict()}

    def to_json(self) -> bytes:
        """Return bundle.json."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace") + b"\n"  # a lone surrogate becomes \\udcXX, as JSON has it

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Return the manifest in `data`; raises `BundleError` for any other content."""
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BundleError("bundle.json is not JSON") from error
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise BundleError("bundle.json is not the manifest of a bundle")
        version = fields.pop("version", None)
        if type(version) is not int or not 1 <= version <= VERSION:
            raise BundleError("the bundle is of another version; update aetool")
        try:
            image, size = _image_spec(fields), _whole(fields["latent_size"], 1 << 16)
            golden = Golden.from_dict(fields["golden"], image, size)
            pictures = GoldenPictures.from_dict(fields.get("preparation", {}).get("golden"), image)
            kept: dict[str, Any] = {name: _plain(name, fields[name]) for name in PLAIN}
            kept |= {"golden": golden, "pictures": pictures, "weights": _weights(fields.get("weights"))}
            kept["about"] = About.from_dict(fields.get("about"))
            kept["scoring"] = Scoring.from_dict(fields.get("scoring"), image.shape[1:])
            return cls(image=image, latent_size=size, classes=_names(fields["classes"]), **kept)
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error, RecursionError) as error:
            fault = printable(f"{type(error).__name__}: {error}"[:200])
            raise BundleError(f"bundle.json is damaged or incomplete ({fault})") from error


PLAIN: dict[str, type] = {
    "architecture": dict, "layers": list, "dataset": dict, "training": dict, "exported": str, "distortion": dict,
    "parity": dict,
}  # fmt: skip
"""Fields for display and comparison only, with their types."""


INSIDE: dict[str, dict[str, type | tuple[type, ...]]] = {
    "architecture": {"name": str, "options": dict},
    "layers": {"part": str, "layer": str, "input": list, "output": list, "parameters": int},
    "dataset": {"name": str, "sha256": str, "train": int, "test": int},
    "training": {"command": str, "epochs": int, "steps": int, "batch_size": int, "seconds": (int, float)},
    "distortion": dict.fromkeys(("train", "test", "pca", "psnr", "ssim"), (int, float, NoneType)),
    "parity": {"batches": list, "found": dict, "bounds": dict},
}
"""The required keys of the fields, with their types (of each row, for layers)."""


def _plain(name: str, value: Any) -> Any:
    inside = value
    if not isinstance(value, PLAIN[name]):
        raise ValueError(f"{name} must be of the kind {PLAIN[name].__name__}")
    for part in value if isinstance(value, list) else [value]:
        for key, kind in INSIDE.get(name, {}).items():
            if not isinstance(part, dict) or not isinstance(part.get(key, ...), kind) or isinstance(part[key], bool):
                raise ValueError(f"{key} in {name} is missing or of the wrong kind")
    numbers: list[Any] = []
    if name in ("parity", "distortion"):
        numbers = list(inside["found"].values()) if name == "parity" else inside.get("quantiles", [])
    if not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"{name} holds what is no number")
    if name == "distortion" and "quantiles" in inside and not are_quantiles(numbers):
        raise ValueError("the quantiles of the distortion are not 101 numbers in rising order")
    return value


def _weights(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    texts, numbers = [value["type"], value["images"]], [value["found"]["mse"], value["found"]["pixels"]]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) in (int, float) for number in numbers):
        raise ValueError("weights holds what is no text, or no number")
    return dict(value)


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"a whole number from 1 to {most} expected")
    return value


def _image_spec(fields: dict[str, Any]) -> ImageSpec:
    spec = spec_of(fields)
    check_spec(spec)
    return spec


def check_spec(spec: ImageSpec) -> None:
    """Raise `ValueError` for sizes of no image."""
    if spec.preparation not in PREPARATIONS:
        raise ValueError("a version of the preparation expected")
    if type(spec.background) is not int or not 0 <= spec.background <= 255:
        raise ValueError("a background is from 0 to 255")
    sides = _whole(spec.height, 4096) * _whole(spec.width, 4096)
    if _whole(spec.channels, MOST_CHANNELS) * sides > 3 * 4096**2:
        raise ValueError("an image has more numbers than any of ours")


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values) or len(set(values)) != len(values):
        raise ValueError("class names must be different texts")
    return tuple(values)
