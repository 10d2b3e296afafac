"""The door to PostgreSQL: it cannot write, searches use the days' indexes, and building these holds nobody up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from stream.errors import StreamError
from stream.verdict_store import VerdictStore, migrate
from stream.verdict_store.connector import Statement
from stream.verdict_store.door import Door, Period, Wanted, day_indexes, reader
from stream.verdict_store.errors import UnavailableError
from tests.fixtures.stored_payments import account_of, facts_of, stored_payments

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

DAY_MS = 86_400_000
EVER = Period(0, 4_000_000_000_000)
KINDS = ("rrn", "payer_vpa", "payee_vpa", "device", "payer_account", "payee_account")
EXAMPLES = [
    Wanted("rrn", 633_412_000_017),
    Wanted("payer_vpa", b"asha3@okaxis"),
    Wanted("payee_vpa", "दुकान1@ybl".encode()),
    Wanted("device", 2**63 + 1),
    Wanted("payer_account", account_of(2)),
    Wanted("payee_account", 7),
]


@pytest.fixture
def url(postgres_url: str) -> str:
    migrate(postgres_url)
    return postgres_url


@pytest.fixture
def store(url: str) -> Iterator[VerdictStore]:
    opened = VerdictStore(url)
    yield opened
    opened.close()


@pytest.fixture
def door(url: str) -> Iterator[Door]:
    opened = Door(url)
    yield opened
    opened.close()


def query(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def today(url: str) -> int:
    return query(url, "SELECT (now() AT TIME ZONE 'UTC')::date - date '1970-01-01'")[0][0]


def four_days(store: VerdictStore, now: int) -> None:
    """Payments of today and of three days before, which are closed, and one of long ago."""
    stored_payments(store, [(f"p{n:03d}", (now - n % 4) * DAY_MS + n) for n in range(80)])
    stored_payments(store, [("early", 1000)], payer_vpa=[b"old@x"], rrn=[1])


def indexes(url: str, kind: str) -> int:
    """How many days can be searched by their index."""
    found = query(
        url,
        "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid"
        f" WHERE indisvalid AND relname LIKE '%!_{kind}' ESCAPE '!'",
    )
    return found[0][0]


def test_the_door_cannot_write(door: Door) -> None:
    for sql in ("DELETE FROM payment_ids", "SELECT make_verdict_day('2031-05-05')", "CREATE TABLE t ()"):
        with pytest.raises(StreamError, match="read-only transaction"):
            door._session.call(Statement(sql, sql))


def test_a_look_that_takes_too_long_is_ended_by_the_server(url: str) -> None:
    door = Door(url, answer_seconds=0.2)
    with pytest.raises(UnavailableError, match="statement timeout"):
        door._session.call(Statement("sleep", "SELECT pg_sleep(20)"))
    assert door.stored([(b"a", 1)]) == {}
    assert query(
        url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' AND state = 'active'"
    ) == [
        (1,)  # this very question
    ]
    door.close()


# Indexes of closed days -------------------------------------------------------------------------------------------


def test_days_get_the_index_of_rrns_at_once_and_the_others_when_they_are_closed(url: str, store: VerdictStore) -> None:
    now = today(url)
    four_days(store, now)
    days = query(url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'verdicts_by_day'::regclass")[0][0]
    assert [indexes(url, kind) for kind in KINDS] == [days, 0, 0, 0, 0, 0]
    built = list(day_indexes.build(url, now))
    closed = 4  # yesterday, the two days before, and all days before the installation
    assert [indexes(url, kind) for kind in KINDS] == [days, *[closed] * 5]
    assert len(built) == len(set(built)) == 5 * closed
    assert list(day_indexes.build(url, now)) == []
    assert len(list(day_indexes.build(url, now + 1))) == 5  # today is over


@pytest.mark.parametrize("wanted", EXAMPLES, ids=lambda wanted: wanted.kind)
def test_a_search_finds_the_same_with_indexes_and_without(url: str, store: VerdictStore, door: Door, wanted) -> None:
    now = today(url)
    four_days(store, now)
    before = door.search(wanted, EVER)
    assert before.records
    list(day_indexes.build(url, now))
    after = door.search(wanted, EVER)
    assert [one.transaction_id for one in after.records] == [one.transaction_id for one in before.records]
    assert (before.partial, after.partial) == (False, False)


@pytest.mark.parametrize("wanted", EXAMPLES, ids=lambda wanted: wanted.kind)
def test_a_closed_day_is_searched_by_its_index(url: str, store: VerdictStore, door: Door, wanted: Wanted) -> None:
    now = today(url)
    stored_payments(store, [(f"p{n:05d}", (now - 1) * DAY_MS + n) for n in range(3000)])
    list(day_indexes.build(url, now))
    found = door.search(wanted, EVER, limit=2)
    assert found.records
    door.close()
    query(url, "SELECT pg_stat_force_next_flush()")
    used = query(
        url,
        "SELECT sum(idx_scan), sum(idx_tup_read) FROM pg_stat_user_indexes"
        f" WHERE indexrelname LIKE '%\\_{wanted.kind}' AND relname NOT LIKE '%early'",
    )
    assert used[0][0] >= 1
    assert used[0][1] >= len(found.records)


def test_what_a_build_that_died_has_left_is_removed_and_built_anew(url: str, store: VerdictStore, door: Door) -> None:
    now = today(url)
    four_days(store, now)
    list(day_indexes.build(url, now))
    one = query(url, "SELECT indexrelid::regclass::text FROM pg_stat_user_indexes WHERE indexrelname LIKE '%payer_vpa'")
    name = one[0][0]
    query(url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    assert list(day_indexes.build(url, now)) == [name]
    assert indexes(url, "payer_vpa") == 4


def test_late_payments_are_stored_while_an_index_is_built(url: str, store: VerdictStore, door: Door) -> None:
    now = today(url)
    four_days(store, now)
    with psycopg.connect(url) as open_writer:  # the build has to wait for this one
        open_writer.execute("UPDATE verdicts_by_day SET alert = '' WHERE transaction_id = 'p001'")
        building = threading.Thread(target=lambda: list(day_indexes.build(url, now)))
        building.start()
        while not query(
            url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%' AND state = 'active'"
        ):
            assert building.is_alive()
        stored_payments(store, [(f"late{n}", (now - 1 - n % 3) * DAY_MS) for n in range(9)], payer_vpa=[b"late@x"] * 9)
        assert building.is_alive()
        open_writer.commit()
    building.join()
    assert indexes(url, "payer_vpa") == 4
    assert len(door.search(Wanted("payer_vpa", b"late@x"), EVER).records) == 9


def test_one_session_at_a_time_builds(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('upifraud.index_days'))")
        assert list(day_indexes.build(url, today(url))) == []


# Searches that run out of time ------------------------------------------------------------------------------------


def test_a_search_without_an_index_says_partial_when_time_is_out(
    url: str, store: VerdictStore, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = today(url)
    four_days(store, now)
    wanted = Wanted("payer_vpa", b"asha3@okaxis")
    assert door.search(wanted, EVER, seconds=0).partial
    list(day_indexes.build(url, now))
    closed = Period(0, now * DAY_MS)
    assert not door.search(wanted, closed).partial
    # Today is read in parts, its last pages first; after each it is asked whether there is time for another.
    clock = iter([0.0, *[0.1] * 50, *[9.0] * 1000])
    monkeypatch.setattr("stream.verdict_store.door.searches.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("stream.verdict_store.door.searches._FIRST_PAGES", 1)
    monkeypatch.setattr("stream.verdict_store.door.searches._MOST_PAGES", 1)
    stored_payments(store, [(f"q{n:04d}", now * DAY_MS + n) for n in range(2000)])
    found = door.search(wanted, EVER, limit=5000)
    everything = [f"q{n:04d}" for n in reversed(range(2000)) if n % 7 == 3]
    of_today = [one.transaction_id for one in found.records if one.transaction_id.startswith("q")]
    assert found.partial
    assert 0 < len(of_today) < len(everything)
    assert of_today == everything[: len(of_today)]


def test_a_day_in_which_the_server_takes_too_long_makes_the_answer_partial(
    url: str, store: VerdictStore, door: Door
) -> None:
    now = today(url)
    stored_payments(store, [(f"p{n}", (now - n) * DAY_MS) for n in range(3)], facts=[facts_of(2), b"slow", facts_of(2)])
    query(
        url,
        "CREATE OR REPLACE FUNCTION fact_hash(facts bytea, key text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$"
        " BEGIN IF facts = 'slow' THEN PERFORM pg_sleep(60); END IF; RETURN '\\x00f0000000000002'; END $$",
    )
    found = door.search(Wanted("payer_account", account_of(2)), EVER, seconds=1)
    assert ([one.transaction_id for one in found.records], found.partial) == (["p0"], True)
    assert door.stored([(b"p1", (now - 1) * DAY_MS)])  # the session goes on, with the patience that it had
    assert door._session.call(Statement("patience", "SHOW statement_timeout")) == [(b"3s",)]
    found = door.search(Wanted("payer_vpa", b"asha0@okaxis"), EVER, seconds=1)
    assert door._session.call(Statement("patience", "SHOW statement_timeout")) == [(b"3s",)]


def test_keys_far_apart_are_asked_for_apart() -> None:
    keys = [(b"a", 10 * DAY_MS), (b"b", 10 * DAY_MS + 1), (b"late", 3 * DAY_MS), (b"very late", 0)]
    assert reader._groups(keys) == [[(b"very late", 0)], [(b"late", 3 * DAY_MS)], keys[:2]]
    many = [(b"%d" % day, day * 3 * DAY_MS) for day in range(40)]
    groups = reader._groups(many)
    assert (len(groups), [key for group in groups for key in group]) == (4, many)


def test_facts_are_odd_and_searches_go_on(url: str, store: VerdictStore, door: Door) -> None:
    """Neither an index nor a search may fail because of what stands in a row."""
    now = today(url)
    odd = [
        b"",
        b"\xff\0\\",
        b'{"pa":"xyz"}',
        b'{"pa":12}',
        b'{"pa":"00f0000000000002',
        b'{"pa":"00F0000000000002"}',
        None,
    ]
    stored_payments(store, [(f"o{n}", (now - 1) * DAY_MS) for n in range(7)], facts=odd)
    stored_payments(store, [("good", (now - 1) * DAY_MS)], facts=[facts_of(2)])
    list(day_indexes.build(url, now))
    found = door.search(Wanted("payer_account", account_of(2)), EVER)
    assert [one.transaction_id for one in found.records] == ["o4", "good"]
