"""Who gets a transaction_id: the first record delivered, once and for all. Pure; the stores say what is known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from features.compiled import njit
from stream.verdict_store.binary import put_array_header, put_length, put_number
from stream.verdict_store.records import Claim

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Claimants(Struct, frozen=True, eq=False):
    """The records of a micro-batch that claim ids, in delivery order.

    ids uint64 [n, 2], fingerprints int64 [n], partitions int32 [n], offsets int64 [n].
    """

    ids: NDArray[np.uint64]
    fingerprints: NDArray[np.int64]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.fingerprints)


class Contest(Struct, frozen=True, eq=False):
    """Who claims the same id within a micro-batch."""

    first: NDArray[np.intp]
    """For every distinct id the first record that claims it. Ascending by id as Postgres orders uuid, so that
    sessions that insert the same ids wait for each other in one order and never deadlock."""
    place: NDArray[np.intp]
    """For every record the place of its id in `first`."""
    arrays: tuple[bytes, bytes, bytes, bytes]
    """Of the records in `first` id, fingerprint, partition and offset: arrays as PostgreSQL takes them in binary."""


@dataclass(frozen=True, slots=True)
class Known:
    """The ids of a contest that were claimed before, by whom."""

    place: NDArray[np.intp]
    fingerprints: NDArray[np.int64]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]


NOTHING_KNOWN: Final = Known(*np.empty((4, 0), dtype=np.int64))

_UUID, _BIGINT, _INTEGER = 2950, 20, 23
_HEADER_BYTES: Final = 20
_ELEMENT_BYTES: Final = (4 + 16, 4 + 8, 4 + 4, 4 + 8)


def contest(claims: Claimants) -> Contest:
    """Find the records that claim the same id; the order of delivery decides within one id."""
    n, halves = len(claims), np.ascontiguousarray(claims.ids)
    first, place = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.intp)
    arrays = np.empty(4 * _HEADER_BYTES + sum(_ELEMENT_BYTES) * n, dtype=np.uint8)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable
    distinct = _lay_out(
        order, halves.view(np.int64), claims.fingerprints, claims.partitions, claims.offsets, first, place, arrays
    )
    laid_out, ends = arrays.tobytes(), [0]
    for bytes_ in _ELEMENT_BYTES:
        ends.append(ends[-1] + _HEADER_BYTES + bytes_ * distinct)
    ids, fingerprints, partitions, offsets = (laid_out[start:end] for start, end in pairwise(ends))
    return Contest(first[:distinct], place, (ids, fingerprints, partitions, offsets))


@njit()
def _lay_out(
    order: NDArray[np.intp],
    ids: NDArray[np.int64],
    fingerprints: NDArray[np.int64],
    partitions: NDArray[np.int32],
    offsets: NDArray[np.int64],
    first: NDArray[np.intp],
    place: NDArray[np.intp],
    out: NDArray[np.uint8],
) -> int:
    """Fill in who claims each id first, and the arrays, one behind the other; return how many ids there are."""
    distinct = before = 0
    for row in order:
        if distinct == 0 or ids[row, 0] != ids[before, 0] or ids[row, 1] != ids[before, 1]:
            first[distinct] = row
            distinct += 1
        place[row] = distinct - 1
        before = row
    at = put_array_header(out, 0, _UUID, distinct)
    for row in first[:distinct]:
        at = put_length(out, at, 16)
        at = put_number(out, at, ids[row, 0], 8)
        at = put_number(out, at, ids[row, 1], 8)
    at = put_array_header(out, at, _BIGINT, distinct)
    for row in first[:distinct]:
        at = put_number(out, put_length(out, at, 8), fingerprints[row], 8)
    at = put_array_header(out, at, _INTEGER, distinct)
    for row in first[:distinct]:
        at = put_number(out, put_length(out, at, 4), partitions[row], 4)
    at = put_array_header(out, at, _BIGINT, distinct)
    for row in first[:distinct]:
        at = put_number(out, put_length(out, at, 8), offsets[row], 8)
    return distinct


def decide(claims: Claimants, contested: Contest, known: Known) -> NDArray[np.uint8]:
    """Return a `Claim` a record: against whoever had its id before, else against the first of the micro-batch."""
    first, place = contested.first, contested.place
    if len(first) == len(claims) and not len(known.place):  # the ordinary micro-batch
        return np.zeros(len(claims), dtype=np.uint8)  # all FRESH
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
