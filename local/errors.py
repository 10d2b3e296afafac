"""Errors of the local stack; each message says what was expected, what came and what to do."""

from __future__ import annotations


class LocalError(Exception):
    """Something about the local stack went wrong."""


class RetryableError(LocalError):
    """The same call may succeed when it is made again."""


class FatalError(LocalError):
    """The same call will fail again until somebody changes something."""


class PortTakenError(RetryableError):
    """Another process listens on the port that the server was to have."""


class NotReadyError(RetryableError):
    """A server was started and did not answer in time, or ended while it was starting."""


class StillRunningError(RetryableError):
    """A process did not end although it was killed."""


class MissingProgramError(FatalError):
    """A program or package that a server needs is not on this machine."""
