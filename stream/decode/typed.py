"""Ordinary payments by a typed msgspec decoder, one call a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from features.columns import pack_place
from stream.decode.payment import FLOW, INITIATION, STATUS, TYPE
from stream.decode.times import parse_rfc3339
from stream.wire import LAST_TIME_MS, MAX_AMOUNT_PAISE, MAX_TRANSACTION_ID, MAX_VALUE_BYTES, MAX_VPA, MIN_VPA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.decode.table import PaymentTable

Vpa = Annotated[str, Meta(min_length=MIN_VPA, max_length=MAX_VPA)]
Text = Annotated[str, Meta(min_length=1)] | None

UNKNOWN = -(2**62)
_SHALLOW = 32


class OrdinaryPayment(Struct, gc=False):
    """A payment whose every field is as it should be."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=MAX_TRANSACTION_ID)]
    event_time: int | str
    payer_vpa: Vpa
    payee_vpa: Vpa
    amount_paise: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_PAISE)]
    rrn: Text = None
    flow: Literal["P2P", "P2M"] | None = None
    type: Literal["PAY", "COLLECT"] | None = None
    initiation: Literal["QR", "INTENT", "VPA", "CONTACT", "ACCOUNT", "MANDATE"] | None = None
    status: Literal["INITIATED", "SUCCESS", "DECLINED", "REVERSED"] | None = None
    mcc: Annotated[int, Meta(ge=0, le=9999)] | Annotated[str, Meta(min_length=4, max_length=4)] | None = None
    device_id: Text = None
    device_bound_at: int | str | None = None
    sim_changed_at: int | str | None = None
    payer_bank: Text = None
    payee_bank: Text = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    payer_app: Text = None
    remarks_hash: Text = None


_decode = msgspec.json.Decoder(OrdinaryPayment).decode


def fill(table: PaymentTable, values: Sequence[bytes | None]) -> None:
    """Fill the rows of ordinary payments; leave all others alone."""
    payments = []
    rows = []
    for row, value in enumerate(values):
        if value is None or len(value) > MAX_VALUE_BYTES or not value.isascii() or b"\\" in value or b"\x7f" in value:
            continue
        if value.count(b"[") + value.count(b"{") > _SHALLOW:
            continue
        try:
            payment = _decode(value)
        except msgspec.MsgspecError:
            continue
        event_time = _time(payment.event_time)
        if (
            event_time is None
            or payment.payer_vpa.count("@") != 1
            or payment.payee_vpa.count("@") != 1
            or " " in payment.payer_vpa
            or " " in payment.payee_vpa
        ):
            continue
        payment.event_time = event_time
        if payment.device_bound_at is not None:
            bound = _time(payment.device_bound_at)
            if bound is None:
                continue
            payment.device_bound_at = bound
        if payment.sim_changed_at is not None:
            changed = _time(payment.sim_changed_at)
            if changed is None:
                continue
            payment.sim_changed_at = changed
        if isinstance(payment.mcc, str):
            if not payment.mcc.isdigit():
                continue
            payment.mcc = int(payment.mcc)
        rows.append(row)
        payments.append(payment)
    table.filled[rows] = True
    table.event_time[rows] = [p.event_time for p in payments]
    table.amount_paise[rows] = [p.amount_paise for p in payments]
    table.place[rows] = [pack_place(p.latitude, p.longitude) for p in payments]
    table.kind[rows] = [
        STATUS.get(p.status or "", 0)
        | FLOW.get(p.flow or "", 0) << 8
        | TYPE.get(p.type or "", 0) << 16
        | INITIATION.get(p.initiation or "", 0) << 24
        for p in payments
    ]
    table.mcc[rows] = [-1 if p.mcc is None else p.mcc for p in payments]
    table.device_bound_at[rows] = [UNKNOWN if p.device_bound_at is None else p.device_bound_at for p in payments]
    table.sim_changed_at[rows] = [UNKNOWN if p.sim_changed_at is None else p.sim_changed_at for p in payments]
    table.same_bank[rows] = [
        int(p.payer_bank == p.payee_bank) if p.payer_bank and p.payee_bank else -1 for p in payments
    ]
    for row, p in zip(rows, payments, strict=True):
        table.transaction_id[row] = p.transaction_id.encode()
        table.payer[row] = p.payer_vpa.lower().encode()
        table.payee[row] = p.payee_vpa.lower().encode()
        table.device[row] = (p.device_id or "").encode()


def _time(value: int | str) -> int | None:
    time = value if isinstance(value, int) else parse_rfc3339(value)
    return time if time is not None and 0 <= time <= LAST_TIME_MS else None
