"""Payments of a micro-batch as columns: every value becomes a payment or a rejection, none takes another with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from stream.decode import ordinary
from stream.decode.later_rules import refused
from stream.decode.payment import read_payment
from stream.decode.rejection import Rejected, Rejection
from stream.decode.table import Decoded, Read, tabulate
from stream.wire import EARLIEST_TIME_MS, MAX_AHEAD_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from features.identity import Identities
    from stream.decode.fields import ReadPayment

    HasClaim = Callable[[NDArray[np.uint64]], NDArray[np.bool_]]


class _Doubtful(NamedTuple):
    """A payment that a later rule refuses, unless its id has a claim."""

    row: int
    payment: ReadPayment
    unusable: list[str]
    why: Rejected


def decode_payments(
    values: Sequence[bytes | None],
    now_ms: int,
    identities: Identities,
    *,
    earliest_ms: int = EARLIEST_TIME_MS,
    has_claim: HasClaim | None = None,
    facts: bool = True,
) -> Decoded:
    """Take every value apart, in delivery order, by the rules of `read_payment` and those of `later_rules`.

    `now_ms` is the clock and `earliest_ms` the earliest event_time, both in epoch milliseconds. `has_claim` says which
    of some ids (`Identities.hash128`, shape [n, 2]) have a claim, bool[n]: for their payments the later rules do not
    count. It is only asked where they refuse one; without it, no id has a claim. facts: whether anybody will read them;
    they are a sixth of the work.

    Ordinary payments are read all at once; what is in any way unusual is read again, alone and exactly.
    """
    found, left, no_controls = ordinary.read(values, earliest_ms, now_ms + MAX_AHEAD_MS)
    if not left:
        payments = cast("list[ReadPayment]", found)
        return tabulate(Read(payments, np.arange(len(found)), no_controls, [], {}), identities, facts=facts)
    unusable: Counter[str] = Counter()
    rejections: list[Rejection] = []
    doubtful: list[_Doubtful] = []
    for row in left:
        try:
            payment, unusable_here = read_payment(values[row], now_ms)
        except Rejected as rejected:
            rejections.append(rejected.at(row))
            continue
        why = refused(payment, earliest_ms)
        if why is not None:
            doubtful.append(_Doubtful(row, payment, unusable_here, why))
            continue
        found[row] = payment
        unusable.update(unusable_here)
    if doubtful:
        known = np.zeros(len(doubtful), dtype=np.bool_)
        if has_claim is not None:
            known = has_claim(identities.hash128([one.payment.transaction_id.encode() for one in doubtful]))
        for one, is_known in zip(doubtful, known.tolist(), strict=True):
            if is_known:
                found[one.row] = one.payment
                unusable.update(one.unusable)
            else:
                rejections.append(one.why.at(one.row))
        rejections.sort(key=lambda rejection: rejection.index)
    rows = [row for row, payment in enumerate(found) if payment is not None]
    payments = [payment for payment in found if payment is not None]
    read = Read(payments, np.array(rows, dtype=np.intp), no_controls, rejections, unusable)
    return tabulate(read, identities, facts=facts)
