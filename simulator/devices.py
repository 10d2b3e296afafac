"""Which device somebody pays from at a moment, and since when: people change phones and SIM cards now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.randomness import hashed, key_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.population import Population


def device_at(
    population: Population, person: NDArray[np.int64], moment: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return each person's device at a moment (epoch ms), and when this person's account was bound to it.

    Whoever pays from somebody else's device has the same device, bound at the same time.
    """
    people = population.people
    owner = people.device_owner[person]
    period, offset = people.device_period[owner], people.device_offset[owner]
    phone = (moment - offset) // period
    device = hashed(key_for(population.key, 21), owner * 4_096 + phone)
    return device | np.uint64(1), phone * period + offset  # never 0, which stands for none


def sim_at(population: Population, person: NDArray[np.int64], moment: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when each person's SIM was last changed before a moment, epoch ms."""
    period, offset = population.people.sim_period[person], population.people.sim_offset[person]
    changed: NDArray[np.int64] = (moment - offset) // period * period + offset
    return changed
