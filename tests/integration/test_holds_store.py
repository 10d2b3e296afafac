"""Holds in PostgreSQL: beside workers of the version before, and when days are removed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from stream.holds import Action, NoSuchHoldError, PostgresHolds, decide
from stream.holds.decide import expired
from stream.holds.listing import holds as listed
from stream.verdict_store import VerdictStore, housekeeping, migrate
from stream.verdict_store.errors import RefusedRowsError
from stream.verdict_store.migrations import packaged
from stream.wire import decode_resolution
from tests.fixtures.holds import HOUR, NOON, store_verdicts
from tests.integration.test_verdict_store_upgrade import NOON as TODAY
from tests.integration.test_verdict_store_upgrade import OLD_MODEL, OLD_READ, store_as_before

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

DAY = 24 * HOUR


@pytest.fixture
def url(postgres_url: str) -> str:
    migrate(postgres_url)
    return postgres_url


@pytest.fixture
def holds(postgres_url: str) -> Iterator[PostgresHolds]:
    opened = PostgresHolds(postgres_url)
    yield opened
    opened.close()


def names(prefix: str) -> list[str]:
    return [f"{prefix}{name}" for name in (f"n-{number}" for number in range(8))]


def end(holds: PostgresHolds, name: str) -> bytes:
    return decide(holds, name, Action.RELEASE, by="asha", reason="x", at=NOON, expiry=Action.RELEASE).record


def test_a_worker_of_the_version_before_writes_beside_and_its_holds_are_ended_by_their_ids(
    postgres_url: str, holds: PostgresHolds
) -> None:
    before = [step for step in packaged() if step.version < 4]
    migrate(postgres_url, before)
    with psycopg.connect(postgres_url) as worker:
        worker.execute(OLD_MODEL)
        store_as_before(worker, names("old-"), TODAY)
        stored = worker.execute(OLD_READ).fetchall()
        worker.commit()
        assert migrate(postgres_url)[0] == "0004_holds"
        assert worker.execute(OLD_READ).fetchall() == stored
        for days in (0, 40):  # a day that was there, and one that the new tables' function makes
            at = TODAY + timedelta(days=days)
            worker.execute("SELECT make_verdict_day(%s)", (at.date(),))
            store_as_before(worker, names(f"beside-{days}-"), at)
    store = VerdictStore(postgres_url)
    store_verdicts(store, ["new"], event_time=NOON, hold_until=NOON + HOUR)
    store.close()
    found = {hold.transaction_id: hold.hold_until for hold in listed(postgres_url, only_open=True)}
    assert found == {"new": NOON + HOUR}
    assert [hold.transaction_id for hold in holds.due(2**45, 99)] == ["new"]
    for name in ("old-n-2", "beside-40-n-6"):
        assert end(holds, name) == end(holds, name)
    with pytest.raises(NoSuchHoldError):
        end(holds, "old-n-1")
    assert [hold.transaction_id for hold in listed(postgres_url, only_open=False) if hold.record] == [
        "beside-40-n-6",
        "old-n-2",
    ]


def test_a_verdict_that_is_refused_leaves_no_hold(url: str, holds: PostgresHolds) -> None:
    """The hold is in the transaction of its verdict: of a micro-batch that is refused, neither is there."""
    store = VerdictStore(url)
    store_verdicts(store, ["a", "b"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE open_holds ADD CHECK (transaction_id <> 'd')")
    with pytest.raises(RefusedRowsError):
        store_verdicts(store, ["c", "d"])
    assert (holds.find("c"), holds.find("d")) == (None, None)
    store_verdicts(store, ["a", "c", "c", "b"])  # two that are there, and one twice
    assert [hold.transaction_id for hold in listed(url, only_open=True)] == ["a", "b", "c"]
    store.close()


def test_an_id_is_kept_whatever_characters_it_has(url: str, holds: PostgresHolds) -> None:
    store = VerdictStore(url)
    names = ["'); DROP TABLE outcomes; --", "\\x41", "ÄÖ'\"\\", "{}", "%s", "$1", "🚀", " "]
    store_verdicts(store, names, hold_until=NOON + 1)
    store_verdicts(store, names[:1], event_time=0, hold_until=None)  # before 2000
    assert {hold.transaction_id for hold in holds.due(NOON + 1, 99)} == set(names)
    for name in names:
        assert decode_resolution(end(holds, name)).transaction_id == name
    (left,) = listed(url, only_open=True)
    assert (left.transaction_id, left.event_time) == (names[0], 0)
    store.close()


def test_holds_of_removed_days_are_forgotten_when_their_time_has_come(url: str, holds: PostgresHolds) -> None:
    """What has an end waits for it, and what ended waits for the broker, whatever is removed."""
    store = VerdictStore(url)
    today = NOON // DAY
    for name, hold_until in (("endless", None), ("ends", NOON + HOUR), ("waits", NOON + HOUR), ("sent", NOON + HOUR)):
        store_verdicts(store, [name], event_time=NOON - 40 * DAY, hold_until=hold_until)
    store_verdicts(store, ["young"], hold_until=None)
    end(holds, "sent")
    holds.confirmed(holds.waiting(9), NOON)
    end(holds, "waits")
    housekeeping.drop_days(url, today - 31)
    assert housekeeping.forget_holds(url, today - 31) == 2
    assert [waiting.transaction_id for waiting in holds.waiting(9)] == ["waits"]
    (ends,) = holds.due(NOON + HOUR, 9)
    assert holds.put([expired(ends, Action.REJECT)]) == [True]
    assert holds.counts(NOON).open == 1
    store.close()


def test_a_hold_that_ended_stays_ended_when_its_payment_comes_again_after_its_day_was_removed(
    url: str, holds: PostgresHolds
) -> None:
    store = VerdictStore(url)
    store_verdicts(store, ["a", "b"])
    record = end(holds, "a")
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM verdicts_by_day")
    store_verdicts(store, ["a", "b"])
    assert end(holds, "a") == record
    assert [hold.transaction_id for hold in listed(url, only_open=True)] == ["b"]
    store.close()


def test_the_lock_goes_with_the_session_of_who_has_it(url: str, holds: PostgresHolds) -> None:
    other = PostgresHolds(url)
    with other.alone() as is_ours:
        assert is_ours
        with holds.alone() as is_ours:
            assert not is_ours
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'upifraud-holds'"
                " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
            )
        with pytest.raises(Exception, match="Postgres"):
            other.counts(NOON)
        with holds.alone() as is_ours:
            assert is_ours
    other.close()
