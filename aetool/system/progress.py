"""The progress report of long work."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, int | None, str], None]
"""A function of stage, amount done, whole amount (None if unknown), and a text of both."""
