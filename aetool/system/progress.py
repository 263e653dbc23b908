"""Progress of long work, as libraries report it."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, int | None, str], None]
"""Told what is under way, how much is done, how much there is in all where that is known, and both as text."""
