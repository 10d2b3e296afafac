"""Keys of the API, its access log, and the role that it has in PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from click.testing import CliRunner, Result

from stream.errors import StreamError
from stream.verdict_store import VerdictStore, migrate
from stream.verdict_store.door import (
    AccessLine,
    AccessLog,
    Door,
    KeyTable,
    Period,
    Wanted,
    access_log,
    day_indexes,
    keys,
)
from stream.verdict_store.errors import PostgresRefusedError
from tests.fixtures.stored_payments import stored_payments
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
DAY_MS = 86_400_000


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    migrate(postgres_url)
    monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", postgres_url)
    return postgres_url


def query(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def opening(table: KeyTable) -> list[keys.ApiKey]:
    return table.keys()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments])


# Keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_only_its_hash_is_kept(url: str) -> None:
    result = run("create", "--name", "switch", "--scopes", "payments:write, verdicts:read", "--json")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert set(made) == {"key_id", "key"}
    assert made["key"].startswith("ufs_")
    assert len(made["key"]) == len("ufs_") + 43  # 32 bytes
    (row,) = query(url, "SELECT api_keys::text, secret_sha256 FROM api_keys")
    assert made["key"][4:] not in row[0]
    assert row[1] == hashlib.sha256(made["key"].encode()).digest()
    table = KeyTable(url)
    (key,) = table.keys()
    assert (key.key_id, key.secret_sha256) == (made["key_id"], row[1])
    assert (key.scopes, key.rate, key.expires_at, key.subject) == (
        {"payments:write", "verdicts:read"},
        None,
        None,
        None,
    )
    table.close()


def test_a_person_gets_the_key_alone_on_stdout(url: str) -> None:
    result = run("create", "--name", "switch", "--scopes", "verdicts:read")
    assert result.stdout.startswith("ufs_")
    assert result.stdout.count("\n") == 1
    assert "verdicts:read" in result.stderr


@pytest.mark.parametrize("scopes", ["verdicts:write", "verdicts:read,everything", "", " , "])
def test_a_scope_that_no_call_needs_is_refused(url: str, scopes: str) -> None:
    result = run("create", "--name", "n", "--scopes", scopes)
    assert result.exit_code == 1
    assert "holds:decide" in result.stderr
    assert query(url, "SELECT count(*) FROM api_keys") == [(0,)]


def test_scopes_are_those_of_the_calls() -> None:
    assert set(keys.SCOPES) == {
        *("payments:write", "score:what-if", "verdicts:read", "entities:read", "outcomes:write", "holds:decide"),
    }


def test_a_key_that_was_revoked_or_has_expired_opens_nothing(url: str) -> None:
    now = round(time.time() * 1000)
    table = KeyTable(url)
    open_, expired, revoked = (
        keys.create(url, name, ["verdicts:read"], expires_at=now + after)
        for name, after in (("open", 60_000), ("expired", -1), ("revoked", 60_000))
    )
    assert {key.key_id for key in opening(table)} == {open_.key_id, revoked.key_id}
    assert run("revoke", revoked.key_id).stdout == f"{revoked.key_id} is revoked\n"
    assert [key.key_id for key in opening(table)] == [open_.key_id]
    assert "was revoked before" in run("revoke", revoked.key_id).stdout
    assert run("revoke", "nobody").exit_code == 1
    states = {row["key_id"]: row["state"] for row in map(json.loads, run("list", "--json").stdout.splitlines())}
    assert states == {open_.key_id: "open", expired.key_id: "expired", revoked.key_id: "revoked"}
    assert open_.key[4:] not in run("list").stdout
    table.close()


def test_how_long_a_key_opens_is_said_in_days_or_hours(url: str) -> None:
    before = time.time()
    assert run("create", "--name", "n", "--scopes", "verdicts:read", "--expires", "90d", "--rate", "5").exit_code == 0
    table = KeyTable(url)
    (key,) = table.keys()
    assert key.expires_at is not None
    assert before + 90 * 86_400 - 1 <= key.expires_at <= time.time() + 90 * 86_400 + 1
    assert key.rate == 5
    table.close()
    assert run("create", "--name", "n", "--scopes", "verdicts:read", "--expires", "soon").exit_code == 2


def test_uses_are_noted_and_never_moved_back(url: str) -> None:
    table = KeyTable(url)
    made = [keys.create(url, "n", ["verdicts:read"]) for _ in range(3)]
    table.touch({made[0].key_id: 2000.5, made[1].key_id: 3000.0, "gone": 1.0})
    table.touch({made[0].key_id: 1000.0})
    table.touch({})
    used = {row.key_id: row.last_used_at for row in keys.listed(url)}
    assert used == {made[0].key_id: 2_000_500, made[1].key_id: 3_000_000, made[2].key_id: None}
    table.close()


def test_a_certificate_has_one_key(url: str) -> None:
    keys.create(url, "n", ["verdicts:read"], subject="CN=switch")
    table = KeyTable(url)
    assert [key.subject for key in opening(table)] == ["CN=switch"]
    with pytest.raises(StreamError, match="another key"):
        keys.create(url, "m", ["verdicts:read"], subject="CN=switch")
    table.close()


# The access log ---------------------------------------------------------------------------------------------------


def line(at: int, asked: bytes | None = None) -> AccessLine:
    return AccessLine(at, "k1", "payer_vpa", 3, asked, "found")


def test_lines_are_appended_whole(url: str) -> None:
    log = AccessLog(url)
    log.append([line(1_764_000_000_123, b"\0\xff"), AccessLine(0, "आशा", "what-if", 100, None, "answered")])
    log.append([])
    log.close()
    assert query(url, "SELECT extract(epoch FROM at)::float8, who, kind, how_many, asked, outcome FROM access_log") == [
        (1_764_000_000.123, "k1", "payer_vpa", 3, b"\0\xff", "found"),
        (0.0, "आशा", "what-if", 100, None, "answered"),
    ]


def test_lines_are_forgotten_after_their_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_AT_ONCE", 3)
    log = AccessLog(url)
    log.append([line(day * DAY_MS + shift) for day in range(8) for shift in (0, DAY_MS - 1)])
    assert access_log.forget(url, 4) == 8
    assert access_log.forget(url, 4) == 0
    assert query(url, "SELECT count(*), min(at) = 'epoch'::timestamptz + '4 days'::interval FROM access_log") == [
        (8, True)
    ]
    log.close()


def test_housekeeping_forgets_lines_after_a_year(url: str) -> None:
    log = AccessLog(url)
    today = int(time.time()) // 86_400
    log.append([line((today - back) * DAY_MS) for back in (0, 364, 366, 500)])
    log.close()
    result = CliRunner().invoke(main, ["housekeeping"])
    assert result.exit_code == 0, result.output
    assert "access log: 2 lines forgotten" in result.stdout
    assert CliRunner().invoke(main, ["housekeeping", "--keep-access-days", "30"]).exit_code == 0
    assert query(url, "SELECT count(*) FROM access_log") == [(1,)]


def test_housekeeping_indexes_closed_days(url: str) -> None:
    store = VerdictStore(url)
    stored_payments(store, [("p", (int(time.time()) // 86_400 - 1) * DAY_MS)])
    store.close()
    result = CliRunner().invoke(main, ["housekeeping"])
    assert "indexes: 10 built" in result.stdout  # five of yesterday's, five of the days before the installation
    assert "indexes: 0 built" in CliRunner().invoke(main, ["housekeeping"]).stdout


# The role ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def role_url(url: str) -> Iterator[str]:
    """The URL of the API's role, which the file has made; made twice, as after an upgrade."""
    script = (ROOT / "deploy/postgres/api_role.sql").read_text()
    query(url, script)
    query(url, script)
    query(url, "ALTER ROLE upifraud_api PASSWORD 'only-here'")
    at = url.split("@", 1)[1]
    yield f"postgresql://upifraud_api:only-here@{at}"
    query(url, "DROP OWNED BY upifraud_api; DROP ROLE upifraud_api")


def test_the_role_may_do_what_the_api_does(url: str, role_url: str) -> None:
    now = int(time.time()) // 86_400
    store = VerdictStore(url)
    stored_payments(store, [(f"p{n:03d}", (now - n % 4) * DAY_MS + n) for n in range(80)])
    list(day_indexes.build(url, now))
    later = [("new day", (now + 40) * DAY_MS)]  # made after the role was
    stored_payments(store, later, payer_vpa=[b"later@x"])
    store.close()
    made = keys.create(url, "n", ["verdicts:read"])
    door, table, log = Door(role_url), KeyTable(role_url), AccessLog(role_url)
    ever = Period(0, (now + 100) * DAY_MS)
    assert len(door.stored([(b"p001", (now - 1) * DAY_MS + 1), (b"new day", (now + 40) * DAY_MS)])) == 2
    assert door.claims(np.array([[1, 2]], dtype=np.uint64)) == {}
    assert door.newest("p001") is not None
    for wanted in (Wanted("payer_vpa", b"later@x"), Wanted("rrn", 633_412_000_017), Wanted("device", 2**63)):
        found = door.search(wanted, ever)
        assert found.records
        assert not found.partial
    assert [key.key_id for key in opening(table)] == [made.key_id]
    table.touch({made.key_id: 1000.0})
    log.append([line(0)])
    with psycopg.connect(role_url) as connection:
        assert connection.execute("SELECT count(*), count(facts) FROM verdicts").fetchone() == (81, 65)
    for part in (door, table, log):
        part.close()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM verdicts_by_day",
        "UPDATE verdicts_by_day SET verdict = 0",
        "INSERT INTO payment_ids SELECT gen_random_uuid(), 1, 1, 1, 1",
        "UPDATE api_keys SET scopes = '{}'",
        "INSERT INTO api_keys (key_id, secret_sha256, name, scopes) VALUES ('k', '', 'n', '{}')",
        "SELECT * FROM access_log",
        "DELETE FROM access_log",
        "DELETE FROM model_artifacts",
        "SELECT make_verdict_day('2031-05-05')",
    ],
)
def test_the_role_may_do_nothing_else(role_url: str, sql: str) -> None:
    with psycopg.connect(role_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql)


def test_a_role_without_the_right_is_told_so(role_url: str) -> None:
    with pytest.raises(PostgresRefusedError, match="permission denied"):
        keys.create(role_url, "n", ["verdicts:read"])
