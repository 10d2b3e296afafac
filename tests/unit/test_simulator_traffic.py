"""Payments and outcomes of a run in the order in which they happen."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from simulator.outcomes import outcomes_of
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.records import OUTCOMES, TRANSACTIONS, encoded
from simulator.run import Extent, Extras, compressed, in_real_time
from simulator.span import HISTORY_END_MS, Span
from simulator.switch import Switch
from simulator.timeline import DAY_MS
from simulator.traffic import RealTime, Traffic

PARAMETERS = Parameters(seed=31, payers=300, fraud_rate=0.02, genuine_rate=0.1)
SPAN = Span(HISTORY_END_MS - 5 * DAY_MS, HISTORY_END_MS)


@cache
def switch() -> Switch:
    return Switch(PARAMETERS)


def test_every_outcome_comes_between_the_payments_it_was_reported_between() -> None:
    latest = 0
    seen = 0
    for records in encoded(Traffic(switch(), SPAN), switch().directory):
        assert (np.diff(records.due) >= 0).all()
        for topic, due, value in zip(records.topic.tolist(), records.due.tolist(), records.values, strict=True):
            message = json.loads(value or b"")
            if topic == OUTCOMES:
                seen += 1
                assert message["reported_at"] == due
                assert due > latest or latest == 0, "before the first payment with event_time >= reported_at"
            else:
                assert message["event_time"] == due
                latest = due
    assert seen > 50


def test_outcomes_are_published_or_counted_as_unreported() -> None:
    traffic = Traffic(switch(), SPAN)
    published = sum(len(stretch.outcomes) for stretch in traffic)
    payments = Payments.joined(list(SPAN.payments(switch())))
    everything = outcomes_of(payments, PARAMETERS.run_key, PARAMETERS.genuine_rate)
    assert published + traffic.unreported == len(everything)
    assert published == (everything.reported_at <= payments.event_time[-1]).sum()


def test_in_real_time_a_payment_is_made_when_it_is_to_be_sent() -> None:
    start, rate = 1_800_000_000_000, 50.0
    plain = list(Traffic(switch(), SPAN))
    live = list(RealTime(Traffic(switch(), SPAN), lambda: start, rate))
    times = np.concatenate([stretch.payments.event_time for stretch in live])
    assert times.tolist() == [start + int(number * 20) for number in range(len(times))]
    for before, after in zip(plain, live, strict=True):
        known = before.payments.device_bound_at > 0
        age = before.payments.event_time - before.payments.device_bound_at
        assert ((after.payments.event_time - after.payments.device_bound_at)[known] == age[known]).all()
        assert np.isin(after.outcomes.reported_at, after.payments.event_time).all()
        assert after.outcomes.transaction.tolist() == before.outcomes.transaction.tolist()


def test_a_compressed_run_ends_before_now_and_has_as_many_payments_as_asked() -> None:
    now = HISTORY_END_MS + 7 * DAY_MS
    run = compressed(PARAMETERS, Extent(2_000), 100.0, now, Extras())
    due = np.concatenate([records.due[records.topic == TRANSACTIONS] for records in run.records])
    assert len(due) == 2_000
    assert due[-1] < now
    assert 2_000 / PARAMETERS.payments_a_day * DAY_MS * 0.7 < due[-1] - due[0] < now - due[0]


def test_runs_in_real_time_have_ids_of_their_own() -> None:
    ids = []
    for now in (HISTORY_END_MS, HISTORY_END_MS + 5):
        run = in_real_time(PARAMETERS, Extent(500), 100.0, lambda now=now: now, Extras())  # type: ignore[misc]
        ids.append({json.loads(value or b"")["transaction_id"] for records in run.records for value in records.values})
    assert not ids[0] & ids[1]
