"""Records in the order in which they are to be delivered, with the time at which each is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from simulator.encode import encode_outcomes, encode_payments
from simulator.facts import with_facts
from simulator.traffic import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from simulator.parties import Directory
    from simulator.traffic import Stretch

TRANSACTIONS: Final = 0
OUTCOMES: Final = 1


@dataclass(frozen=True, slots=True)
class Records:
    """A run of records; `due` (epoch ms, simulated or real) never falls, and neither does it between runs."""

    topic: NDArray[np.uint8]
    """TRANSACTIONS or OUTCOMES."""
    due: NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.keys)


def encoded(traffic: Iterable[Stretch], directory: Directory, *, facts: bool = False) -> Iterator[Records]:
    """Yield the records of a traffic, each payment due at its event_time and each outcome when it is reported.

    facts: whether payments have the fields of version 1.1.
    """
    for stretch in traffic:
        order, due = merged(stretch)
        keys, values = encode_payments(stretch.payments, directory)
        if facts:
            values = with_facts(stretch.payments, values)
        if len(stretch.outcomes):
            more_keys, more_values = encode_outcomes(stretch.outcomes)
            positions = order.tolist()
            keys, values = keys + more_keys, values + more_values
            keys, values = [keys[i] for i in positions], [values[i] for i in positions]
        topic = np.where(order < len(stretch.payments), TRANSACTIONS, OUTCOMES).astype(np.uint8)
        yield Records(topic, due, list(keys), list(values))
