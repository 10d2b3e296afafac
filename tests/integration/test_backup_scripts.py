"""backup.sh and restore.sh: what they refuse, what they leave behind, and that they do not take "restored" on trust."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from local.postgres import _binaries, drop_database, make_database
from stream.verdict_store import housekeeping, migrate
from stream.verdict_store.door import day_indexes
from tests.fixtures.tools import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import PostgresServer

SCRIPTS = ROOT / "deploy" / "backup"
LONG_AGO = int(time.time()) // 86_400 - 20


def run(
    name: str, *arguments: str | Path, url: str = "", first: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script with the server's client programs; `first`: a directory that comes before them on the PATH."""
    path = os.pathsep.join([*([str(first)] if first else []), str(_binaries()), os.environ["PATH"]])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UPIFRAUD_")}
    return subprocess.run(
        [SCRIPTS / name, *arguments],
        env={**environment, "PATH": path, "UPIFRAUD_POSTGRES_URL": url},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def url(postgres_url: str) -> str:
    migrate(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "INSERT INTO verdicts_by_day SELECT now(), now(), n, 0.1, -2, n, n % 3, 0, 0, 1, 't' || n, 'a@x', 'b@x',"
            " '\\x00ff', '\\x01', CASE WHEN n % 9 = 0 THEN '\\x7b7d'::bytea END FROM generate_series(1, 200) AS n"
        )
        connection.execute("INSERT INTO outcomes VALUES ('t1', 'FRAUD', now(), E'tab\\tand\\nline', NULL, 1, 7, false)")
    # All days are over, as seen from the day after tomorrow: so each index of searches is in the backup.
    assert len(list(day_indexes.build(postgres_url, int(time.time()) // 86_400 + 2))) > 10
    return postgres_url


@pytest.fixture
def fresh(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    name, maintenance = f"fresh_{uuid.uuid4().hex}", postgres_server.database_url("postgres")
    make_database(maintenance, name)
    yield postgres_server.database_url(name)
    drop_database(maintenance, name)


def backup(url: str, to: Path, *arguments: str) -> Path:
    done = run("backup.sh", "--to", to, *arguments, url=url)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[0].partition(":")[0])


def test_shellcheck_finds_nothing():
    done = subprocess.run([tool("shellcheck"), *SCRIPTS.glob("*.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("backup.sh", ("--help",), 0, "Usage: backup.sh"),
        ("restore.sh", ("--help",), 0, "Usage: restore.sh"),
        ("backup.sh", (), 2, "Expected --to DIR"),
        ("backup.sh", ("--to",), 2, "--to needs a value"),
        ("backup.sh", ("--to", "x", "--keep", "none"), 2, "got 'none'"),
        ("backup.sh", ("--into", "x"), 2, "Unknown argument --into"),
        ("backup.sh", ("--to", "/proc/nowhere"), 2, "UPIFRAUD_POSTGRES_URL_FILE"),
        ("restore.sh", ("--from", "/nowhere"), 1, "no complete backup"),
    ],
)
def test_wrong_arguments_say_what_was_expected(name: str, arguments: tuple[str, ...], code: int, said: str):
    done = run(name, *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.servers
def test_a_backup_is_whole_or_not_there_and_old_ones_go(url: str, tmp_path: Path):
    first = backup(url, tmp_path)
    assert {path.name for path in first.iterdir()} == {
        *("SHA256SUMS", "about", "checks.sql", "dump", "offsets.tsv", "tables.tsv")
    }
    assert first.stat().st_mode & 0o077 == 0, "payments are personal data"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pg_dump").write_text("#!/bin/sh\necho 'disk full' >&2\nexit 1\n")
    (broken / "pg_dump").chmod(0o755)
    failed = run("backup.sh", "--to", tmp_path / "failing", "--keep", "1", url=url, first=broken)
    assert failed.returncode == 1
    assert "disk full" in failed.stderr
    assert list((tmp_path / "failing").iterdir()) == []
    shutil.rmtree(broken)
    shutil.rmtree(tmp_path / "failing")
    (first.parent / "upifraud-20000101T000000Z").mkdir()
    newest = backup(url, tmp_path, "--keep", "2")
    assert sorted(tmp_path.iterdir()) == sorted({first, newest})


@pytest.mark.servers
def test_two_backups_that_began_in_the_same_second_are_both_kept(url: str, tmp_path: Path):
    clock = tmp_path / "clock"
    clock.mkdir()
    ticks = tmp_path / "ticks"
    (clock / "date").write_text(f'#!/bin/sh\necho >> {ticks}\necho "20260101T00000$(wc -l < {ticks})Z"\n')
    (clock / "date").chmod(0o755)
    (tmp_path / "backups" / "upifraud-20260101T000001Z").mkdir(parents=True)
    done = run("backup.sh", "--to", tmp_path / "backups", url=url, first=clock)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert names == ["upifraud-20260101T000001Z", "upifraud-20260101T000002Z"]


@pytest.mark.servers
def test_no_password_stands_in_a_command_line(url: str, tmp_path: Path):
    spy, seen = tmp_path / "spy", tmp_path / "seen"
    spy.mkdir()
    for program in ("pg_dump", "psql"):
        (spy / program).write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {_binaries() / program} "$@"\n')
        (spy / program).chmod(0o755)
    done = run("backup.sh", "--to", tmp_path / "backups", url=url, first=spy)
    assert done.returncode == 0, done.stderr
    password = url.partition("//")[2].partition(":")[2].rpartition("@")[0]
    assert len(password) > 8
    assert "--dbname=postgresql://postgres@127.0.0.1" in seen.read_text()
    assert password not in seen.read_text() + done.stdout + done.stderr


@pytest.mark.servers
def test_a_restore_is_compared_and_a_difference_is_an_error(url: str, fresh: str, tmp_path: Path):
    made = backup(url, tmp_path)
    into_old = run("restore.sh", "--from", made, url=url)
    assert into_old.returncode == 1
    assert "not empty" in into_old.stderr

    tables = made / "tables.tsv"
    genuine = tables.read_text()
    tables.write_text(genuine.replace("outcomes\t1\t", "outcomes\t2\t"))
    damaged = run("restore.sh", "--from", made, "--check-only", url=fresh)
    assert damaged.returncode == 1
    assert "not what backup.sh wrote" in damaged.stderr

    # With sums that fit again the files pass, and only the comparison can tell.
    sums = made / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(digest(genuine), digest(tables.read_text())))
    different = run("restore.sh", "--from", made, url=fresh)
    assert different.returncode == 1
    assert "+outcomes\t1\t" in different.stderr
    assert "do not start workers" in different.stderr


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.servers
def test_one_day_comes_back_from_a_backup_alone(url: str, fresh: str, tmp_path: Path):
    made = backup(url, tmp_path)
    with psycopg.connect(url) as connection:
        (day,) = connection.execute("SELECT DISTINCT tableoid::regclass::text FROM verdicts_by_day").fetchone()
    restored = subprocess.run(
        [_binaries() / "pg_restore", "--dbname", fresh, "--table", day, "--no-owner", made / "dump"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    with psycopg.connect(fresh) as connection:
        assert connection.execute(f"SELECT count(*) FROM {day}").fetchone() == (200,)


@pytest.mark.servers
def test_no_day_is_removed_while_a_backup_reads(url: str):
    housekeeping.make_days(url, LONG_AGO, LONG_AGO)
    with psycopg.connect(url, autocommit=True) as reading:
        reading.execute("SELECT pg_advisory_lock(hashtext('upifraud.drop_days'))")
        assert housekeeping.drop_days(url, LONG_AGO + 1) == []
    assert len(housekeeping.drop_days(url, LONG_AGO + 1)) == 1
