"""Every SQLSTATE ends in what the worker has to do about it."""

from __future__ import annotations

import pytest

from stream.errors import FatalError, PoisonError, RetryableError
from stream.verdict_store.connector import error_for
from stream.verdict_store.errors import ContendedError, DayMissingError, KeyTakenError, NotMigratedError


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("", RetryableError),  # the connection broke
        ("08006", RetryableError),  # connection failure
        ("53100", RetryableError),  # disk full
        ("53300", RetryableError),  # too many connections
        ("57P01", RetryableError),  # shutting down
        ("57P03", RetryableError),  # starting up
        ("57014", RetryableError),  # cancelled
        ("25006", RetryableError),  # read-only: a standby after a fail-over
        ("58030", RetryableError),  # I/O error
        ("40P01", ContendedError),
        ("40001", ContendedError),
        ("55P03", ContendedError),
        ("23505", KeyTakenError),
        ("22021", PoisonError),  # not UTF-8
        ("22003", PoisonError),  # out of range
        ("23502", PoisonError),  # null
        ("42P01", NotMigratedError),
        ("42883", NotMigratedError),
        ("42501", FatalError),  # no privilege
        ("28P01", FatalError),  # wrong password
        ("3D000", FatalError),  # no such database
        ("XX000", FatalError),
    ],
)
def test_sqlstate(sqlstate: str, expected: type[Exception]) -> None:
    error = error_for(sqlstate, "it was so")
    assert isinstance(error, expected)
    assert "it was so" in str(error)


def test_a_missing_day_is_no_refused_row() -> None:
    assert isinstance(error_for("23514", 'no partition of relation "verdicts_by_day" found for row'), DayMissingError)
    assert isinstance(error_for("23514", 'new row violates check constraint "outcomes_outcome_check"'), PoisonError)


def test_a_retryable_error_names_its_server() -> None:
    error = error_for("57P01", "terminating connection")
    assert isinstance(error, RetryableError)
    assert error.server == "postgres"
