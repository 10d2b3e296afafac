"""One payment at a time, exactly: the rules of docs/specs/messages.md in the order in which they are tried.

This is what decoding means, and it says what is wrong with a record. `stream.decode.ordinary` does the same for whole
micro-batches, faster, and hands every record that is in any way unusual to here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from stream.decode import required
from stream.decode.document import ObjectReader
from stream.decode.fields import PAYMENT_FIELDS, FullPayment, read_optional
from stream.decode.rejection import Rejected
from stream.wire import MAX_AHEAD_MS, Payment, RejectionReason

if TYPE_CHECKING:
    from stream.decode.fields import ReadPayment

_object = ObjectReader(Payment)


def read_payment(value: bytes | None, now_ms: int) -> tuple[ReadPayment, list[str]]:
    """Return the payment, and the optional fields that were there but count as unknown.

    Raises Rejected where the value is no payment. No other error, whatever the bytes.
    """
    found = _object.read(value)
    transaction_id = required.transaction_id(found["transaction_id"])
    event_time = required.time(found["event_time"], "event_time")
    payer = required.vpa(found["payer_vpa"], "payer_vpa")
    payee = required.vpa(found["payee_vpa"], "payee_vpa")
    amount = required.amount_paise(found["amount_paise"])
    if event_time > now_ms + MAX_AHEAD_MS:  # last: the one rule that another clock would decide otherwise
        raise Rejected(
            RejectionReason.TIME_IN_FUTURE, "event_time: expected at most an hour ahead of the clock; check its unit"
        )
    optional, unusable = read_optional(PAYMENT_FIELDS, found)
    payment: Any = FullPayment(transaction_id, event_time, payer, payee, amount, **optional)
    return cast("ReadPayment", payment), unusable
