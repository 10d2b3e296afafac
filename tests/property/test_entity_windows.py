"""An entity's windows as of any moment are those of the oracle, folded or not."""

from __future__ import annotations

import copy
import math
import random
from fractions import Fraction
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definitions import FEATURES
from features.entities import DEVICE, PAYEE, PAYER
from features.online import OnlineFeatures
from features.replica import fold as folding
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.what_if.what_if import WhatIf
from features.windows import BLOCK
from tests.fixtures.payment_streams import Script, dense_scripts, scripts
from tests.oracle import DAY, HOUR, MINUTE, WINDOWS, EntityLog, Oracle, Value, columns_of, differences, hyperloglog

if TYPE_CHECKING:
    from features.entities import Kind
    from tests.oracle import Payment

COUNTED = ("count", "sum", "distinct")


def expected(log: EntityLog, kind: Kind, now: int) -> dict[str, Value]:
    """What the windows hold of a payment that came now, that payment itself left out."""
    log = copy.deepcopy(log)
    position = log.append(now, 0, 0, 0)
    values: dict[str, Value] = {}
    for feature in FEATURES:
        if feature.entity is not kind or feature.window is None or feature.aggregation is None:
            continue
        members, exact = log.members(position, WINDOWS[feature.window])
        members.remove(log.records[position])
        amounts, counterparties = [r.amount for r in members], {r.counterparty for r in members}
        what = feature.aggregation.name.lower()
        if not members and what not in COUNTED:
            values[feature.name] = None
            continue
        mean = Fraction(sum(amounts), max(1, len(amounts)))
        values[feature.name] = {
            "count": len(amounts),
            "sum": sum(amounts),
            "mean": mean,
            "max": max(amounts, default=0),
            "std": math.sqrt(sum(((a - mean) ** 2 for a in amounts), Fraction(0)) / max(1, len(amounts))),
            "distinct": len(counterparties) if exact else hyperloglog(counterparties),
        }[what]
    return values


def delivered(payments: list[Payment]) -> tuple[MemoryEntityStore, Oracle]:
    store, oracle = MemoryEntityStore(), Oracle(payments)
    features = OnlineFeatures(store, 8 << 20, clock=lambda: 0.0)
    for first in range(0, len(payments), 50):
        some = payments[first : first + 50]
        claims = Claims(np.zeros(len(some), dtype=np.uint16), np.arange(first, first + len(some)))
        features.process(columns_of(some), claims, [Origin(b"t:0", first, first + len(some))])
    return store, oracle


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.one_of(scripts(max_payments=60), dense_scripts()), st.integers(0, 2**32))
def test_windows_are_those_of_the_oracle(script: Script, seed: int) -> None:
    payments, r = script.payments(), random.Random(seed)
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        store, oracle = delivered(payments)
    what_if = WhatIf(store, 8 << 20, clock=lambda: 0.0)
    for payment in r.choices(payments, k=12):
        for kind, logs in ((PAYER, oracle.payer_logs), (PAYEE, oracle.payee_logs), (DEVICE, oracle.device_logs)):
            identity = getattr(payment, kind.name)
            if not identity:
                continue
            log = logs[identity]
            now = log.clocks[-1] + r.choice((0, 1, MINUTE, 5 * MINUTE, HOUR, DAY, r.randrange(40 * DAY), -HOUR))
            found = what_if.windows(kind, identity, now)
            wanted = expected(log, kind, now)
            assert list(found.values) == list(wanted)
            assert not differences(np.array(list(found.values.values()), dtype=np.float32), wanted)
            assert (found.records, found.first_seen) == (len(log.records), log.born)
            assert found.last_seen == log.clocks[-1]
            name = kind.letter + identity.to_bytes(8, "little")
            assert found.folded == (len(store.logs[name]) % 32 == 16)
            assert found.offsets == {b"t:0": len(payments)}


def test_an_entity_that_nobody_knows_has_empty_windows() -> None:
    found = WhatIf(MemoryEntityStore(), 1 << 20).windows(PAYER, 7, 1_000)
    assert (found.records, found.folded, found.first_seen, found.last_seen) == (0, False, None, None)
    assert all(value == 0 for name, value in found.values.items() if name.split("_")[1] in COUNTED)
    assert all(math.isnan(value) for name, value in found.values.items() if name.split("_")[1] not in COUNTED)
    assert len(found.values) == sum(feature.entity is PAYER for feature in FEATURES)
