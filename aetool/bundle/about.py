"""What an author says of a model: licence, name and description, for its card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aetool.errors import UsageError, printable

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
MOST = {"license": 64, "author": 500, "description": 20_000}
"""Characters of the longest text of each kind."""


@dataclass(frozen=True)
class About:
    """The licence as an identifier of SPDX in small letters, as hubs have it; author and description in free words.

    Raises `UsageError` for any other licence, and for texts that are too long.
    """

    license: str | None = None
    author: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        """Check the texts."""
        if self.license is not None and not LICENSE.fullmatch(self.license):
            raise UsageError(
                f'a licence is an identifier such as mit, apache-2.0 or cc-by-4.0, not "{printable(self.license[:80])}"'
            )
        for name, most in MOST.items():
            text = getattr(self, name)
            if text is not None and (len(text) > most or not text.strip()):
                raise UsageError(f"the {name} has {len(text):,} characters; 1 to {most:,}, not all blank, are expected")

    def to_dict(self) -> dict[str, str]:
        """Return the texts that there are, as JSON has them."""
        texts = {"license": self.license and self.license.lower(), "author": self.author}
        return {name: text for name, text in (texts | {"description": self.description}).items() if text is not None}

    @classmethod
    def from_dict(cls, value: Any) -> About | None:
        """Return what a manifest holds; raises `ValueError` for anything else."""
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(value.get(name, ""), str) for name in MOST):
            raise ValueError("about holds what is no text")
        return cls(**{name: value[name] for name in MOST if name in value})


def about(license: str | None, author: str | None, description: str | None) -> About | None:
    """Return what is said of a model, None where nothing is."""
    said = About(license, author, description)
    return said if said.to_dict() else None
