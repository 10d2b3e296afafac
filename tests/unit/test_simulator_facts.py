"""With full facts every payment has what version 1.1 of the message adds, and is else what it was."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from features.identity import Identities
from simulator.encode import encode_payments
from simulator.facts import with_facts
from simulator.parameters import Parameters
from simulator.span import HISTORY_END_MS
from simulator.switch import Switch
from stream.decode import decode_payments
from stream.facts import unpack

HOUR_MS = 3_600_000


def made() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[bytes]]:
    switch = Switch(Parameters(seed=21, payers=1_500))
    payments = next(iter(switch.payments(HISTORY_END_MS - 6 * HOUR_MS, HISTORY_END_MS)))
    plain = encode_payments(payments, switch.directory)[1]
    full = with_facts(payments, plain)
    return [json.loads(value) for value in plain], [json.loads(value) for value in full], full


def test_every_added_field_is_a_fact_that_can_be_used() -> None:
    _, full, values = made()
    decoded = decode_payments(values, HISTORY_END_MS, Identities(bytes(16)))
    assert (decoded.rejections, decoded.unusable_optional) == ([], {})
    for payment, facts in zip(full, decoded.facts, strict=True):
        known = unpack(facts)
        added = list(payment)[list(payment).index("payer_account") :]
        assert len(added) >= 10
        assert set(added) <= set(known)
        assert known["payee_type"] == ("ENTITY" if payment["flow"] == "P2M" else "PERSON")


def test_nothing_else_changes() -> None:
    plain, full, _ = made()
    assert [dict(list(payment.items())[: len(before)]) for payment, before in zip(full, plain, strict=True)] == plain


def test_a_party_has_one_account_and_one_mobile() -> None:
    _, full, _ = made()
    known: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for payment in full:
        known[payment["payer_vpa"]].add((payment["payer_account"], payment["payer_mobile"]))
    assert len(known) > 20
    assert {len(numbers) for numbers in known.values()} == {1}
    assert len({account for numbers in known.values() for account, _ in numbers}) == len(known)
