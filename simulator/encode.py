"""Payments and outcomes as the bytes that go on the wire: compact JSON, fields that are not given left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from simulator import codes
from simulator.legs import UNGIVEN
from simulator.payments import NO_MCC, NO_RRN
from simulator.places import NOWHERE, UNITS
from simulator.reference import APPS, BANKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.outcomes import Outcomes
    from simulator.parties import Directory
    from simulator.payments import Payments

PREFIXES: Final = ("AXI", "YBL", "ICI", "HDF", "SBI", "PTM", "IBL", "KKB")
"""What transaction ids begin with, by the last three bits of the number."""

_PAYMENT: Final = (
    b'{"transaction_id":"%b","event_time":%d,"payer_vpa":"%b","payee_vpa":"%b","amount_paise":%d%b%b%b%b%b%b%b%b%b%b%b}'
)
_OUTCOME: Final = b'{"transaction_id":"%b","outcome":"%b","reported_at":%d%b%b}'


def _named(field: str, names: tuple[str, ...]) -> list[bytes]:
    """Tabulate a field as JSON for each code; nothing for 0."""
    return [f',"{field}":"{name}"'.encode() if name else b"" for name in names]


_PREFIX: Final = [prefix.encode() for prefix in PREFIXES]
_KIND: Final = [
    flow + type_ + initiation + status
    for flow in _named("flow", codes.FLOWS)
    for type_ in _named("type", codes.TYPES)
    for initiation in _named("initiation", codes.INITIATIONS)
    for status in _named("status", codes.STATUSES)
]
_PAYER_BANK: Final = _named("payer_bank", BANKS)
_PAYEE_BANK: Final = _named("payee_bank", BANKS)
_APP: Final = _named("payer_app", tuple(app.name for app in APPS))
_OUTCOME_NAME: Final = [name.encode() for name in codes.OUTCOMES]
_TYPOLOGY: Final = _named("typology", codes.TYPOLOGIES)
_SOURCE: Final = _named("source", codes.SOURCES)


def transaction_ids(transactions: NDArray[np.uint64]) -> list[bytes]:
    """Return the id of each transaction number."""
    return [b"%b%016x" % (_PREFIX[number & 7], number) for number in transactions.tolist()]


def encode_payments(payments: Payments, directory: Directory) -> tuple[list[bytes], list[bytes]]:
    """Return the partition key (the payer's VPA) and the value of each payment."""
    payer = directory.vpas(payments.payer)
    kind = ((payments.flow.astype(np.int64) * 3 + payments.type) * 7 + payments.initiation) * 5 + payments.status
    values = [
        _PAYMENT % fields
        for fields in zip(
            transaction_ids(payments.transaction),
            payments.event_time.tolist(),
            payer,
            directory.vpas(payments.payee),
            payments.amount_paise.tolist(),
            _numbers(b',"rrn":"%012d"', payments.rrn, NO_RRN),
            map(_KIND.__getitem__, kind.tolist()),
            _numbers(b',"mcc":"%04d"', payments.mcc, NO_MCC),
            _numbers(b',"device_id":"%016x"', payments.device, 0),
            _numbers(b',"device_bound_at":%d', payments.device_bound_at, UNGIVEN),
            _numbers(b',"sim_changed_at":%d', payments.sim_changed_at, UNGIVEN),
            map(_PAYER_BANK.__getitem__, payments.payer_bank.tolist()),
            map(_PAYEE_BANK.__getitem__, payments.payee_bank.tolist()),
            _places(payments),
            map(_APP.__getitem__, payments.app.tolist()),
            _numbers(b',"remarks_hash":"%016x"', payments.remarks, 0),
            strict=True,
        )
    ]
    return payer, values


def encode_outcomes(outcomes: Outcomes) -> tuple[list[bytes], list[bytes]]:
    """Return the partition key (the transaction id) and the value of each outcome."""
    ids = transaction_ids(outcomes.transaction)
    values = [
        _OUTCOME % fields
        for fields in zip(
            ids,
            map(_OUTCOME_NAME.__getitem__, outcomes.outcome.tolist()),
            outcomes.reported_at.tolist(),
            map(_TYPOLOGY.__getitem__, outcomes.typology.tolist()),
            map(_SOURCE.__getitem__, outcomes.source.tolist()),
            strict=True,
        )
    ]
    return ids, values


def _numbers(form: bytes, numbers: NDArray[np.generic], missing: int) -> list[bytes]:
    """Write each number in this form; nothing where it is missing."""
    return [b"" if number == missing else form % number for number in numbers.tolist()]


def _places(payments: Payments) -> list[bytes]:
    """Write latitude and longitude, which are never negative in India; nothing where they are missing."""
    return [
        b""
        if north == NOWHERE
        else b',"latitude":%d.%04d,"longitude":%d.%04d' % (*divmod(north, UNITS), *divmod(east, UNITS))
        for north, east in zip(payments.latitude.tolist(), payments.longitude.tolist(), strict=True)
    ]
