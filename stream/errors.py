"""What can go wrong at the Kafka edge and in its stores, split by what has to be done about it.

Retryable: the same call may succeed later, so the worker waits and says so. Poison: this one record can never be
processed, so it becomes a dead letter and its neighbours go on. Fatal: somebody has to change something, so the worker
ends with exit code 1 and leaves every offset that it did not finish uncommitted.
"""

from __future__ import annotations


class StreamError(Exception):
    """The stream failed."""

    def __str__(self) -> str:
        """Return the message, or the first line of the docstring where none was given."""
        return super().__str__() or (type(self).__doc__ or "").strip().splitlines()[0]


class RetryableError(StreamError):
    """A server did not answer; the same call may succeed later."""

    def __init__(self, message: str = "", *, server: str = "") -> None:
        super().__init__(message)
        self.server = server


class PoisonError(StreamError):
    """This record can never be processed; it belongs on the dead-letter topic."""


class FatalError(StreamError):
    """The worker cannot go on until somebody changes something."""


class SettingsError(FatalError):
    """A setting is missing or has a value that cannot be used."""


class OffsetLostError(FatalError):
    """The offset to go on from is no longer, or not yet, in the log."""


class TopicRenewedError(FatalError):
    """A source topic is not the one whose records were applied, or has lost some of them."""


class KafkaRefusedError(FatalError):
    """Kafka refused a request in a way that trying again does not cure."""


class SendRefusedError(FatalError):
    """Faust was asked to send a record; this program sends through its own confirmed producer only."""


class PortTakenError(FatalError):
    """Another process listens on the metrics port."""
