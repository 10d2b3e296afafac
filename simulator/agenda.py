"""The agenda: what stories have in store for each hour, whatever hour one begins with."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from simulator.legs import Legs
from simulator.timeline import cell_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.legs import Leg


class Teller(Protocol):
    """Tells the stories that begin on a day."""

    @property
    def days(self) -> int:
        """How many days a story lasts at most, the one on which it begins included."""

    def day(self, day: int) -> list[Leg]:
        """Return the payments of the stories that begin on this day."""


class Agenda:
    """Collects stories day by day and gives out their legs hour by hour, in ascending order of hours.

    The legs of an hour do not depend on the first hour asked for: the stories of the days before it are told as well.
    """

    def __init__(self, tellers: Sequence[Teller]) -> None:
        self._tellers = tellers
        self._hours: dict[int, list[Leg]] = defaultdict(list)
        self._first_day: int | None = None
        self._next_day = 0

    def hour(self, cell: int) -> Legs:
        """Return the legs of an hour, in the order in which they were told; hours before it are forgotten."""
        day = cell // 24
        if self._first_day is None:
            self._first_day = day
            self._next_day = day + 1 - max(teller.days for teller in self._tellers)
        for today in range(self._next_day, day + 1):
            for teller in self._tellers:
                # Stories of earlier days are over before the first hour asked for.
                for leg in teller.day(today) if today > self._first_day - teller.days else ():
                    at = cell_of(leg.event_time)
                    if at >= cell:
                        self._hours[at].append(leg)
        self._next_day = day + 1
        return Legs.of(self._hours.pop(cell, []))
