"""The verdict store under what PostgreSQL and other sessions do to it."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest

from stream.facts import FACTS, pack, unpack
from stream.verdict_store import (
    Claim,
    Inserted,
    Model,
    OutcomeRow,
    VerdictRows,
    VerdictStore,
    housekeeping,
    migrate,
    scans,
)
from stream.verdict_store.connector import Statement
from stream.verdict_store.errors import (
    ContendedError,
    MigrationError,
    NotMigratedError,
    RefusedRowsError,
    UnavailableError,
)
from stream.verdict_store.migrations import _TABLE, Migration, packaged
from tests.fixtures.deployment import until
from tests.fixtures.verdict_rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.postgres import PostgresServer

pytestmark = pytest.mark.servers

DAY_MS = 86_400_000
TODAY = 20_400
NOON = TODAY * DAY_MS + DAY_MS // 2


@pytest.fixture
def url(postgres_url: str) -> str:
    migrate(postgres_url)
    return postgres_url


@contextmanager
def open_store(url: str, **options: float) -> Iterator[VerdictStore]:
    store = VerdictStore(url, **options)
    try:
        yield store
    finally:
        store.close()


def query(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def at_once(workers: Sequence[Callable[[], object]]) -> list:
    """Run all of them from one moment on; return their results."""
    gate = threading.Barrier(len(workers))

    def run(worker: Callable[[], object]) -> object:
        gate.wait()
        return worker()

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(run, workers))


def claim(store: VerdictStore, numbers: np.ndarray, offset: int = 0) -> np.ndarray:
    ids = np.column_stack((numbers, numbers)).astype(np.uint64)
    n = len(numbers)
    return store.claim(ids, numbers.astype(np.int64), np.zeros(n, dtype=np.int32), np.arange(n) + offset, TODAY)


def verdict_rows(store: VerdictStore, names: Sequence[str], event_time: int = NOON, **columns: object) -> VerdictRows:
    model_key = store.model_key(Model("m", "s", 0.0, ("a", "b")))
    return plain_rows(names, model_key, event_time, **columns)


# Counting ---------------------------------------------------------------------------------------------------------


def test_verdicts_are_counted_by_the_places_of_their_records(url: str) -> None:
    with open_store(url) as store:
        store.insert(verdict_rows(store, ["a", "b", "c", "d"]))
        store.insert(verdict_rows(store, ["e", "f"], NOON + 10, source_partition=np.ones(2, dtype=np.int32)))
    assert scans.count_of_records(url, [(0, 1, 3)], None, None) == 2
    assert scans.count_of_records(url, [(0, 0, 1), (0, 3, 9), (1, 0, 2), (2, 0, 9)], None, None) == 4
    assert scans.count_of_records(url, [(0, 0, 9), (1, 0, 9)], NOON, NOON + 10) == 4
    assert scans.count_of_records(url, [(0, 0, 9), (1, 0, 9)], NOON + 10, NOON + 11) == 2
    assert scans.count_of_records(url, [], None, None) == 0


# Migrations -------------------------------------------------------------------------------------------------------


def test_migrating_again_changes_nothing(postgres_url: str) -> None:
    assert migrate(postgres_url) == [f"{step.version:04d}_{step.name}" for step in packaged()]
    before = query(postgres_url, "SELECT * FROM schema_migrations")
    assert migrate(postgres_url) == []
    assert query(postgres_url, "SELECT * FROM schema_migrations") == before


def test_workers_that_start_at_once_migrate_once(postgres_url: str) -> None:
    applied = at_once([lambda: migrate(postgres_url)] * 6)
    assert sorted(map(len, applied)) == [0] * 5 + [len(packaged())]


def test_a_migration_that_fails_leaves_nothing_behind(postgres_url: str) -> None:
    broken = [Migration(1, "half", "CREATE TABLE half (x int); SELECT 1 / 0;")]
    with pytest.raises(RefusedRowsError, match="division by zero"):
        migrate(postgres_url, broken)
    assert query(postgres_url, "SELECT to_regclass('half'), to_regclass('schema_migrations')") == [(None, None)]


def test_an_edited_migration_is_refused(url: str) -> None:
    edited = [Migration(1, "verdict_store", "SELECT 1"), *packaged()[1:]]
    with pytest.raises(MigrationError, match="0001_verdict_store was edited"):
        migrate(url, edited)


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    migrate(url, [*packaged(), Migration(99, "future", "SELECT 1")])
    with pytest.raises(MigrationError, match="found 0099"):
        migrate(url)


def test_the_next_days_have_their_partitions(url: str) -> None:
    days = query(url, "SELECT day - (now() AT TIME ZONE 'UTC')::date FROM verdict_days ORDER BY 1")
    assert days == [(-1,), (0,), (1,), (2,), (3,)]


@pytest.fixture
def legacy(postgres_url: str) -> str:
    """A database in which a backslash in a string means something, as before PostgreSQL 9.1."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET standard_conforming_strings = off')
    return postgres_url


def test_a_database_with_other_strings_is_used_like_any(legacy: str) -> None:
    migrate(legacy)
    assert housekeeping.make_days(legacy, TODAY - 1, TODAY + 1) in (0, 3)
    assert housekeeping.days_ahead(legacy) >= 3
    with open_store(legacy) as store:
        assert claim(store, np.arange(3)).tolist() == [Claim.FRESH] * 3


def test_tables_that_were_made_with_other_strings_are_healed(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:  # as an older version migrated
        connection.execute(_TABLE.encode())
        for step in packaged()[:1]:
            connection.execute(step.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
                (step.version, step.name, step.sha256),
            )
        with pytest.raises(psycopg.errors.InvalidRegularExpression):
            connection.execute("SELECT make_verdict_day(current_date)")
    migrate(legacy)
    assert housekeeping.days_ahead(legacy) >= 3


def test_all_days_keep_few_statistics_whenever_they_were_made(postgres_url: str) -> None:
    """A partition is analysed each time it has grown by a tenth; a sample of all its wide rows would cost as much."""
    migrate(postgres_url, packaged()[:1])
    migrate(postgres_url)
    query(postgres_url, "SELECT make_verdict_day('2031-05-05')")
    targets = query(
        postgres_url,
        "SELECT attname IN ('vector', 'provenance', 'alert', 'facts'), attstattarget, count(DISTINCT attrelid)"
        " FROM pg_attribute JOIN pg_inherits ON inhrelid = attrelid"
        " WHERE inhparent = 'verdicts_by_day'::regclass AND attnum > 0 GROUP BY 1, 2 ORDER BY 1",
    )
    days = 2 + 5 + 1  # the early, the late, those around today, and the one that was asked for
    assert targets == [(False, 10, days), (True, 0, days)]


def test_a_store_without_tables_says_what_to_do(postgres_url: str) -> None:
    with open_store(postgres_url) as store, pytest.raises(NotMigratedError, match="upifraud migrate"):
        claim(store, np.arange(3))


# Claims under concurrency -----------------------------------------------------------------------------------------


def test_an_id_that_several_sessions_claim_at_once_belongs_to_one_record(url: str) -> None:
    """Each session claims the same ids in an order of its own, in micro-batches, as a record of its own."""
    sessions, count = 4, 1200

    def work(session: int) -> np.ndarray:
        order = np.random.default_rng(session).permutation(count)
        decided = np.empty(count, dtype=np.uint8)
        with open_store(url) as store:
            for batch in np.split(order, 12):
                decided[batch] = claim(store, batch, offset=10_000 * (session + 1))
        return decided

    decided = np.stack(at_once([lambda s=session: work(s) for session in range(sessions)]))
    assert ((decided == Claim.FRESH).sum(axis=0) == 1).all()
    assert ((decided == Claim.DUPLICATE).sum(axis=0) == sessions - 1).all()


def test_ids_that_are_forgotten_while_they_are_claimed_are_claimed_anew(url: str) -> None:
    """Whatever happens in between, every record gets an answer, and FRESH again only after the id was forgotten."""
    stop = threading.Event()
    forgotten = 0

    def forget() -> None:
        nonlocal forgotten
        while not stop.is_set():
            forgotten += housekeeping.forget_ids(url, TODAY + 1)

    def work() -> int:
        fresh = 0
        with open_store(url) as store:
            for _ in range(60):
                try:
                    decided = claim(store, np.arange(50))
                except ContendedError:  # forgotten each of the five times; the worker would call again
                    continue
                assert set(decided.tolist()) <= {Claim.FRESH, Claim.REPLAY}
                fresh += int((decided == Claim.FRESH).sum())
        stop.set()
        return fresh

    fresh = at_once([work, forget])[0]
    left = query(url, "SELECT count(*) FROM payment_ids")[0][0]
    assert fresh == forgotten + left


def test_claims_never_scan_the_table(url: str) -> None:
    """Not even with a plan that was made while the table was empty."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until(lambda: query(url, others) == [(0,)], "the migration's session ended, which counts its scans at its end")
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'payment_ids'"
    before = query(url, scans)
    with open_store(url) as store:
        for start in range(0, 20_000, 2000):
            claim(store, np.arange(start, start + 2000))
        claim(store, np.arange(500, 2500))
    query(url, "SELECT pg_stat_force_next_flush()")
    assert query(url, scans) == before


# Verdicts under concurrency ---------------------------------------------------------------------------------------


def test_sessions_that_store_the_same_verdicts_at_once_store_each_once(url: str) -> None:
    names = [f"t{number}" for number in range(300)]

    def work(session: int) -> int:
        order = np.random.default_rng(session).permutation(len(names))
        new = 0
        with open_store(url) as store:
            for batch in np.split(order, 10):
                rows = verdict_rows(store, [names[row] for row in batch])
                new += len(rows) - len(insert_patiently(store, rows).before)
        return new

    assert sum(at_once([lambda s=session: work(s) for session in range(3)])) == len(names)
    assert query(url, "SELECT count(*), count(DISTINCT transaction_id) FROM verdicts_by_day") == [(300, 300)]


def insert_patiently(store: VerdictStore, rows: VerdictRows) -> Inserted:
    while True:
        try:
            return store.insert(rows)
        except ContendedError:
            continue


def test_sessions_that_need_a_new_day_at_once_make_it_once(url: str) -> None:
    def work(session: int) -> None:
        with open_store(url) as store:
            for day in range(8):
                store.insert(verdict_rows(store, [f"s{session}d{day}"], NOON + 40 * DAY_MS + day * DAY_MS))

    at_once([lambda s=session: work(s) for session in range(4)])
    assert query(url, "SELECT count(*), count(DISTINCT event_time) FROM verdicts_by_day") == [(32, 8)]


def test_a_new_day_waits_for_no_reader(url: str) -> None:
    with open_store(url) as store, psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM verdicts")  # in a transaction that stays open
        store.insert(verdict_rows(store, ["a"], NOON + 50 * DAY_MS))
        assert query(url, "SELECT count(*) FROM verdicts") == [(1,)]


def test_times_before_this_installation_share_one_partition(url: str) -> None:
    with open_store(url) as store:
        rows = verdict_rows(store, [f"t{day}" for day in range(300)], event_time=0)
        rows.event_time[:] = np.arange(300) * DAY_MS
        store.insert(rows)
    assert query(url, "SELECT count(*) FROM verdicts_early") == [(300,)]
    assert query(url, "SELECT count(*) FROM verdict_days") == [(5,)]


def test_outcomes_are_looked_for_when_the_verdicts_can_be_seen(url: str) -> None:
    """One that comes while a verdict is being committed sees no verdict, so whoever stores the verdict must see it.

    A lock holds the verdict's commit up: a look before it would have found nothing.
    """
    hold_commits_up(url)
    with open_store(url) as store, open_store(url) as other, psycopg.connect(url) as gate:
        rows = verdict_rows(store, ["a", "b"], today(url) * DAY_MS)
        gate.execute("SELECT pg_advisory_lock(7)")
        with ThreadPoolExecutor(1) as pool:
            inserting = pool.submit(store.insert, rows)
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted"
            until(lambda: query(url, waits) == [(1,)], "the commit waits")
            origin = {"source_partition": 0, "source_offset": 0}
            given = OutcomeRow(b"b", is_fraud=True, reported_at=NOON, typology=None, source=None, **origin)
            assert other.put_outcomes([given]) == []
            gate.execute("SELECT pg_advisory_unlock(7)")
            assert [ref.outcome for ref in inserting.result(30).waiting] == [given]


def hold_commits_up(url: str) -> None:
    """Let each commit of today's verdicts wait for the advisory lock 7."""
    query(
        url,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$;"
        f"CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {verdicts_of(url, today(url))} DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait()",
    )


def test_after_a_copy_that_failed_the_session_goes_on(url: str) -> None:
    """With the rows that were refused nothing is stored, and what comes next is in a transaction of its own."""
    with open_store(url) as store:
        store.insert(verdict_rows(store, ["a"]))
        pid = store.server_pids[1]
        for refused in (["b", "c"], ["b", "d"]):
            rows = verdict_rows(store, refused, payer_vpa=[b"asha@okaxis", b"\xff@ybl"])
            with pytest.raises(RefusedRowsError):
                store.insert(rows)
        assert list(store.insert(verdict_rows(store, ["e", "a"])).before) == [1]
        assert store.server_pids[1] == pid
    assert query(url, "SELECT array_agg(transaction_id ORDER BY 1) FROM verdicts_by_day") == [(["a", "e"],)]
    assert query(url, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == [(0,)]


def test_holds_are_opened_with_their_verdicts_or_not_at_all(url: str) -> None:
    held = {"verdict": np.array([2, 2], dtype=np.int16), "hold_until": np.array([NOON, -1])}
    with open_store(url) as store:
        with pytest.raises(RefusedRowsError):
            store.insert(verdict_rows(store, ["a", "b"], payer_vpa=[b"asha@okaxis", b"\xff@ybl"], **held))
        assert query(url, "SELECT count(*) FROM open_holds") == [(0,)]
        store.insert(verdict_rows(store, ["a", "b"], **held))
    assert query(url, "SELECT transaction_id FROM open_holds ORDER BY 1") == [("a",), ("b",)]


# Housekeeping -----------------------------------------------------------------------------------------------------


def today(url: str) -> int:
    return query(url, "SELECT (now() AT TIME ZONE 'UTC')::date - date '1970-01-01'")[0][0]


def test_dropping_days_leaves_the_later_ones(url: str) -> None:
    now = today(url)
    with open_store(url) as store:
        for day in (now - 5000, now - 30, now - 29, now):
            store.insert(verdict_rows(store, [f"d{now - day}"], day * DAY_MS + 1))
        assert housekeeping.drop_days(url, now - 29) == [verdicts_of(url, now - 30)]
        assert [record.transaction_id for part in store.verdicts() for record in part] == ["d29", "d0"]
        # The store believes in the day that is gone; a late payment makes it anew.
        assert store.insert(verdict_rows(store, ["late"], (now - 30) * DAY_MS)).before == {}
        assert [record.transaction_id for part in store.verdicts() for record in part] == ["late", "d29", "d0"]


def verdicts_of(url: str, day: int) -> str:
    return query(url, f"SELECT 'verdicts_' || to_char(date '1970-01-01' + {day}, 'YYYYMMDD')")[0][0]


def test_a_detached_day_that_somebody_keeps_is_not_touched(url: str) -> None:
    now = today(url)
    kept = verdicts_of(url, now)
    with open_store(url) as store:
        store.insert(verdict_rows(store, ["kept"], now * DAY_MS))
        query(url, f"ALTER TABLE verdicts_by_day DETACH PARTITION {kept}")
        store.insert(verdict_rows(store, ["new"], now * DAY_MS))
        assert housekeeping.drop_days(url, now + 1)
    assert query(url, f"SELECT transaction_id FROM {kept}") == [("kept",)]


def test_one_session_at_a_time_keeps_house(url: str) -> None:
    with open_store(url) as store, psycopg.connect(url, autocommit=True) as other:
        claim(store, np.arange(5))
        other.execute("SELECT pg_advisory_lock(hashtext('upifraud.forget_ids'))")
        assert store.forget_ids(TODAY + 1) == 0
        other.execute("SELECT pg_advisory_unlock_all()")
        assert store.forget_ids(TODAY + 1) == 5


def test_days_are_made_ahead_once(url: str) -> None:
    now = today(url)
    assert housekeeping.make_days(url, now, now + 6) == 3  # four were there
    assert housekeeping.make_days(url, now, now + 6) == 0


# The view ---------------------------------------------------------------------------------------------------------


def test_the_view_has_the_columns_of_the_export_but_the_contributions(url: str) -> None:
    with open_store(url) as store:
        names = ["a", "b", "c", "d"]
        codes = np.arange(4, dtype=np.int16)
        vectors = np.array([[0.1, np.nan]] * 4, dtype=np.float32)
        store.insert(verdict_rows(store, names, verdict=codes, feature_state=codes, vectors=vectors, score=codes / 8))
    with psycopg.connect(url) as connection:
        cursor = connection.execute("SELECT * FROM verdicts ORDER BY transaction_id")
        rows = cursor.fetchall()
        columns = [column.name for column in cursor.description]
    assert columns == [
        *("transaction_id", "event_time", "score", "margin", "base_value", "verdict", "feature_state"),
        *("model_id", "schema_hash", "vector"),
        *("decided_at", "payer_vpa", "payee_vpa", "amount_paise", "rrn", "facts", "hold_until"),
    ]
    assert [row[5] for row in rows] == ["ALLOW", "REVIEW", "HOLD", "BLOCK"]
    assert [row[6] for row in rows] == ["FULL", "COLD", "LATE", "DEGRADED"]
    assert [row[2] for row in rows] == [0, 0.125, 0.25, 0.375]
    assert (rows[0][1].timestamp(), *rows[0][3:5], *rows[0][7:9]) == (NOON / 1000, 0.0, 0.0, "m", "s")
    assert np.array(rows[0][9], dtype=np.float32).tobytes() == vectors[0].tobytes()


def test_the_view_shows_facts_by_their_names(url: str) -> None:
    facts = [b'{"pb":"\xe0\xa4\x95","zz":[1,{"a":true}]}', None, b"{}", b'{"pb":"\\u0000"}', b"\xff", b"no JSON"]
    with open_store(url) as store:
        rrn = np.array([412_300_000_001, -1, 0, -1, -1, -1])
        store.insert(verdict_rows(store, list("abcdef"), facts=facts, rrn=rrn))
    assert query(url, "SELECT facts, rrn FROM verdicts ORDER BY transaction_id") == [
        ({"payer_bank": "क", "zz": [1, {"a": True}]}, 412_300_000_001),
        (None, None),
        ({}, 0),
        *(({"unreadable": odd.hex()}, None) for odd in facts[3:] if odd),
    ]


def test_facts_have_the_names_of_this_version_whatever_they_were_called(url: str) -> None:
    ours = sorted((fact.short, fact.name) for fact in FACTS)
    assert query(url, "SELECT key, name FROM fact_names ORDER BY 1") == ours
    query(url, "UPDATE fact_names SET name = 'old name' WHERE key = 'pb'; INSERT INTO fact_names VALUES ('~', 'later')")
    migrate(url)
    assert query(url, "SELECT key, name FROM fact_names ORDER BY 1") == [*ours, ("~", "later")]


def test_the_view_shows_all_facts_as_the_program_unpacks_them(url: str) -> None:
    columns = {fact.name: [f"{n:016x}:ab" if fact.hashed else f"text {n}"] for n, fact in enumerate(FACTS)}
    (packed,) = pack(columns, 1)
    with open_store(url) as store:
        store.insert(verdict_rows(store, ["a"], facts=[packed]))
    unpacked = unpack(packed)
    hashed = {fact.name for fact in FACTS if fact.hashed}
    ((shown,),) = query(url, "SELECT facts FROM verdicts")
    assert shown == {
        name: f"{value['hash']}:{value['last4']}" if name in hashed else value for name, value in unpacked.items()
    }
    assert len(shown) == len(FACTS)


def test_a_packed_vector_is_unpacked_bit_for_bit(url: str) -> None:
    words = np.random.default_rng(5).integers(0, 2**32, 3000, dtype=np.uint32)
    special = [0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x3F800000, 0x3F800001]
    words = np.concatenate((words, special, np.array(special) | 0x80000000)).astype(np.uint32)
    words = words[~np.isnan(words.view(np.float32))]  # SQL has one NaN, ours below
    with psycopg.connect(url) as connection:
        unpacked = connection.execute("SELECT unpack_float32(%b)", (words.tobytes(),)).fetchone()
        nan = connection.execute("SELECT unpack_float32(%b)", (np.float32(np.nan).tobytes(),)).fetchone()
        empty = connection.execute("SELECT unpack_float32('')").fetchone()
    assert (np.array(unpacked[0], dtype=np.float32).view(np.uint32) == words).all()
    assert np.isnan(nan[0])
    assert empty[0] == []


# Failures ---------------------------------------------------------------------------------------------------------


def test_a_server_that_was_gone_is_used_again(url: str, postgres_server: PostgresServer) -> None:
    with open_store(url) as store:
        rows = verdict_rows(store, ["a"])
        claim(store, np.arange(3))
        store.insert(rows)
        postgres_server.stop()
        for call in (lambda: claim(store, np.arange(3)), lambda: store.insert(rows), lambda: store.get("a")) * 2:
            with pytest.raises(UnavailableError):
                call()
        postgres_server.start()
        assert claim(store, np.arange(3)).tolist() == [Claim.REPLAY] * 3
        assert list(store.insert(rows).before) == [0]


def test_what_was_returned_survives_a_crash_of_the_server(url: str, postgres_server: PostgresServer) -> None:
    with open_store(url) as store:
        claim(store, np.arange(3))
        store.insert(verdict_rows(store, ["a"]))
        origin = {"source_partition": 0, "source_offset": 0}
        store.put_outcomes([OutcomeRow(b"b", is_fraud=True, reported_at=NOON, typology=None, source=None, **origin)])
    postgres_server.kill()
    postgres_server.start()
    with open_store(url) as store:
        assert claim(store, np.arange(3)).tolist() == [Claim.REPLAY] * 3
        assert store.get("a") is not None
    assert query(url, "SELECT transaction_id FROM outcomes WHERE waiting") == [("b",)]


def test_a_server_that_does_not_answer_counts_as_gone(url: str) -> None:
    with open_store(url, answer_seconds=0.3) as store:
        claim(store, np.arange(3))
        pid = store.server_pids[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(UnavailableError, match=r"no answer in 0\.3 s"):
                claim(store, np.arange(3, 6))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert set(claim(store, np.arange(3, 6)).tolist()) <= {Claim.FRESH, Claim.REPLAY}


def test_a_session_that_was_terminated_is_replaced(url: str) -> None:
    with open_store(url) as store:
        rows = verdict_rows(store, ["a"])
        query(url, f"SELECT pg_terminate_backend({store.server_pids[1]}, 5000)")
        with pytest.raises(UnavailableError):
            store.insert(rows)
        assert store.insert(rows).before == {}


def test_bytes_that_are_no_text_refuse_the_rows_and_are_not_quoted(url: str) -> None:
    with open_store(url) as store:
        rows = verdict_rows(store, ["a", "b"], payer_vpa=[b"asha@okaxis", b"\xff\xfesecret@ybl"])
        with pytest.raises(RefusedRowsError) as refusal:
            store.insert(rows)
        assert "secret" not in str(refusal.value)
        assert store.insert(verdict_rows(store, ["a"])).before == {}  # the session goes on


def test_claims_are_durable_where_the_server_would_not_wait_for_the_disk(url: str) -> None:
    name = url.rsplit("/", 1)[1]
    query(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    query(url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    with open_store(url) as store:
        for session in (store._claims, store._verdicts):
            assert session.call(Statement("durable", "SHOW synchronous_commit")) == [(b"on",)]
            assert session.call(Statement("isolation", "SHOW transaction_isolation")) == [(b"read committed",)]


def test_a_scan_reads_more_rows_than_it_holds_and_sees_one_moment(url: str) -> None:
    with open_store(url) as store:
        store.insert(verdict_rows(store, [f"t{number:05d}" for number in range(4500)]))
        scan = store.verdicts()
        first = next(scan)
        store.insert(verdict_rows(store, ["t99999"]))
        sizes = [len(first), *(len(part) for part in scan)]
    assert sizes == [2000, 2000, 500]
