"""The fields of payments and outcomes as replay needs them: their names, what kind of value each is, which must be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a field's value is in the message."""

    TEXT = "text"
    INTEGER = "an integer"
    TIME = "epoch milliseconds, or RFC 3339 with an offset"
    NUMBER = "a number"
    FLAG = "true or false"
    SCORES = "a list of {provider, type, value}"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one topic's messages."""

    what: str
    kinds: dict[str, Kind]
    required: tuple[str, ...]
    key: str
    """The field that is the partition key."""
    moment: str
    """The field that says when it happened."""


PAYMENT: Final = Fields(
    what="payment",
    kinds={
        "transaction_id": Kind.TEXT,
        "event_time": Kind.TIME,
        "payer_vpa": Kind.TEXT,
        "payee_vpa": Kind.TEXT,
        "amount_paise": Kind.INTEGER,
        "rrn": Kind.TEXT,
        "flow": Kind.TEXT,
        "type": Kind.TEXT,
        "initiation": Kind.TEXT,
        "status": Kind.TEXT,
        "mcc": Kind.TEXT,
        "device_id": Kind.TEXT,
        "device_bound_at": Kind.TIME,
        "sim_changed_at": Kind.TIME,
        "payer_bank": Kind.TEXT,
        "payee_bank": Kind.TEXT,
        "latitude": Kind.NUMBER,
        "longitude": Kind.NUMBER,
        "payer_app": Kind.TEXT,
        "remarks_hash": Kind.TEXT,
        "payer_account": Kind.TEXT,
        "payee_account": Kind.TEXT,
        "payer_mobile": Kind.TEXT,
        "payee_mobile": Kind.TEXT,
        "payer_ifsc": Kind.TEXT,
        "payee_ifsc": Kind.TEXT,
        "payer_type": Kind.TEXT,
        "payee_type": Kind.TEXT,
        "account_type": Kind.TEXT,
        "initiation_mode": Kind.TEXT,
        "purpose": Kind.TEXT,
        "ref_category": Kind.TEXT,
        "auth_type": Kind.TEXT,
        "response_code": Kind.TEXT,
        "original_transaction_id": Kind.TEXT,
        "mandate_id": Kind.TEXT,
        "merchant_id": Kind.TEXT,
        "device_type": Kind.TEXT,
        "device_os": Kind.TEXT,
        "ip": Kind.TEXT,
        "on_call": Kind.FLAG,
        "screen_shared": Kind.FLAG,
        "payee_added_at": Kind.TIME,
        "payer_segment": Kind.TEXT,
        "external_scores": Kind.SCORES,
    },
    required=("transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise"),
    key="payer_vpa",
    moment="event_time",
)

OUTCOME: Final = Fields(
    what="outcome",
    kinds={
        "transaction_id": Kind.TEXT,
        "outcome": Kind.TEXT,
        "reported_at": Kind.TIME,
        "typology": Kind.TEXT,
        "source": Kind.TEXT,
    },
    required=("transaction_id", "outcome", "reported_at"),
    key="transaction_id",
    moment="reported_at",
)
