"""`upifraud migrate` and `upifraud housekeeping`, as a job and a daily cron job run them."""

from __future__ import annotations

import time
import uuid

import psycopg
import pytest
from click.testing import CliRunner, Result

from stream.verdict_store import migrate
from upifraud.cli import main

pytestmark = pytest.mark.servers

TODAY = int(time.time()) // 86_400


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", postgres_url)
    return postgres_url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def query(url: str, sql: str, *parameters: object) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def days(url: str) -> list[int]:
    return [row[0] for row in query(url, "SELECT day - date '1970-01-01' FROM verdict_days")]


def store_verdict(url: str, transaction_id: str, day: int) -> None:
    query(url, "SELECT make_verdict_day(date '1970-01-01' + %s::integer)", day)
    query(
        url,
        "INSERT INTO verdicts_by_day SELECT at, at, 1, 0.5, 0, 1, 0, 0, 0, 1, %s, 'a@x', 'b@x', '', '', NULL"
        " FROM to_timestamp(%s::bigint) AS at",
        transaction_id, day * 86_400 + 60,
    )  # fmt: skip


def store_outcome(url: str, transaction_id: str, day: int) -> None:
    query(
        url,
        "INSERT INTO outcomes (transaction_id, outcome, reported_at, source_partition, source_offset, waiting)"
        " VALUES (%s, 'FRAUD', to_timestamp(%s::bigint), 0, 0, true)",
        transaction_id, day * 86_400 + 120,
    )  # fmt: skip


# Migrate ----------------------------------------------------------------------------------------------------------


def test_an_empty_database_gets_its_tables_and_the_next_days(url: str) -> None:
    first, second = run("migrate"), run("migrate")
    assert first.exit_code == second.exit_code == 0, first.output
    assert first.stdout.splitlines()[0] == "applied 0001_verdict_store"
    assert "applied" not in second.stdout
    assert second.stdout.splitlines() == first.stdout.splitlines()[-1:]
    assert set(range(TODAY, TODAY + 4)) <= set(days(url))


def test_a_database_of_a_newer_version_ends_in_a_line(url: str) -> None:
    migrate(url)
    query(url, "INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'later', '')")
    result = run("migrate")
    assert result.exit_code == 1
    assert "9999" in result.stderr
    assert "Run that version" in result.stderr


def test_a_server_that_does_not_answer_is_waited_for_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", "postgresql://asha:secret@127.0.0.1:1/nothing")
    for wait, at_least in (("0", 0.0), ("1.5", 1.5)):
        began = time.monotonic()
        result = run("migrate", "--wait", wait)
        assert time.monotonic() - began >= at_least
        assert result.exit_code == 1
        assert "UPIFRAUD_POSTGRES_URL" in result.stderr
        assert "secret" not in result.stderr


# Housekeeping -----------------------------------------------------------------------------------------------------


def test_partitions_are_made_ahead_and_verdicts_kept_for_ever_unless_told(url: str) -> None:
    migrate(url)
    store_verdict(url, "old", TODAY - 90)
    store_outcome(url, "nobody", TODAY - 90)
    result = run("housekeeping", "--ahead", "9")
    assert result.exit_code == 0, result.output
    assert set(range(TODAY - 1, TODAY + 10)) <= set(days(url))
    assert query(url, "SELECT count(*) FROM verdicts_by_day") == [(1,)]
    assert query(url, "SELECT count(*) FROM outcomes") == [(1,)]
    assert "0 made" in run("housekeeping", "--ahead", "9").stdout


def test_claims_are_kept_for_three_days(url: str) -> None:
    migrate(url)
    for age in range(6):
        query(url, "INSERT INTO payment_ids VALUES (gen_random_uuid(), 1, 1, 1, %s)", TODAY - age)
    result = run("housekeeping")
    assert "claims: 2 forgotten" in result.stdout
    kept = query(url, "SELECT claimed_on FROM payment_ids ORDER BY 1 DESC")
    assert kept == [(TODAY - age,) for age in range(4)]


def test_what_is_past_its_retention_goes_with_its_outcomes(url: str) -> None:
    migrate(url)
    for name, age in (("young", 1), ("edge", 40), ("old", 41)):
        store_verdict(url, name, TODAY - age)
        store_outcome(url, name, TODAY - 41)  # even an outcome with a wrong time stays as long as its payment
    store_outcome(url, "never came", TODAY - 41)
    store_outcome(url, "may come", TODAY - 2)
    result = run("housekeeping", "--keep-days", "40")
    assert result.exit_code == 0, result.output
    assert query(url, "SELECT transaction_id FROM verdicts_by_day ORDER BY 1") == [("edge",), ("young",)]
    kept = query(url, "SELECT transaction_id FROM outcomes ORDER BY 1")
    assert kept == [("edge",), ("may come",), ("young",)]
    assert "outcomes: 2" in result.stdout


def test_less_than_the_windows_need_cannot_be_kept(url: str) -> None:
    result = run("housekeeping", "--keep-days", "30")
    assert result.exit_code == 2
    assert "30" in result.stderr


def test_without_tables_it_says_what_to_do(url: str) -> None:
    result = run("housekeeping")
    assert result.exit_code == 1
    assert "upifraud migrate" in result.stderr


# Two roles that take turns -----------------------------------------------------------------------------------------


def test_passwords_are_rotated_between_two_roles_that_own_everything_together(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/operations.md has it: both act as the owner, so what one makes is the other's too."""
    name, unique = url.rpartition("/")[2], uuid.uuid4().hex[:8]
    owner, one, two = (f"{role}_{unique}" for role in ("upifraud", "upifraud_a", "upifraud_b"))
    query(url, f"CREATE ROLE {owner} NOLOGIN")
    query(url, f"ALTER DATABASE {name} OWNER TO {owner}")
    for role in (one, two):
        query(url, f"CREATE ROLE {role} LOGIN PASSWORD 'secret' IN ROLE {owner}")
        query(url, f"ALTER ROLE {role} SET role = '{owner}'")
    address = url.rpartition("@")[2]
    try:
        for role, command in ((one, "migrate"), (two, "migrate"), (two, "housekeeping"), (one, "housekeeping")):
            monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", f"postgresql://{role}:secret@{address}")
            result = run(command, *(["--keep-days", "31"] if command == "housekeeping" else []))
            assert result.exit_code == 0, result.output
        owners = query(url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert owners == [(owner,)]
    finally:
        query(url, f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        query(url, f"REASSIGN OWNED BY {owner} TO CURRENT_USER")
        query(url, f"DROP ROLE {one}, {two}, {owner}")
