"""KEY=VALUE settings, as `--set` takes them, into the fields of a frozen dataclass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from aetool.errors import UsageError, lookup

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def configure(options: T, settings: Iterable[str]) -> T:
    """Return `options` with each "key=value" of `settings`; raises `UsageError` for unknown keys and wrong values."""
    return replace(options, **dict(_parse(options, setting) for setting in settings))


def _parse(options: DataclassInstance, setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals:
        keys = ", ".join(field.name for field in fields(options))
        raise UsageError(f'"{setting}" is not KEY=VALUE; the keys are {keys}')
    if not fields(options):
        raise UsageError(f"{type(options).__name__.lower()} has no options; leave --set {setting} out")
    value = lookup({f.name: getattr(options, f.name) for f in fields(options)}, key, "option")
    try:
        return key, tuple(int(part) for part in text.split(",")) if isinstance(value, tuple) else type(value)(text)
    except ValueError:
        kind = {int: "a whole number", float: "a number", tuple: "whole numbers with commas"}[type(value)]
        raise UsageError(f'{key} takes {kind}, not "{text}"') from None
