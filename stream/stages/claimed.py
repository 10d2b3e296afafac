"""What the claims of a micro-batch decided: the payments that get a verdict here, and what becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from stream.decode import Rejection
from stream.verdict_store import Claim
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from stream.decode import Decoded
    from stream.kafka.arrivals import Arrivals

CONFLICT_DETAIL: Final = (
    "transaction_id: taken by another payment of the last 3 days; expected the same time, amount and parties"
)
# Comparing an array with a member of an enum takes five times as long as with its number.
_FRESH, _REPLAY, _DUPLICATE, _CONFLICT = (
    claim.value for claim in (Claim.FRESH, Claim.REPLAY, Claim.DUPLICATE, Claim.CONFLICT)
)

_ALL: Final = slice(None)


class Claimed(Struct, frozen=True, eq=False):
    """The payments of a micro-batch that get a verdict here: columns of one length, in delivery order."""

    payments: PaymentColumns
    transaction_id: list[bytes]
    payer_vpa: list[bytes]
    payee_vpa: list[bytes]
    rrn: NDArray[np.int64]
    """-1 where it is unknown."""
    facts: list[bytes | None]
    """See `stream.facts`."""
    record: NDArray[np.intp]
    """Which of the arrivals a payment came in."""
    replayed: NDArray[np.bool_]
    """Whether its record was claimed at this very offset before."""
    arrivals: Arrivals
    """All records of the micro-batch."""
    rejections: list[Rejection]
    """Those of them that become dead letters."""
    duplicates: int
    """How many of them change nothing."""

    def __len__(self) -> int:
        return len(self.record)

    @classmethod
    def of(cls, arrivals: Arrivals, decoded: Decoded, claims: NDArray[np.uint8]) -> Claimed:
        """Sort the decoded payments by their `Claim`."""
        if not np.count_nonzero(claims):  # the ordinary micro-batch: every payment is FRESH
            return cls(
                payments=decoded.payments,
                transaction_id=decoded.transaction_id,
                payer_vpa=decoded.payer_vpa,
                payee_vpa=decoded.payee_vpa,
                rrn=decoded.rrn,
                facts=decoded.facts,
                record=decoded.rows,
                replayed=np.zeros(len(claims), dtype=np.bool_),
                arrivals=arrivals,
                rejections=decoded.rejections,
                duplicates=0,
            )
        kept = np.flatnonzero((claims == _FRESH) | (claims == _REPLAY))
        picked = kept.tolist()
        conflicts = decoded.rows[claims == _CONFLICT].tolist()
        return cls(
            payments=decoded.payments.take(kept),
            transaction_id=[decoded.transaction_id[row] for row in picked],
            payer_vpa=[decoded.payer_vpa[row] for row in picked],
            payee_vpa=[decoded.payee_vpa[row] for row in picked],
            rrn=decoded.rrn[kept],
            facts=[decoded.facts[row] for row in picked],
            record=decoded.rows[kept],
            replayed=claims[kept] == _REPLAY,
            arrivals=arrivals,
            rejections=[
                *decoded.rejections,
                *(Rejection(record, RejectionReason.CONFLICTING_DUPLICATE, CONFLICT_DETAIL) for record in conflicts),
            ],
            duplicates=int((claims == _DUPLICATE).sum()),
        )

    @property
    def slice_of(self) -> NDArray[np.uint16]:
        """Which of the fetch's slices each payment came in."""
        return self.arrivals.slice_of[self._taken]

    @property
    def partition(self) -> NDArray[np.int32]:
        """Each payment's partition."""
        return self.arrivals.partition[self._taken]

    @property
    def offset(self) -> NDArray[np.int64]:
        """Each payment's offset."""
        return self.arrivals.offset[self._taken]

    @property
    def _taken(self) -> NDArray[np.intp] | slice:
        """Which records the payments are: all, where there are as many, as each is one of its own."""
        return _ALL if len(self.record) == len(self.arrivals.offset) else self.record
