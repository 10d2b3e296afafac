"""What the HTTP service may rely on when it reads: the door to PostgreSQL and the one in memory run the same suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psycopg
import pytest

from local.postgres import make_database
from stream.verdict_store import Claim, MemoryVerdictStore, OutcomeRow, VerdictStore, migrate
from stream.verdict_store.door import ClaimOf, Door, MemoryDoor, Period, Wanted
from tests.fixtures.stored_payments import account_of, device_of, facts_of, stored_payments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.verdict_store.door import Found

DAY_MS = 86_400_000
TODAY = 20_400
NOON = TODAY * DAY_MS + DAY_MS // 2
EVER = Period(0, NOON + 10**12)


class Both(NamedTuple):
    """A store, and the door to it."""

    store: VerdictStore | MemoryVerdictStore
    door: Door | MemoryDoor


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.servers)])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """An empty store and its door."""
    if request.param == "memory":
        store = MemoryVerdictStore()
        yield Both(store, MemoryDoor(store))
        return
    server = request.getfixturevalue("postgres_server")
    url = server.database_url("door_contract")
    if make_database(server.database_url("postgres"), "door_contract"):
        migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE payment_ids, verdicts_by_day, outcomes, models RESTART IDENTITY")
    store, door = VerdictStore(url), Door(url)
    yield Both(store, door)
    door.close()
    store.close()


def names(found: Found) -> list[str]:
    return [record.transaction_id for record in found.records]


# Rows that are waited for ------------------------------------------------------------------------------------------


def test_stored_rows_are_whole(both: Both) -> None:
    keys = [(f"तत्-{number}", NOON + number) for number in range(9)]
    rows = stored_payments(both.store, keys)
    found = both.door.stored([(name.encode(), at) for name, at in keys])
    whole = {(record.transaction_id, record.event_time): record for part in both.store.verdicts() for record in part}
    assert len(found) == 9
    for row, key in enumerate(keys):
        record, other = found[key[0].encode(), key[1]], whole[key]
        assert (record.facts, record.rrn) == (rows.facts[row], None if row % 6 == 0 else 633_412_000_000 + row)
        assert record.vector.tobytes() == rows.vectors[row].tobytes()
        for name in type(record).__slots__:
            if name != "vector":
                assert getattr(record, name) == getattr(other, name), name


def test_stored_finds_exact_keys_only_however_late(both: Both) -> None:
    others = [("b", NOON - 90 * DAY_MS), ("c", NOON - 40 * DAY_MS), ("d", 0), ("e", NOON - 1)]
    stored_payments(both.store, [("a", NOON), *others])
    asked = [
        (b"a", NOON),
        (b"a", NOON - 1),
        (b"e", NOON),
        (b"e", NOON - 2),
        (b"b", NOON - 90 * DAY_MS),
        (b"b", NOON),
        (b"d", 0),
        (b"x", NOON),
    ]
    assert set(both.door.stored(asked)) == {(b"a", NOON), (b"b", NOON - 90 * DAY_MS), (b"d", 0)}
    assert both.door.stored([]) == {}


def test_rows_of_days_without_end_are_found(both: Both) -> None:
    keys = [(f"t{day}", NOON - day * 3 * DAY_MS) for day in range(25)]
    stored_payments(both.store, keys)
    assert len(both.door.stored([(name.encode(), at) for name, at in keys])) == 25


def test_a_door_that_was_made_ready_answers_as_any(both: Both) -> None:
    both.door.make_ready()
    stored_payments(both.store, [("a", NOON)])
    both.door.make_ready()
    assert list(both.door.stored([(b"a", NOON)])) == [(b"a", NOON)]


def test_a_row_is_seen_once_it_is_there_by_a_door_that_looked_before(both: Both) -> None:
    assert both.door.stored([(b"a", NOON)]) == {}
    stored_payments(both.store, [("a", NOON)])
    assert list(both.door.stored([(b"a", NOON)])) == [(b"a", NOON)]


def test_claims_are_looked_at_and_none_is_made(both: Both) -> None:
    ids = np.array([[one, one ^ 0x55] for one in (3, 2, 1)], dtype=np.uint64)
    fingerprints, offsets = np.array([33, 22, 11]), np.array([7, 8, 9])
    both.store.claim(ids[[0, 2]], fingerprints[[0, 2]], np.array([2, 0], dtype=np.int32), offsets[[0, 2]], TODAY)
    assert both.door.claims(ids) == {0: ClaimOf(33, 2, 7), 2: ClaimOf(11, 0, 9)}
    assert both.door.claims(ids[:0]) == {}
    made = both.store.claim(ids[[1]], fingerprints[[1]], np.zeros(1, dtype=np.int32), offsets[[1]], TODAY)
    assert made.tolist() == [Claim.FRESH]


def test_the_newest_of_an_id_names_the_earlier_ones(both: Both) -> None:
    times = [NOON - 9 * DAY_MS, NOON, NOON - 4 * DAY_MS]
    stored_payments(both.store, [*(("a", at) for at in times), ("b", NOON)])
    found = both.door.newest("a")
    assert found is not None
    assert (found.record.event_time, found.earlier) == (NOON, (times[2], times[0]))
    only = both.door.newest("b")
    assert only is not None
    assert only.earlier == ()
    assert both.door.newest("nobody") is both.door.newest("no\0body") is None


# Searches ---------------------------------------------------------------------------------------------------------


def payments(n: int = 40) -> list[tuple[str, int]]:
    """Payments of eight days, two at each moment."""
    return [(f"p{number:03d}", NOON - 3 * DAY_MS + (number // 2) * DAY_MS * 2 // 5) for number in range(n)]


def test_an_rrn_is_found(both: Both) -> None:
    stored_payments(both.store, payments())
    found = both.door.search(Wanted("rrn", 633_412_000_017), EVER)
    assert (names(found), found.cursor, found.partial) == (["p017"], None, False)
    assert names(both.door.search(Wanted("rrn", 633_412_000_018), EVER)) == []  # of 18 it is not known


@pytest.mark.parametrize(
    ("wanted", "whose"),
    [
        (Wanted("payer_vpa", b"asha3@okaxis"), lambda number: number % 7 == 3),
        (Wanted("payee_vpa", "दुकान1@ybl".encode()), lambda number: number % 2 == 1),
        (Wanted("device", 2**63 + 1), lambda number: device_of(number) == 2**63 + 1),
        (Wanted("payer_account", account_of(2)), lambda number: facts_of(number) and number % 4 == 2),
        (Wanted("payee_account", 7), lambda number: facts_of(number) is not None),
        (Wanted("payer_account", 2**64 - 1), lambda _: False),  # stands inside of another text only
        (Wanted("device", 0), lambda _: False),
    ],
    ids=lambda value: value.kind if isinstance(value, Wanted) else "",
)
def test_payments_are_found_by_a_party_latest_first(both: Both, wanted: Wanted, whose) -> None:
    stored_payments(both.store, payments())
    expected = [name for number, (name, _) in reversed(list(enumerate(payments()))) if whose(number)]
    found = both.door.search(wanted, EVER)
    assert names(found) == expected
    assert not found.partial


def test_a_search_keeps_to_its_period_and_verdict(both: Both) -> None:
    stored_payments(both.store, payments())
    since, until = payments()[10][1], payments()[30][1]
    wanted = Wanted("payee_vpa", "दुकान1@ybl".encode())
    assert names(both.door.search(wanted, Period(since, until))) == [f"p{n:03d}" for n in range(29, 9, -2)]
    assert names(both.door.search(wanted, Period(since, until, verdict=3))) == ["p027", "p023", "p019", "p015", "p011"]
    assert names(both.door.search(wanted, Period(until, since))) == []


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_search_goes_on_where_it_stopped(both: Both, limit: int) -> None:
    """Two payments share each moment, so a page can end between them."""
    stored_payments(both.store, payments(), payer_vpa=[b"a@x"] * 40)
    cursor, seen = None, []
    while True:
        found = both.door.search(Wanted("payer_vpa", b"a@x"), EVER, cursor=cursor, limit=limit)
        seen += names(found)
        assert len(found.records) <= limit
        cursor = found.cursor
        if cursor is None:
            break
    assert seen == [name for name, _ in reversed(payments())]


# Outcomes that are waited for ---------------------------------------------------------------------------------------


def outcome(name: str, reported_at: int, partition: int, offset: int) -> OutcomeRow:
    return OutcomeRow(
        name.encode(),
        is_fraud=True,
        reported_at=reported_at,
        typology=None,
        source=None,
        source_partition=partition,
        source_offset=offset,
    )


def test_the_rank_of_an_outcome_is_that_of_the_one_that_stands(both: Both) -> None:
    assert both.door.outcome_ranks([b"a", b"b"]) == {}
    newer, older = ((NOON + 2, 7), (NOON + 1, 9))
    both.store.put_outcomes([outcome("a", at, 3, offset) for at, offset in (newer, older)])
    both.store.put_outcomes([outcome("other", NOON, 0, 0)])
    assert both.door.outcome_ranks([b"a", b"b"]) == {b"a": (NOON + 2, 7, 3)}
    assert both.door.outcome_ranks([]) == {}
