"""Fixtures: the bundles of the zoo, each imported once a session."""

from __future__ import annotations

import pytest

from tests.zoo.members import SHAPES, Imported, imported


@pytest.fixture(scope="session")
def bundles() -> dict[str, Imported]:
    """The bundles imported so far, by name."""
    return {}


@pytest.fixture(params=SHAPES)
def member(
    request: pytest.FixtureRequest, bundles: dict[str, Imported], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Imported]:
    """Each member of the zoo: its name, and its bundle."""
    name = request.param
    if name not in bundles:
        bundles[name] = imported(name, tmp_path_factory.mktemp("zoo"))
    return name, bundles[name]
