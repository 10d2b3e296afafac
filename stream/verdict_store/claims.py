"""Who gets a transaction_id: the first record delivered, once and for all. Pure; the stores say what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stream.verdict_store.records import Claim

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Claimants:
    """The records of a micro-batch that claim ids, in delivery order.

    ids uint64 [n, 2], fingerprints int64 [n], partitions int32 [n], offsets int64 [n].
    """

    ids: NDArray[np.uint64]
    fingerprints: NDArray[np.int64]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.fingerprints)


@dataclass(frozen=True, slots=True)
class Contest:
    """Who claims the same id within a micro-batch."""

    first: NDArray[np.intp]
    """For every distinct id the first record that claims it. Ascending by id as Postgres orders uuid, so that
    sessions that insert the same ids wait for each other in one order and never deadlock."""
    place: NDArray[np.intp]
    """For every record the place of its id in `first`."""


@dataclass(frozen=True, slots=True)
class Known:
    """The ids of a contest that were claimed before, by whom."""

    place: NDArray[np.intp]
    fingerprints: NDArray[np.int64]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]


def contest(ids: NDArray[np.uint64]) -> Contest:
    """Find the records that claim the same id; the order of delivery decides within one id."""
    order = np.lexsort((ids[:, 1], ids[:, 0]))  # stable
    ordered = ids[order]
    leads = np.ones(len(ids), dtype=np.bool_)
    leads[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    place = np.empty(len(ids), dtype=np.intp)
    place[order] = np.cumsum(leads) - 1
    return Contest(order[leads], place)


def decide(claims: Claimants, contested: Contest, known: Known) -> NDArray[np.uint8]:
    """Return a `Claim` a record: against whoever had its id before, else against the first of the micro-batch."""
    first, place = contested.first, contested.place
    if len(first) == len(claims) and not len(known.place):  # the ordinary micro-batch
        return np.full(len(claims), Claim.FRESH, dtype=np.uint8)
    fingerprints, partitions, offsets = claims.fingerprints[first], claims.partitions[first], claims.offsets[first]
    fingerprints[known.place] = known.fingerprints
    partitions[known.place] = known.partitions
    offsets[known.place] = known.offsets
    is_same_payment = claims.fingerprints == fingerprints[place]
    is_same_record = (claims.partitions == partitions[place]) & (claims.offsets == offsets[place])
    decided = np.where(is_same_record, np.uint8(Claim.REPLAY), np.uint8(Claim.DUPLICATE))
    decided[~is_same_payment] = Claim.CONFLICT
    was_free = np.ones(len(first), dtype=np.bool_)
    was_free[known.place] = False
    decided[first[was_free]] = Claim.FRESH
    return decided
