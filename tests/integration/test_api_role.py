"""The API's role in PostgreSQL may do all that the API does, and can be no second writer beside the stream."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from deploy.k8s.manifests import K8S
from stream.holds import Action, Outbox, PostgresHolds, decide
from stream.verdict_store import VerdictStore, migrate
from stream.verdict_store.door import AccessLine, AccessLog, Door, KeyTable, Period, Wanted, keys
from stream.verdict_store.door.reported import Reported
from tests.fixtures.holds import HOUR, NOON, store_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

ROLE_SQL = (K8S / "components/api/role.sql").read_text()


@pytest.fixture
def owner(postgres_url: str) -> Iterator[str]:
    """A database with the tables and two HOLDs; the role is there, and was granted what it may."""
    migrate(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE upifraud_api LOGIN PASSWORD 'its-own'")
        connection.execute(ROLE_SQL)
        connection.execute(ROLE_SQL)  # after every migration
    store = VerdictStore(postgres_url)
    store_verdicts(store, ["h1", "h2"])
    store.close()
    yield postgres_url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY upifraud_api")
        connection.execute("DROP ROLE upifraud_api")


@pytest.fixture
def api(owner: str) -> str:
    """The URL of the same database, as the API has it."""
    parts = urlsplit(owner)
    return urlunsplit(parts._replace(netloc=f"upifraud_api:its-own@{parts.netloc.rpartition('@')[2]}"))


class Publisher:
    """Confirms all that it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes | None] = []

    def produce(self, _topic: str, _key: bytes | None, value: bytes | None, _headers: object = ()) -> None:
        self.sent.append(value)

    def confirm(self, _seconds: float) -> None:
        """Return."""


def test_all_that_the_api_asks_is_answered(owner: str, api: str) -> None:
    made = keys.create(owner, "switch", ["payments:write"])
    table = KeyTable(api)
    (opening,) = table.keys()
    assert opening.key_id == made.key_id
    table.touch({made.key_id: time.time()})
    table.close()
    assert keys.listed(owner)[0].last_used_at is not None

    log = AccessLog(api)
    log.append([AccessLine(NOON, made.key_id, "payer_vpa", 2, b"12345678", "found")])
    log.close()

    door, reported = Door(api), Reported(api)
    found = door.search(Wanted("payer_vpa", b"asha@okaxis"), Period(0, NOON + HOUR), limit=10)
    assert {one.transaction_id for one in found.records} == {"h1", "h2"}
    assert door.newest("h1") is not None
    assert reported.ranks([b"h1"]) == {}
    door.close()
    reported.close()


def test_holds_end_and_their_resolutions_are_noted_as_published(api: str) -> None:
    holds, publisher = PostgresHolds(api), Publisher()
    decide(holds, "h1", Action.RELEASE, by="asha", reason="by phone", at=NOON + 1, expiry=Action.RELEASE)
    stepped = Outbox(holds, publisher, "resolutions", expiry=Action.RELEASE).step(NOON + 2 * HOUR)
    assert (stepped.expired, stepped.published, len(publisher.sent)) == (1, 2, 2)
    assert (holds.counts().open, holds.counts().waiting) == (0, 0)
    holds.close()


REFUSED = [
    "INSERT INTO verdicts_by_day SELECT * FROM verdicts_by_day",
    "UPDATE verdicts_by_day SET verdict = 0",
    "DELETE FROM verdicts_by_day",
    "INSERT INTO payment_ids SELECT * FROM payment_ids",
    "DELETE FROM payment_ids",
    "UPDATE outcomes SET outcome = 'GENUINE'",
    "UPDATE resolutions SET action = 'REJECT'",
    "DELETE FROM resolutions",
    "UPDATE api_keys SET scopes = '{holds:decide}'",
    "UPDATE api_keys SET revoked_at = NULL",
    "DELETE FROM access_log",
    "UPDATE access_log SET who = 'somebody'",
    "DROP TABLE access_log",
    "CREATE TABLE own (n integer)",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_the_stream_s_or_the_owner_s_is_refused(api: str, statement: str) -> None:
    with psycopg.connect(api, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_days_that_are_made_later_can_be_read(owner: str, api: str) -> None:
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("SELECT make_verdict_day(date '2031-05-05')")
        name = connection.execute("SELECT partition::text FROM verdict_days WHERE day = date '2031-05-05'").fetchone()
    assert name is not None
    with psycopg.connect(api, autocommit=True) as connection:
        assert connection.execute(f"SELECT count(*) FROM {name[0]}").fetchone() == (0,)
