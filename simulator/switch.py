"""The UPI switch: its payments between any two moments are a function of the parameters and those moments alone.

Time is cut into hours, and each is made by itself from what the parameters fix. So a run from day 0 to 45 and one from
day 45 to 60 together are the run from day 0 to 60, payment by payment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator import codes
from simulator.agenda import Agenda
from simulator.errors import ParameterError
from simulator.fraud.campaigns import Fraudsters, Reusers
from simulator.honest.stories import STORY_SHARE, HonestStories
from simulator.ordinary import OrdinaryLife
from simulator.parties import Directory
from simulator.payments import Dresser, Payments
from simulator.population import settle
from simulator.randomness import generator
from simulator.timeline import EARLIEST_MS, LATEST_MS, cell_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.legs import Legs
    from simulator.parameters import Parameters


class Switch:
    """Makes the payments of a population, hour by hour."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.population = settle(parameters)
        self.directory = Directory(self.population)
        a_day = parameters.payments_a_day
        self._ordinary = OrdinaryLife(self.population, a_day * (1 - STORY_SHARE) * (1 - parameters.fraud_rate))
        self._dresser = Dresser(self.population, self.directory, parameters.run_key)
        self._tellers = (
            HonestStories(self.population, a_day * (1 - parameters.fraud_rate)),
            Fraudsters(
                self.population, parameters.campaign_key, a_day * parameters.fraud_rate, parameters.reused_payees
            ),
            Reusers(
                self.population,
                parameters.campaign_key,
                a_day * parameters.fraud_rate * parameters.reused_payees,
            ),
        )

    def payments(self, start: int, until: int) -> Iterator[Payments]:
        """Yield the payments with start <= event_time < until (epoch ms), an hour at a time, in order of event_time.

        Raises ParameterError where the times are none that can be simulated.
        """
        if not EARLIEST_MS <= start <= until <= LATEST_MS:
            raise ParameterError(
                f"times: expected a start before an end, both from 2000 to 2049, got {start} and {until} (epoch ms)"
            )
        agenda = Agenda(self._tellers)
        for cell in range(cell_of(start), cell_of(until - 1) + 1):
            payments = self._hour(cell, agenda)
            first, last = np.searchsorted(payments.event_time, (start, until))
            if first > 0 or last < len(payments):
                payments = payments.take(slice(first, last))
            if len(payments):
                yield payments

    def _hour(self, cell: int, agenda: Agenda) -> Payments:
        legs = self._ordinary.hour(cell).join(agenda.hour(cell))
        legs = legs.take(np.argsort(legs.event_time, kind="stable"))
        if self.parameters.hot_payee:
            self._heat(legs, cell)
        return self._dresser.dress(legs, cell)

    def _heat(self, legs: Legs, cell: int) -> None:
        """Send a share of the traffic to one shop; frauds keep their payees, so it takes a little more of the rest."""
        share = min(1.0, self.parameters.hot_payee / (1 - self.parameters.fraud_rate))
        struck = generator(self.parameters.run_key, 53, cell).random(len(legs)) < share
        struck &= legs.typology == codes.HONEST
        hot = len(self.population.people) + len(self.population.merchants) - 1  # hardly anybody else pays it
        changes = ((legs.payee, hot), (legs.flow, codes.P2M), (legs.type, codes.PAY), (legs.initiation, codes.QR))
        for column, value in changes:
            column[struck] = value
