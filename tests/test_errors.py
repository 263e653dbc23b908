"""Errors: their exit codes, what a failed look-up says, and text that is fit for a terminal."""

from __future__ import annotations

import errno

import pytest

from aetool import errors
from aetool.errors import AetoolError, UsageError, did_you_mean, lookup, printable, reason

EXIT_CODES = {
    "AetoolError": 1,
    "UsageError": 2,
    "SomeInputsFailed": 3,
    "InvalidInput": 4,
    "BundleError": 5,
    "LimitExceeded": 6,
    "ReadWriteError": 7,
    "DeviceUnavailable": 8,
    "ThresholdPassed": 9,
    "ProcessEnded": 10,
    "RunInUse": 11,
    "PipeClosed": 141,
}


def test_every_error_has_the_exit_code_that_is_documented():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AetoolError)]
    assert {kind.__name__: kind.exit_code for kind in kinds} == EXIT_CODES


def test_errors_can_be_caught_as_the_builtin_they_stand_for():
    for name, builtin in {"UsageError": ValueError, "InvalidInput": ValueError, "ReadWriteError": OSError}.items():
        assert issubclass(getattr(errors, name), builtin)
    assert str(errors.ReadWriteError("could not read x: why")) == "could not read x: why"


def test_lookup_returns_what_the_table_holds_even_if_it_is_false():
    assert lookup({"none": None, "zero": 0}, "zero", "number") == 0
    assert lookup({"none": None, "zero": 0}, "none", "number") is None


def test_lookup_of_something_else_names_what_there_is_and_what_may_have_been_meant():
    with pytest.raises(UsageError) as caught:
        lookup({"slerp": 1, "lerp": 2}, "slarp", "method")
    assert str(caught.value) == 'no method "slarp" (did you mean "slerp"?); there is slerp, lerp'
    with pytest.raises(UsageError) as caught:
        lookup({"slerp": 1, "lerp": 2}, "zzz", "method")
    assert str(caught.value) == 'no method "zzz"; there is slerp, lerp'


def test_did_you_mean_says_nothing_where_nothing_is_near():
    assert did_you_mean("mnits", ["digits", "mnist"]) == ' (did you mean "mnist"?)'
    assert did_you_mean("xyz", ["digits", "mnist"]) == ""
    assert did_you_mean("mnist", []) == ""


def test_reason_is_what_the_system_says_without_number_and_path():
    assert reason(OSError(errno.ENOENT, "No such file or directory", "secret")) == "No such file or directory"
    assert reason(OSError("said by hand")) == "said by hand"
    assert reason(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümläute and 文字", "plain text, ümläute and 文字"),
        ("", ""),
        ("two\nlines", "two\\nlines"),
        ("\r\t", "\\r\\t"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\0\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("photo\udcff.png", "photo\\udcff.png"),
        ("\ud800", "\\ud800"),
        ("gpj.\u202egnp", "gpj.\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_printable_escapes_what_a_terminal_would_act_on(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode()
