"""Payments as the switch publishes them, as columns, with the truth about them beside."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from simulator import codes
from simulator.devices import device_at, sim_at
from simulator.legs import UNGIVEN, USUAL, Legs
from simulator.places import NOWHERE
from simulator.randomness import chances, hashed, key_for, mix
from simulator.timeline import DAY_MS, cell_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from simulator.parties import Directory
    from simulator.population import Population

NO_MCC: Final = -1
NO_RRN: Final = -1
_SIM_KNOWN_FOR: Final = 730 * DAY_MS
_JITTER: Final = 12
"""How far a phone's position is off: 12 ten-thousandths of a degree, 130 m."""
_REMARKS: Final = 48
"""How many different remarks people write."""


@dataclass(frozen=True, slots=True)
class Payments:
    """A run of payments in the order of their times, one row each; every number is as it goes on the wire.

    Times are epoch milliseconds, UNGIVEN where not given; places ten-thousandths of a degree, NOWHERE where not given;
    codes as in `codes` and `reference`, 0 where not given; device and remarks 0 where not given. The last four columns
    are the truth, which is not published.
    """

    transaction: NDArray[np.uint64]
    event_time: NDArray[np.int64]
    payer: NDArray[np.int64]
    payee: NDArray[np.int64]
    amount_paise: NDArray[np.int64]
    rrn: NDArray[np.int64]
    flow: NDArray[np.uint8]
    type: NDArray[np.uint8]
    initiation: NDArray[np.uint8]
    status: NDArray[np.uint8]
    mcc: NDArray[np.int16]
    device: NDArray[np.uint64]
    device_bound_at: NDArray[np.int64]
    sim_changed_at: NDArray[np.int64]
    payer_bank: NDArray[np.uint8]
    payee_bank: NDArray[np.uint8]
    latitude: NDArray[np.int32]
    longitude: NDArray[np.int32]
    app: NDArray[np.uint8]
    remarks: NDArray[np.uint64]
    typology: NDArray[np.uint8]
    lookalike: NDArray[np.uint8]
    campaign: NDArray[np.int64]
    reported_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.event_time)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Return the given rows, in the order given."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def retimed(self, shift: NDArray[np.int64]) -> Self:
        """Return the payments moved in time, each by its own shift in milliseconds, with all that belongs to it."""
        moved = {
            name: np.where(getattr(self, name) == UNGIVEN, UNGIVEN, getattr(self, name) + shift)
            for name in ("event_time", "device_bound_at", "sim_changed_at", "reported_at")
        }
        return replace(self, **moved)

    @classmethod
    def joined(cls, runs: Sequence[Self]) -> Self:
        """Return runs of payments as one."""
        return cls(*(np.concatenate([getattr(run, field.name) for run in runs]) for field in fields(cls)))


class Dresser:
    """Turns legs into payments; what it adds follows from the leg and its id alone."""

    def __init__(self, population: Population, directory: Directory, run_key: int) -> None:
        self._population = population
        self._directory = directory
        self._run_key = run_key
        self._key = key_for(population.key, 31)

    def dress(self, legs: Legs, cell: int) -> Payments:
        """Return the payments of an hour, given all its legs in order."""
        people, merchants = self._population.people, self._population.merchants
        serial = np.arange(len(legs), dtype=np.uint64)
        transaction = mix((serial | np.uint64(cell << 24)) ^ np.uint64(self._run_key))
        luck = [chances(self._key + number, transaction) for number in range(7)]

        device, bound_at = device_at(self._population, legs.payer, legs.event_time)
        device = np.where(legs.device == USUAL, device, legs.device)
        bound_at = np.where(legs.device_bound_at == USUAL, bound_at, legs.device_bound_at)
        sim_changed_at = sim_at(self._population, legs.payer, legs.event_time)
        sim_changed_at = np.where(legs.sim_changed_at == USUAL, sim_changed_at, legs.sim_changed_at)
        silent_bank = chances(self._key + 8, people.bank[legs.payer].astype(np.int64)) < 0.3
        sim_unknown = silent_bank | (luck[0] < 0.04) | (sim_changed_at < legs.event_time - _SIM_KNOWN_FOR)
        deviceless = luck[1] < 0.02  # paid from a phone that is no smartphone

        mcc = np.where(luck[2] < 0.7, 0, NO_MCC).astype(np.int16)  # of a person, where it is given at all
        at_shop = (legs.flow == codes.P2M) & (legs.payee >= len(people)) & (legs.payee < len(people) + len(merchants))
        mcc[at_shop] = merchants.mcc[legs.payee[at_shop] - len(people)]
        strange_shop = (legs.flow == codes.P2M) & ~at_shop
        mcc[strange_shop] = np.where(luck[3][strange_shop] < 0.5, 5499, 7299)
        mcc[luck[2] > 0.97] = NO_MCC

        latitude = np.where(legs.latitude == USUAL, people.latitude[legs.payer], legs.latitude).astype(np.int64)
        longitude = np.where(legs.longitude == USUAL, people.longitude[legs.payer], legs.longitude).astype(np.int64)
        wobble = hashed(self._key + 9, transaction)
        north = (wobble % np.uint64(2 * _JITTER + 1)).astype(np.int64) - _JITTER
        east = (wobble // np.uint64(1 << 32) % np.uint64(2 * _JITTER + 1)).astype(np.int64) - _JITTER
        private = chances(self._key + 10, legs.payer) < 0.15
        unplaced = private | (luck[3] > 0.92) | (latitude == NOWHERE)

        remarks = hashed(self._key, (luck[4] * (_REMARKS * 4)).astype(np.int64)) | np.uint64(1)
        payee_bank = self._directory.banks(legs.payee)
        payer_bank = people.bank[legs.payer].copy()
        payer_bank[luck[5] < 0.02] = 0
        payee_bank[luck[5] > 0.95] = 0
        app = people.app[legs.payer].copy()
        app[luck[6] < 0.04] = 0
        rrn = _rrn_base(cell) + (serial.astype(np.int64) % 1_000_000)
        rrn[luck[6] > 0.98] = NO_RRN
        return Payments(
            transaction=transaction,
            event_time=legs.event_time,
            payer=legs.payer,
            payee=legs.payee,
            amount_paise=legs.amount_paise,
            rrn=rrn,
            flow=legs.flow,
            type=legs.type,
            initiation=legs.initiation,
            status=legs.status,
            mcc=mcc,
            device=np.where(deviceless, np.uint64(0), device),
            device_bound_at=np.where(deviceless | (luck[1] > 0.94), UNGIVEN, bound_at),
            sim_changed_at=np.where(sim_unknown, UNGIVEN, sim_changed_at),
            payer_bank=payer_bank,
            payee_bank=payee_bank,
            latitude=np.where(unplaced, NOWHERE, latitude + north).astype(np.int32),
            longitude=np.where(unplaced, NOWHERE, longitude + east).astype(np.int32),
            app=app,
            remarks=np.where(luck[4] < 0.25, remarks, np.uint64(0)),
            typology=legs.typology,
            lookalike=legs.lookalike,
            campaign=legs.campaign,
            reported_at=legs.reported_at,
        )


def _rrn_base(cell: int) -> int:
    """Return the first retrieval reference number of an hour: YDDDHH000000, as the network numbers them in UTC."""
    moment = np.datetime64(cell_start(cell), "ms")
    year = moment.astype("datetime64[Y]")
    day = int((moment.astype("datetime64[D]") - year.astype("datetime64[D]")).astype(int)) + 1
    hour = int((moment - moment.astype("datetime64[D]")).astype("timedelta64[h]").astype(int))
    return ((int(year.astype(int)) % 10 * 1_000 + day) * 100 + hour) * 1_000_000
