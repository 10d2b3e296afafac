"""A payment as a peer reads it: well-formed JSON into plain values; what is malformed raises."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from features.columns import Flow, Initiation, PaymentType, pack_place

if TYPE_CHECKING:
    from collections.abc import Mapping


class Payment(NamedTuple):
    """One payment; times are epoch milliseconds, codes those of the features, missing is None."""

    transaction_id: str
    event_time: int
    payer: str
    payee: str
    amount: int
    device: str | None
    place: int
    flow: int | None
    type: int | None
    initiation: int | None
    device_bound_at: int | None
    sim_changed_at: int | None
    same_bank: int | None


class Outcome(NamedTuple):
    """What a case system found out."""

    transaction_id: str
    is_fraud: bool
    reported_at: int


def payment_of(value: Mapping[str, Any]) -> Payment:
    """Return the payment that a JSON object holds."""
    banks = value.get("payer_bank"), value.get("payee_bank")
    return Payment(
        transaction_id=value["transaction_id"],
        event_time=_time(value["event_time"]),
        payer=value["payer_vpa"].lower(),
        payee=value["payee_vpa"].lower(),
        amount=value["amount_paise"],
        device=value.get("device_id"),
        place=pack_place(value.get("latitude"), value.get("longitude")),
        flow=_code(Flow, value.get("flow")),
        type=_code(PaymentType, value.get("type")),
        initiation=_code(Initiation, value.get("initiation")),
        device_bound_at=_time(value.get("device_bound_at")),
        sim_changed_at=_time(value.get("sim_changed_at")),
        same_bank=int(banks[0] == banks[1]) if banks[0] and banks[1] else None,
    )


def outcome_of(value: Mapping[str, Any]) -> Outcome:
    """Return the outcome that a JSON object holds."""
    return Outcome(value["transaction_id"], value["outcome"] == "FRAUD", _time(value["reported_at"]))


def _time(value: Any) -> Any:
    if isinstance(value, str):
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    return value


def _code(names: Any, value: str | None) -> int | None:
    return names.__members__[value] if value is not None else None
