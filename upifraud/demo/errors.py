"""Errors of the demo; each message says what was expected, what came and what to do."""

from __future__ import annotations


class DemoError(Exception):
    """The demo could not be shown to its end."""


class RetryableError(DemoError):
    """The same demo may run when it is started again."""


class FatalError(DemoError):
    """The same demo will fail again until somebody changes something."""


class PlanError(FatalError):
    """What was asked for cannot be shown."""


class AlreadyRunningError(RetryableError):
    """Another demo uses the same directory."""


class WorkerEndedError(RetryableError):
    """The worker ended before it was told to, or not cleanly."""


class ApiEndedError(RetryableError):
    """The API ended before it was told to, or not cleanly."""


class StalledError(RetryableError):
    """Payments wait, and the worker finishes none."""


class UnaccountedError(FatalError):
    """What the switch sent and what the worker made of it do not agree."""
