"""KEY=VALUE settings into frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aetool.cli.settings import configure
from aetool.errors import UsageError
from aetool.generation.sampling import Mix, Neighbours


@dataclass(frozen=True)
class Options:
    count: int = 5
    sigma: float = 0.5
    widths: tuple[int, ...] = (1, 2)


def test_no_settings_change_nothing():
    assert configure(Options(), []) == Options()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("count=7", Options(count=7)),
        ("count=-7", Options(count=-7)),
        ("sigma=2", Options(sigma=2.0)),
        ("sigma=1e-3", Options(sigma=0.001)),
        ("widths=8", Options(widths=(8,))),
        ("widths=8,16,32", Options(widths=(8, 16, 32))),
    ],
)
def test_a_setting_becomes_the_kind_of_its_field(setting, expected):
    configured = configure(Options(), [setting])
    assert configured == expected
    assert [type(value) for value in vars(configured).values()] == [int, float, tuple]


def test_settings_add_up_and_the_last_of_a_key_counts():
    assert configure(Options(count=1), ["count=2", "sigma=3", "count=4"]) == Options(count=4, sigma=3.0)


def test_the_given_options_stay_as_they_are():
    options = Options()
    configure(options, ["count=9"])
    assert options.count == 5


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("count=1.5", "a whole number"),
        ("count=", "a whole number"),
        ("count=many", "a whole number"),
        ("count=" + "9" * 5000, "a whole number"),
        ("sigma=big", "a number"),
        ("sigma=1,5", "a number"),
        ("widths=", "whole numbers with commas"),
        ("widths=8,,16", "whole numbers with commas"),
        ("widths=8;16", "whole numbers with commas"),
    ],
)
def test_a_value_of_another_kind_is_refused(setting, kind):
    key, _, value = setting.partition("=")
    with pytest.raises(UsageError) as caught:
        configure(Options(), [setting])
    assert str(caught.value) == f'{key} takes {kind}, not "{value}"'


def test_an_unknown_key_is_refused_with_a_hint():
    with pytest.raises(UsageError, match='no option "cuont" \\(did you mean "count"\\?\\); there is count, low, high'):
        configure(Neighbours(), ["cuont=3"])


def test_what_is_no_setting_is_refused_and_the_keys_are_told():
    with pytest.raises(UsageError, match='"m" is not KEY=VALUE; the keys are m, concentration'):
        configure(Mix(), ["m"])
