"""What every verdict store promises: the one in PostgreSQL and the one in memory run the same suite."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.postgres import make_database
from stream.verdict_store import (
    Claim,
    Inserted,
    MemoryVerdictStore,
    Model,
    OutcomeRow,
    PaymentRef,
    VerdictRows,
    VerdictStore,
    migrate,
)
from stream.verdict_store.errors import ModelChangedError, RefusedRowsError
from tests.fixtures.verdict_rows import varied_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local.postgres import PostgresServer


FRESH, REPLAY, DUPLICATE, CONFLICT = Claim
TODAY = 20_400
DAY_MS = 86_400_000
NOON = TODAY * DAY_MS + DAY_MS // 2
FEATURES = ("payer_count_5m", "payer_sum_24h", "amount_paise")
MODEL = Model("forest-1", "5eed", -4.25, FEATURES, {"review": 0.1, "block": 0.95})

Store = VerdictStore | MemoryVerdictStore

# Examples share the store of their test: each works under names of its own.
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
_names = itertools.count(1)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store."""
    if request.param == "memory":
        yield MemoryVerdictStore()
        return
    opened = VerdictStore(empty_database(request.getfixturevalue("postgres_server")))
    yield opened
    opened.close()


def empty_database(server: PostgresServer) -> str:
    """Return one database for all tests here, emptied: a fresh one for each would cost half a second a test."""
    url = server.database_url("verdict_store_contract")
    if make_database(server.database_url("postgres"), "verdict_store_contract"):
        migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute(
            "TRUNCATE payment_ids, verdicts_by_day, models, outcomes, outcome_reports, open_holds, resolutions"
            " RESTART IDENTITY"
        )
    return url


# Claims -----------------------------------------------------------------------------------------------------------


def claim(store: Store, records: Sequence[tuple[int, int, int, int]], day: int = TODAY) -> list[int]:
    """Claim for records of (id, fingerprint, partition, offset)."""
    table = np.array(records, dtype=np.int64).reshape(-1, 4)
    ids = np.column_stack((table[:, 0], table[:, 0] ^ 0x55)).astype(np.uint64)
    return store.claim(ids, table[:, 1], table[:, 2].astype(np.int32), table[:, 3], day).tolist()


def test_the_first_record_of_an_id_has_it(store: Store) -> None:
    assert claim(store, [(1, 11, 0, 100)]) == [FRESH]


def test_the_same_record_again_is_a_replay(store: Store) -> None:
    claim(store, [(1, 11, 0, 100)])
    assert claim(store, [(1, 11, 0, 100)]) == [REPLAY]


@pytest.mark.parametrize(("partition", "offset"), [(0, 101), (1, 100)])
def test_another_record_of_the_same_payment_is_a_duplicate(store: Store, partition: int, offset: int) -> None:
    claim(store, [(1, 11, 0, 100)])
    assert claim(store, [(1, 11, partition, offset)]) == [DUPLICATE]


def test_another_payment_under_the_same_id_is_a_conflict_and_the_first_stands(store: Store) -> None:
    claim(store, [(1, 11, 0, 100)])
    assert claim(store, [(1, 99, 0, 101)], TODAY + 1) == [CONFLICT]
    assert claim(store, [(1, 99, 0, 101)]) == [CONFLICT]
    assert claim(store, [(1, 11, 0, 100)]) == [REPLAY]


def test_within_a_micro_batch_the_first_delivered_has_the_id(store: Store) -> None:
    records = [(7, 1, 0, 3), (5, 1, 0, 4), (7, 1, 0, 5), (5, 2, 0, 6), (7, 1, 0, 3)]
    assert claim(store, records) == [FRESH, FRESH, DUPLICATE, CONFLICT, REPLAY]


def test_a_micro_batch_of_known_and_new_ids(store: Store) -> None:
    claim(store, [(2, 20, 0, 1), (4, 40, 0, 2)])
    records = [(1, 10, 0, 3), (2, 20, 0, 1), (3, 30, 0, 4), (4, 41, 0, 5), (2, 20, 1, 1)]
    assert claim(store, records) == [FRESH, REPLAY, FRESH, CONFLICT, DUPLICATE]


def test_which_ids_have_a_claim_can_be_asked_without_claiming_any(store: Store) -> None:
    claim(store, [(1, 11, 0, 100), (3, 33, 2, 7)])
    ids = np.array([[one, one ^ 0x55] for one in (3, 2, 1, 3)] + [[1, 1]], dtype=np.uint64)
    assert store.claimed(ids).tolist() == [True, False, True, True, False]
    assert store.claimed(ids[:0]).tolist() == []
    assert claim(store, [(2, 22, 0, 101)]) == [FRESH]


def test_nothing_claims_nothing(store: Store) -> None:
    assert claim(store, []) == []


def test_ids_claimed_before_a_day_are_forgotten_and_no_others(store: Store) -> None:
    claim(store, [(1, 1, 0, 1), (2, 2, 0, 2)], TODAY - 3)
    claim(store, [(3, 3, 0, 3)], TODAY - 2)
    claim(store, [(2, 2, 5, 5)], TODAY)  # a duplicate does not prolong a claim
    assert store.forget_ids(TODAY - 2) == 2
    assert claim(store, [(1, 9, 0, 7), (2, 9, 0, 8), (3, 3, 0, 9)]) == [FRESH, FRESH, DUPLICATE]
    assert store.forget_ids(TODAY - 2) == 0


records = st.tuples(
    st.sampled_from([0, 1, 2, 2**62, -1]), st.sampled_from([-(2**63), 0, 7]), st.integers(0, 1), st.integers(0, 3)
)


@EXAMPLES
@given(batches=st.lists(st.lists(records, max_size=12), min_size=1, max_size=4))
def test_claims_are_what_one_record_after_the_other_would_get(
    store: Store, batches: list[list[tuple[int, ...]]]
) -> None:
    name = next(_names) << 32
    owners: dict[int, tuple[int, ...]] = {}
    for batch in batches:
        expected = []
        for id_, *record in batch:
            owner = owners.get(id_)
            if owner is None:
                owners[id_] = tuple(record)
                expected.append(FRESH)
            elif owner[0] != record[0]:
                expected.append(CONFLICT)
            else:
                expected.append(REPLAY if owner[1:] == tuple(record[1:]) else DUPLICATE)
        assert claim(store, [(id_ ^ name, *record) for id_, *record in batch]) == expected


# Verdicts ---------------------------------------------------------------------------------------------------------


def verdict_rows(store: Store, *payments: tuple[str, int], **columns: Any) -> VerdictRows:
    return varied_rows(payments, store.model_key(MODEL), **columns)


def read_back(store: Store) -> dict[tuple[str, int], Any]:
    found = [record for records in store.verdicts() for record in records]
    by_key = {(record.transaction_id, record.event_time): record for record in found}
    assert len(by_key) == len(found)
    return by_key


def test_what_was_stored_is_read_back_bit_for_bit(store: Store) -> None:
    payments = [(f"तत्-{number}", NOON + number) for number in range(9)]
    vectors = np.arange(27, dtype=np.float32).reshape(9, 3)
    vectors.view(np.uint32)[0] = 0x7FC00000, 0xFFC12345, 0x7F800000  # NaN, NaN with a payload and a sign, infinity
    vectors.view(np.uint32)[1] = 0x80000000, 0x00000001, 0xFF7FFFFF  # -0, the least subnormal, the least number
    rows = verdict_rows(store, *payments, vectors=vectors, score=np.full(9, 5e-324))
    assert store.insert(rows).before == {}
    there = read_back(store)
    assert list(there) == payments
    for row, key in enumerate(payments):
        record = there[key]
        assert record.vector.tobytes() == rows.vectors[row].tobytes()
        assert record.provenance == rows.provenance[row].tobytes()
        assert record.alert == rows.alerts[row]
        assert record.facts == rows.facts[row]
        assert record.rrn == (int(rows.rrn[row]) if rows.rrn[row] >= 0 else None)
        assert record.hold_until == (int(rows.hold_until[row]) if rows.hold_until[row] >= 0 else None)
        assert record.model == MODEL
        assert record.payer_vpa.encode() == rows.payer_vpa[row]
        assert record.payee_vpa.encode() == rows.payee_vpa[row]
        for name in (
            *("decided_at", "amount_paise", "verdict", "score", "margin"),
            *("feature_state", "source_partition", "source_offset"),
        ):
            assert getattr(record, name) == getattr(rows, name)[row], name


def test_a_verdict_that_is_there_stands_and_is_returned_with_its_alert(store: Store) -> None:
    first = verdict_rows(store, ("a", NOON), ("b", NOON), alerts=[b"first", None])
    store.insert(first)
    later = verdict_rows(store, ("b", NOON), ("a", NOON), alerts=[b"second", b"second"], score=np.array([0.9, 0.8]))
    stored = store.insert(later).before
    assert {row: (one.alert, one.verdict, one.score) for row, one in stored.items()} == {
        0: (None, 1, 1.0),
        1: (b"first", 0, 0.0),
    }
    assert read_back(store)["a", NOON].score == 0.0


@pytest.mark.parametrize("hint", [None, "those that are there", "all", "none", "a wrong one"])
def test_new_verdicts_among_stored_ones_are_stored(store: Store, hint: str | None) -> None:
    store.insert(verdict_rows(store, *[(f"t{number}", NOON) for number in range(0, 20, 3)]))
    rows = verdict_rows(store, *[(f"t{number}", NOON) for number in range(20)])
    hints = {
        "those that are there": np.arange(20) % 3 == 0,
        "all": np.ones(20, dtype=np.bool_),
        "none": np.zeros(20, dtype=np.bool_),
        "a wrong one": np.arange(20) == 1,
    }
    stored = store.insert(rows, replays=hints.get(hint or "")).before
    assert sorted(stored) == list(range(0, 20, 3))
    assert len(read_back(store)) == 20


def test_a_payment_that_comes_twice_in_a_micro_batch_is_stored_as_first_delivered(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON), ("b", NOON), ("a", NOON), ("a", NOON), alerts=[b"0", b"1", b"2", b"3"])
    stored = store.insert(rows).before
    assert {row: one.alert for row, one in stored.items()} == {2: b"0", 3: b"0"}
    assert {key: record.alert for key, record in read_back(store).items()} == {("a", NOON): b"0", ("b", NOON): b"1"}


def test_the_same_id_at_another_time_is_another_verdict(store: Store) -> None:
    assert store.insert(verdict_rows(store, ("a", NOON), ("a", NOON + 1), ("a", NOON + 10**9))).before == {}
    assert len(read_back(store)) == 3


def test_every_day_that_can_turn_up_is_stored(store: Store) -> None:
    times = [
        0,
        1,
        86_399_999,
        86_400_000,
        NOON - 10**12,
        NOON - 86_400_000 * 30,
        NOON,
        NOON + 10**11,
        253_402_300_799_999,
    ]
    payments = [("a", event_time) for event_time in times]
    assert store.insert(verdict_rows(store, *payments)).before == {}
    assert list(read_back(store)) == [("a", event_time) for event_time in sorted(times)]
    assert len(store.insert(verdict_rows(store, *payments)).before) == len(times)


def test_no_verdicts_are_stored_without_complaint(store: Store) -> None:
    assert store.insert(verdict_rows(store)) == Inserted({}, [])


def test_a_text_that_cannot_be_held_refuses_the_rows_and_stores_none(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON), ("b", NOON), payee_vpa=[b"x@y", b"no\0body@ybl"])
    with pytest.raises(RefusedRowsError, match="payee_vpa of row 1") as refusal:
        store.insert(rows)
    assert "body" not in str(refusal.value)
    assert read_back(store) == {}


def test_stored_finds_exact_keys_only(store: Store) -> None:
    store.insert(verdict_rows(store, ("a", NOON), ("b", NOON + 5)))
    found = store.stored([(b"a", NOON), (b"a", NOON + 5), (b"b", NOON), (b"b", NOON + 5), (b"c", NOON)])
    assert sorted(found) == [(b"a", NOON), (b"b", NOON + 5)]
    assert store.stored([]) == {}


def test_get_returns_the_latest_payment_of_an_id(store: Store) -> None:
    store.insert(verdict_rows(store, ("a", NOON), ("a", NOON - 10**12), ("b", NOON)))
    found = store.get("a")
    assert found is not None
    assert (found.event_time, found.source_offset) == (NOON, 2**40)
    assert store.get("nobody") is None


def test_scans_take_since_and_leave_until(store: Store) -> None:
    store.insert(
        verdict_rows(store, ("c", NOON + 2), ("b", NOON + 1), ("d", NOON + 2), ("a", NOON + 1), ("e", NOON + 3))
    )
    verdicts = [record.transaction_id for part in store.verdicts(NOON + 1, NOON + 3) for record in part]
    assert verdicts == ["a", "b", "c", "d"]
    provenance = [one for part in store.provenance(NOON + 2) for one in part]
    assert [one.provenance[0] for one in provenance] == [0, 10, 20]
    assert [(one.event_time, one.source_offset - 2**40) for one in provenance] == [
        (NOON + 2, 0),
        (NOON + 2, 2),
        (NOON + 3, 4),
    ]
    assert list(store.verdicts(NOON + 4)) == []


# Models -----------------------------------------------------------------------------------------------------------


def test_a_model_keeps_its_key(store: Store) -> None:
    first = store.model_key(MODEL)
    other = store.model_key(Model("forest-2", "5eed", 0.1 + 0.2, FEATURES))
    assert first != other
    assert store.model_key(MODEL) == first
    assert store.model_key(Model("forest-2", "5eed", 0.1 + 0.2, FEATURES)) == other


@pytest.mark.parametrize(
    "changed",
    [
        Model("forest-1", "0ther", -4.25, FEATURES, MODEL.thresholds),
        Model("forest-1", "5eed", -4.250000000000001, FEATURES, MODEL.thresholds),
        Model("forest-1", "5eed", -4.25, FEATURES[::-1], MODEL.thresholds),
        Model("forest-1", "5eed", -4.25, FEATURES, {"review": 0.2, "block": 0.95}),
    ],
    ids=["schema", "base value", "features", "thresholds"],
)
def test_a_model_id_stands_for_one_model(store: Store, changed: Model) -> None:
    store.model_key(MODEL)
    with pytest.raises(ModelChangedError, match="forest-1"):
        store.model_key(changed)


# Outcomes ---------------------------------------------------------------------------------------------------------


def outcome(name: str, reported_at: int = NOON, offset: int = 0, *, is_fraud: bool = True, **more: Any) -> OutcomeRow:
    given: dict[str, Any] = {"typology": None, "source": "bank desk", "source_partition": 0} | more
    return OutcomeRow(
        transaction_id=name.encode(), is_fraud=is_fraud, reported_at=reported_at, source_offset=offset, **given
    )


def refs(found: list[PaymentRef]) -> list[tuple[bytes, int, bytes]]:
    return [(ref.transaction_id, ref.event_time, ref.provenance) for ref in found]


def test_an_outcome_of_a_known_payment_comes_back_with_its_provenance(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON - 9), ("b", NOON - 8))
    store.insert(rows)
    given = outcome("b", typology="mule", source=None)
    found = store.put_outcomes([given, outcome("nobody")])
    assert refs(found) == [(b"b", NOON - 8, rows.provenance[1].tobytes())]
    assert found[0].outcome == given


def test_an_outcome_before_its_payment_waits_for_the_verdict(store: Store) -> None:
    given = outcome("b")
    assert store.put_outcomes([given]) == []
    assert store.insert(verdict_rows(store, ("a", NOON))).waiting == []
    rows = verdict_rows(store, ("a", NOON), ("b", NOON + 1))
    found = store.insert(rows).waiting
    assert refs(found) == [(b"b", NOON + 1, rows.provenance[1].tobytes())]
    assert found[0].outcome == given


@pytest.mark.parametrize("others", [0, 50], ids=["alone", "beside many for payments that never come"])
def test_an_outcome_that_waits_is_found_by_one_of_many_verdicts(store: Store, others: int) -> None:
    store.put_outcomes([outcome("t17"), *(outcome(f"never{number}") for number in range(others))])
    rows = verdict_rows(store, *[(f"t{number}", NOON) for number in range(40)])
    expected = [(b"t17", NOON, rows.provenance[17].tobytes())]
    assert refs(store.insert(rows).waiting) == expected
    assert refs(store.insert(rows).waiting) == expected  # though nothing was stored
    assert refs(store.insert(rows, replays=np.ones(40, dtype=np.bool_)).waiting) == expected


def test_an_outcome_waits_until_it_is_settled(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON), ("b", NOON))
    store.put_outcomes([outcome("a"), outcome("b")])
    found = store.insert(rows).waiting
    assert len(found) == 2
    assert store.insert(rows).waiting == found  # a crash before settle
    store.settle(found[:1])
    assert refs(store.insert(rows).waiting) == refs(found[1:])
    store.settle(found)
    assert store.insert(rows).waiting == []


def test_an_outcome_delivered_again_comes_back_again_but_waits_no_more(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON))
    store.insert(rows)
    found = store.put_outcomes([outcome("a")])
    store.settle(found)
    assert store.put_outcomes([outcome("a")]) == found
    assert store.insert(rows).waiting == []


def test_an_older_outcome_brings_back_the_one_that_stands(store: Store) -> None:
    store.insert(verdict_rows(store, ("a", NOON)))
    newer, older = outcome("a", NOON + 2, is_fraud=False), outcome("a", NOON + 1, offset=9)
    store.put_outcomes([newer])
    assert [ref.outcome for ref in store.put_outcomes([older])] == [newer]


def test_settling_an_outcome_leaves_the_one_that_replaced_it_waiting(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON))
    store.insert(rows)
    first = store.put_outcomes([outcome("a", NOON + 1)])
    correction = store.put_outcomes([outcome("a", NOON + 2, is_fraud=False)])
    store.settle(first)
    assert store.insert(rows).waiting == correction
    store.settle(correction)
    assert store.insert(rows).waiting == []


def test_an_outcome_belongs_to_the_latest_payment_of_its_id(store: Store) -> None:
    store.insert(verdict_rows(store, ("a", NOON), ("a", NOON - 10**10)))
    assert [ref.event_time for ref in store.put_outcomes([outcome("a")])] == [NOON]


def test_texts_of_a_case_system_cannot_cost_the_outcome(store: Store) -> None:
    store.insert(verdict_rows(store, ("a", NOON)))
    assert len(store.put_outcomes([outcome("a", typology="ठगी\0\ud800", source="")])) == 1


@pytest.mark.slow
def test_many_outcomes_of_many_payments_at_once(store: Store) -> None:
    rows = verdict_rows(store, *[(f"t{number:05d}", NOON) for number in range(4000)])
    store.insert(rows)
    found = store.put_outcomes([outcome(f"t{number:05d}", offset=number) for number in range(2000, 6000)])
    assert [(ref.transaction_id, ref.outcome.source_offset) for ref in found] == [
        (b"t%05d" % number, number) for number in range(2000, 4000)
    ]
    store.settle(found)
    assert store.insert(rows).waiting == []


def test_outcomes_are_read_back_with_their_payments(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON), ("b", NOON), ("c", NOON))
    store.insert(rows)
    store.put_outcomes([outcome("b"), outcome("nobody"), outcome("a", is_fraud=False)])
    found = [ref for part in store.outcomes() for ref in part]
    assert refs(found) == [(b"a", NOON, rows.provenance[0].tobytes()), (b"b", NOON, rows.provenance[1].tobytes())]
    assert [ref.outcome.is_fraud for ref in found] == [False, True]


def given_to_logs(store: Store) -> list[tuple[bytes, int, bool]]:
    """Return by provenance, relative time and outcome what a rebuild gives back to the entity logs."""
    return [
        (report.provenance, report.reported_at - NOON, report.is_fraud) for part in store.reports() for report in part
    ]


def test_reports_are_read_back_in_the_order_in_which_the_entity_logs_got_them(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON), ("b", NOON), ("c", NOON), ("d", NOON))
    a, b, c, d = (row.tobytes() for row in rows.provenance)
    store.insert(rows)
    store.settle(store.put_outcomes([outcome("c", NOON + 5)]))
    both = store.put_outcomes([outcome("b", NOON + 1), outcome("a", NOON + 9)])[::-1]
    store.settle(both)  # not in the order of ids
    store.settle(store.put_outcomes([outcome("c", NOON + 7, is_fraud=False)]))  # both count, for payments between them
    store.settle(store.put_outcomes([outcome("c", NOON + 6, offset=9)]))  # stands for nothing
    store.settle(both)  # delivered again
    store.put_outcomes([outcome("d", NOON - 5), outcome("nobody")])  # a crash before Redis had them
    expected = [(c, 5, True), (b, 1, True), (a, 9, True), (c, 7, False), (d, -5, True)]
    assert given_to_logs(store) == expected
    store.settle(store.put_outcomes([outcome("d", NOON - 5)]))
    assert given_to_logs(store) == expected


def test_a_report_that_was_replaced_before_redis_had_it_is_given_back_as_well(store: Store) -> None:
    rows = verdict_rows(store, ("a", NOON))
    store.insert(rows)
    first = store.put_outcomes([outcome("a", NOON + 1)])
    correction = store.put_outcomes([outcome("a", NOON + 2, is_fraud=False)])
    store.settle(first)
    store.settle(correction)
    assert [report[1:] for report in given_to_logs(store)] == [(1, True), (2, False)]


ranks = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.booleans())


@EXAMPLES
@given(given=st.lists(ranks, min_size=1, max_size=6, unique_by=lambda rank: rank[:3]), data=st.data())
def test_the_newest_outcome_stands_in_whatever_order_they_arrive(
    store: Store, given: list[tuple[int, int, int, bool]], data: st.DataObject
) -> None:
    name = f"p{next(_names)}"
    rows = verdict_rows(store, (name, NOON))
    outcomes = [
        outcome(name, NOON + at, offset, source_partition=partition, is_fraud=is_fraud)
        for at, offset, partition, is_fraud in given
    ]
    arrivals: list[Any] = data.draw(st.permutations([*outcomes, "verdict"]))
    latest: OutcomeRow | None = None
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        batch, arrivals = arrivals[:size], arrivals[size:]
        found = store.put_outcomes([one for one in batch if one != "verdict"])
        if "verdict" in batch:
            found += store.insert(rows).waiting
        if found:
            latest = found[-1].outcome
            store.settle(found)
    assert latest == max(outcomes, key=lambda one: (one.reported_at, one.source_offset, one.source_partition))
    assert store.insert(rows).waiting == []
