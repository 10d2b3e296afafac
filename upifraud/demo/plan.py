"""What a demo is to show: how much traffic, of whom, and at which simulated times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from simulator.parameters import Parameters
from simulator.span import HISTORY_END_MS, Span
from simulator.timeline import DAY_MS, EARLIEST_MS, LATEST_MS
from upifraud.demo.errors import PlanError

FRAUD_RATE: Final = 0.01
"""Share of the payments that are part of a fraud, so that something is to be seen of it within half a minute."""

_SPARE: Final = 1.5
"""How much longer than the mean the live traffic may take in simulated time: quiet nights, few payers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A demo, valid as a whole; PlanError where it cannot be shown."""

    seconds: float = 30.0
    """How long the live traffic lasts."""
    rate: float = 1_000.0
    """Records of live traffic a second, in an open loop."""
    payers: int = 2_000
    """So few that the longest windows fill within the warm-up."""
    seed: int = 1
    warm_up_days: int = 30
    """Simulated days that are streamed first, as fast as the worker goes."""

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.rate <= 0 or self.payments < 1:
            raise PlanError(f"Expected at least one payment, got {self.rate:g} a second for {self.seconds:g} s.")
        if self._live_ms > 20 * 365 * DAY_MS:
            raise PlanError(
                f"{self.payments} live payments of {self.payers} payers last {self._live_ms / DAY_MS:,.0f} simulated "
                "days, expected at most 20 years. Use more payers, fewer seconds or a lower rate."
            )

    @property
    def payments(self) -> int:
        """Number of live payments."""
        return round(self.seconds * self.rate)

    @property
    def parameters(self) -> Parameters:
        """What the switch is made from."""
        return Parameters(seed=self.seed, payers=self.payers, fraud_rate=FRAUD_RATE)

    @property
    def speed_up(self) -> float:
        """How much faster than on the clock simulated time passes in the live traffic."""
        return self.rate / (self.parameters.payments_a_day / 86_400)

    def live_from(self, now_ms: int) -> int:
        """Return the simulated time (epoch ms) at which the live traffic begins if the warm-up is not cut short.

        Always the same one, so that a seed shows the same payments on every day, unless the traffic would then reach
        into the future, which is a dead letter.
        """
        latest = (now_ms - self._live_ms) // DAY_MS * DAY_MS - DAY_MS + HISTORY_END_MS % DAY_MS
        return min(HISTORY_END_MS, latest)

    def span(self, now_ms: int) -> Span:
        """Return the simulated time that is streamed; the traffic is cut where the live payments have been sent."""
        start = self.live_from(now_ms) - self.warm_up_days * DAY_MS
        return Span(max(start, EARLIEST_MS), LATEST_MS)

    @property
    def _live_ms(self) -> int:
        return int(self.payments / self.parameters.payments_a_day * _SPARE * DAY_MS)
