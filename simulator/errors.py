"""Errors of the switch: one base, split by what can be done about them."""

from __future__ import annotations


class SimulatorError(Exception):
    """The switch could not do what was asked of it."""


class RetryableError(SimulatorError):
    """A server did not answer as it should; the same call may succeed later."""


class PoisonError(SimulatorError):
    """What was handed in can never be published or generated; the call must change."""


class ParameterError(PoisonError):
    """A parameter is outside what the switch can simulate."""


class DeliveryError(RetryableError):
    """The broker did not acknowledge every record."""


class StalledGroupError(RetryableError):
    """The consumer group commits nothing although records wait for it."""
