"""Fixtures: the models that every engine runs, and the assertion, which skips loudly where an engine is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from aetool.bundle.lookup import SHIPPED, shipped_path
from tests.engines.agreement import BATCHES, Reference, assert_agrees, differences, reference
from tests.engines.engine import Engine, Missing


@pytest.fixture(scope="session")
def references() -> dict[str, Reference]:
    """The references made so far, by name."""
    return {}


@pytest.fixture(params=[*SHIPPED, "digits"])
def model(request: pytest.FixtureRequest, references: dict[str, Reference]) -> Reference:
    """Each shipped bundle, and one trained in the test."""
    name = request.param
    if name not in references:
        path = shipped_path(name) if name in SHIPPED else request.getfixturevalue(name)
        references[name] = reference(path)
    return references[name]


Agree = Callable[..., None]


@pytest.fixture
def there() -> Callable[[Engine], None]:
    """Skip a test whose engine is missing."""

    def check(engine: Engine) -> None:
        try:
            engine.version()
        except Missing as missing:
            pytest.skip(f"ENGINE MISSING: {missing}")

    return check


@pytest.fixture
def agrees(there: Callable[[Engine], None]) -> Agree:
    """Assert that an engine gives what ONNX Runtime gives: agrees(ENGINE, model)."""

    def check(engine: Engine, found: Reference, batches: Sequence[int] = BATCHES) -> None:
        there(engine)
        assert_agrees(differences(engine, found, batches), engine.in_order)

    return check
