"""The API's role ends holds, where the owner of the tables may make no roles, and changes nothing of how one ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from deploy.k8s.manifests import ROOT
from stream.holds import Action, Outbox, PostgresHolds, decide
from stream.verdict_store import VerdictStore, migrate
from tests.fixtures.holds import HOUR, NOON, store_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

SCRIPT = (ROOT / "deploy/postgres/api_role.sql").read_text()


def of_role(url: str, role: str) -> str:
    """The URL of the same database for another role."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:only-here@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture
def api(postgres_url: str) -> Iterator[str]:
    """A database with two HOLDs, made by an owner as in the cluster: no superuser, and not allowed to make roles."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for role in ("upifraud_owner", "upifraud_api"):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'only-here'")
        database = urlsplit(postgres_url).path.removeprefix("/")
        connection.execute(f"ALTER DATABASE {database} OWNER TO upifraud_owner")
    owner = of_role(postgres_url, "upifraud_owner")
    migrate(owner)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(SCRIPT)
        connection.execute(SCRIPT)  # after every migration
    store = VerdictStore(owner)
    store_verdicts(store, ["h1", "h2"])
    store.close()
    yield of_role(postgres_url, "upifraud_api")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} OWNER TO CURRENT_USER")
        for role in ("upifraud_api", "upifraud_owner"):
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


class Publisher:
    """Confirms all that it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes | None] = []

    def produce(self, _topic: str, _key: bytes | None, value: bytes | None, _headers: object = ()) -> None:
        self.sent.append(value)

    def confirm(self, _seconds: float) -> None:
        """Return."""


def test_holds_end_and_their_resolutions_are_noted_as_published(api: str) -> None:
    holds, publisher = PostgresHolds(api), Publisher()
    decide(holds, "h1", Action.RELEASE, by="asha", reason="by phone", at=NOON + 1, expiry=Action.RELEASE)
    stepped = Outbox(holds, publisher, "resolutions", expiry=Action.RELEASE).step(NOON + 2 * HOUR)
    assert (stepped.expired, stepped.published, len(publisher.sent)) == (1, 2, 2)
    counts = holds.counts(NOON + 2 * HOUR)
    assert (counts.open, counts.waiting) == (0, 0)
    holds.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO verdicts_by_day SELECT * FROM verdicts_by_day",
        "UPDATE resolutions SET action = 'REJECT'",
        "UPDATE resolutions SET record = ''",
        "DELETE FROM resolutions",
        "UPDATE open_holds SET hold_until = NULL",
        "INSERT INTO open_holds SELECT * FROM open_holds",
        "CREATE TABLE own (n integer)",
    ],
)
def test_what_is_the_stream_s_is_refused(api: str, statement: str) -> None:
    with psycopg.connect(api, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
