"""What can go wrong in the verdict store, each under the class that says what the worker does about it."""

from __future__ import annotations

from stream.errors import FatalError, PoisonError, RetryableError

SERVER = "postgres"


class UnavailableError(RetryableError):
    """Postgres did not answer, or cannot do anything now; the next call opens a new connection."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message, server=SERVER)


class TooSlowError(UnavailableError):
    """A statement took longer than its session allows, and was ended."""


class ContendedError(RetryableError):
    """Another session kept changing the same rows; nothing was stored, the same call may succeed later."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message, server=SERVER)


class KeyTakenError(ContendedError):
    """A row with this key is there already; the statement stored nothing."""


class DayMissingError(ContendedError):
    """There is no partition for the day of a row; the statement stored nothing."""


class RefusedRowsError(PoisonError):
    """Postgres can never store these rows as they are."""


class NotMigratedError(FatalError):
    """The database lacks tables or functions of the verdict store: run `upifraud migrate`."""


class MigrationError(FatalError):
    """The database's tables are not the ones that this version of the program knows."""


class ModelChangedError(FatalError):
    """A model id stands for another model in the verdict store; publish the new model under an id of its own."""


class PostgresRefusedError(FatalError):
    """Postgres refused a statement in a way that trying again does not cure."""
