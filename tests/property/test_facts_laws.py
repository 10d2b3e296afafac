"""What is packed reads back the same, whatever the payments say."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from features.identity import Identities
from stream.facts import FACTS, conceal, pack, unpack

IDENTITIES = Identities(bytes(range(16)))
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=64)
SCORES = st.lists(st.tuples(TEXT, TEXT, st.floats(0, 100)), max_size=8)
VALUES = {
    fact.name: TEXT
    if fact.hashed or not fact.short.endswith(("b", "c", "ad", "xs", "ss"))
    else st.one_of(TEXT, st.integers(0, 2**47), st.booleans())
    for fact in FACTS
} | {"external_scores": SCORES, "payer_bank": TEXT, "payee_bank": TEXT}


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), max_size=5))
def test_facts_read_back_as_they_were(payments: list[dict[str, Any]]) -> None:
    columns: dict[str, list[Any]] = {fact.name: [payment.get(fact.name) for payment in payments] for fact in FACTS}
    for fact in FACTS:
        if fact.hashed:
            texts = columns[fact.name]
            columns[fact.name] = conceal(texts, IDENTITIES.hash([(text or "").encode() for text in texts]))
    packed = pack(columns, len(payments))
    for payment, facts in zip(payments, packed, strict=True):
        assert (facts is None) == (not payment)
        found = unpack(facts)
        assert list(found) == [fact.name for fact in FACTS if fact.name in payment]
        for fact in FACTS:
            if fact.name not in payment:
                continue
            if fact.hashed:
                assert found[fact.name]["last4"] == payment[fact.name][-(min(4, len(payment[fact.name]) // 2)) or 64 :]
                assert len(found[fact.name]["hash"]) == 16
            elif fact.name == "external_scores":
                assert found[fact.name] == [list(score) for score in payment[fact.name]]
            else:
                assert found[fact.name] == payment[fact.name]
