"""Outcome risk: what was reported of an entity's payments, as of a moment.

An outcome log is append-only too: 16 bytes a report (48-bit reported_at, 8-bit outcome, 8 bits zero, 64-bit payment
id), set by content, so that a report delivered again changes nothing. Of one payment the newest report not later
than the moment stands; of equal times the one that arrived last. It counts for 30 days.
"""
# Kernels of rows are compiled by the types of their arguments; annotations would say nothing more.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from features.measure.ingest import little
from features.measure.logs import NEVER
from features.windows import DAY, MONTH, WEEK

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPORT_BYTES: Final = 16
MAX_REPORTS: Final = 512
"""Only an entity's newest reports are read, so that a reply is bounded."""

GENUINE: Final = 0
FRAUD: Final = 1

OF_DAY, OF_WEEK, OF_MONTH = range(3)
_WITHIN: Final = (DAY, WEEK, MONTH)

RISK: Final = row_dtype(
    [
        ("reports", "i8", (len(_WITHIN),)),  # payments whose standing report was made within a day, a week, a month
        ("frauds", "i8", (len(_WITHIN),)),  # those of them whose standing report says fraud
        ("streak", "i8"),  # the frauds reported after the last genuine one
        ("streak_began", "i8"),  # when the first of these was reported; NEVER where there is none, as below
        ("last_fraud", "i8"),
        ("last_genuine", "i8"),
    ]
)
"""What stands of an entity's payments at a moment, of reports of 30 days."""

_CELLS: Final = 2 * MAX_REPORTS
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_CELL_BITS: Final = np.uint64(64 - 10)  # the best mixed ones of the product
_STAMP_BITS: Final = 16
"""Of a cell: what is below says which payment it has, what is above whether it is in use."""


class Standing(NamedTuple):
    """What `sum_up_reports` works in."""

    cells: NDArray[np.int64]
    """Open addressing, by payment: stamp and index into `at` in one number."""
    stamp: NDArray[np.int64]
    """[1], the stamp of the cells that are in use."""
    at: NDArray[np.int64]
    """Of each payment, where its standing report lies."""

    @classmethod
    def make(cls) -> Standing:
        """Allocate."""
        return cls(
            cells=np.zeros(_CELLS, dtype=np.int64),
            stamp=np.zeros(1, dtype=np.int64),
            at=np.zeros(MAX_REPORTS, dtype=np.int64),
        )


def pack_report(reported_at: int, outcome: int, payment_id: int) -> bytes:
    """Return the 16 bytes of one report; reported_at in epoch milliseconds."""
    return reported_at.to_bytes(6, "little") + bytes((outcome, 0)) + payment_id.to_bytes(8, "little")


@njit(inner=True)
def sum_up_reports(raw, start, end, now, standing, risk):  # type: ignore[no-untyped-def]
    """Fill in a row of RISK as of `now`, by the bytes start to end of an outcome log; takes as long as that is."""
    risk.reports[:] = 0
    risk.frauds[:] = 0
    risk.streak = 0
    risk.streak_began = risk.last_fraud = risk.last_genuine = NEVER
    if start == end:  # nearly always
        return
    payments = _find_standing(raw, max(start, end - MAX_REPORTS * REPORT_BYTES), end, now, standing)
    genuine_at = NEVER
    for index in range(payments):
        at = standing.at[index]
        reported_at, fraud = little(raw, at, 6), raw[at + 6] == FRAUD
        for which in range(len(_WITHIN)):
            within = reported_at > now - _WITHIN[which]
            risk.reports[which] += within
            risk.frauds[which] += within and fraud
        if fraud:
            risk.last_fraud = max(risk.last_fraud, reported_at)
        elif reported_at > risk.last_genuine or (reported_at == risk.last_genuine and at > genuine_at):
            risk.last_genuine, genuine_at = reported_at, at
    for index in range(payments):
        at = standing.at[index]
        reported_at = little(raw, at, 6)
        after = reported_at > risk.last_genuine or (reported_at == risk.last_genuine and at > genuine_at)
        if raw[at + 6] == FRAUD and after:
            began = reported_at if risk.streak == 0 else min(risk.streak_began, reported_at)
            risk.streak, risk.streak_began = risk.streak + 1, began


@njit(inner=True)
def _find_standing(raw, start, end, now, standing):  # type: ignore[no-untyped-def]
    """Put where the standing reports of 30 days lie into `at`, a payment each; return how many there are."""
    cells, found, payments = standing.cells, standing.at, 0
    standing.stamp[0] += 1
    stamp, mask = standing.stamp[0] << _STAMP_BITS, np.uint64(_CELLS - 1)
    for at in range(start, end - REPORT_BYTES + 1, REPORT_BYTES):
        reported_at = little(raw, at, 6)
        # One of before that cannot stand against one within: it is the older of the two.
        if reported_at > now or reported_at <= now - MONTH:
            continue
        payment = _payment_of(raw, at)
        cell = (payment * _MIXED) >> _CELL_BITS
        while cells[cell] >= stamp and _payment_of(raw, found[cells[cell] - stamp]) != payment:
            cell = (cell + np.uint64(1)) & mask
        if cells[cell] < stamp:
            cells[cell] = stamp + payments
            found[payments] = at
            payments += 1
        elif reported_at >= little(raw, found[cells[cell] - stamp], 6):
            found[cells[cell] - stamp] = at
    return payments


@njit(inline="always")
def _payment_of(raw, at):  # type: ignore[no-untyped-def]
    payment = np.uint64(0)
    for byte in range(8):
        payment |= np.uint64(raw[at + 8 + byte]) << np.uint64(8 * byte)
    return payment
