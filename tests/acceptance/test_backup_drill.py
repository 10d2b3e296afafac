"""The drill: Postgres is backed up while a worker works, lost, restored, and the worker goes on.

payments ----------|backup|----------X  the database is lost, and Redis is emptied
                       <-------------   restore, migrate, rewind, rebuild-features, a new worker
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from local.postgres import _binaries, drop_database, make_database
from tests.fixtures.deployment import Deployment, until
from tests.fixtures.log_order import check_logs

if TYPE_CHECKING:
    from local.postgres import PostgresServer
    from local.valkey import ValkeyServer

# The embedded broker neither finds offsets by time nor always knows a topic's end: there the group goes back too far.
pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.timeout(900)]

SCRIPTS = Path(__file__).parents[2] / "deploy" / "backup"
SECONDS, RATE = 8, 400
TABLES = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


def script(name: str, url: str, *arguments: str | Path) -> str:
    """Run a script with the server's own client programs; return what it said."""
    path = os.pathsep.join([str(_binaries()), os.environ["PATH"]])
    done = subprocess.run(
        [SCRIPTS / name, *arguments],
        env={**os.environ, "PATH": path, "UPIFRAUD_POSTGRES_URL": url},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Return rows and checksum of every table, by other means than the scripts': the sorted lines of COPY."""
    found = {}
    with psycopg.connect(url) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                lines = sorted(bytes(line) for line in copy)
            found[table] = len(lines), hashlib.sha256(b"".join(lines)).hexdigest()
    return found


def verdicts(deployment: Deployment) -> dict[str, tuple]:
    """Return every stored row whole, by id."""
    rows = deployment.query("SELECT transaction_id, v.* FROM verdicts_by_day AS v")
    assert len({row[0] for row in rows}) == len(rows), "a payment has two verdicts"
    return {row[0]: row[1:] for row in rows}


def alerts(deployment: Deployment) -> dict[str, list[bytes]]:
    """Return every copy of every alert that was published, by transaction_id, in the order of publication."""
    copies = defaultdict(list)
    for record in deployment.records("alerts"):
        copies[json.loads(record.value)["transaction_id"]].append(record.value)
    return copies


def test_a_lost_database_is_restored_and_the_worker_goes_on(
    deployment: Deployment, postgres_server: PostgresServer, redis_server: ValkeyServer
) -> None:
    url, backups = deployment.environment["UPIFRAUD_POSTGRES_URL"], deployment.directory / "backups"
    worker = deployment.start_worker()
    switch = deployment.begin(
        "simulate", "--seed", "8", "--seconds", str(SECONDS), "--rate", str(RATE), "--payers", "300", "--pace", "real",
        "--fraud-rate", "0.05",
    )  # fmt: skip
    until(lambda: deployment.verdicts() > SECONDS * RATE // 3, "a third of the verdicts")
    script("backup.sh", url, "--to", backups)
    taken = deployment.verdicts()
    assert switch.wait(180) == 0
    deployment.upifraud("simulate", "--seed", "9", "--payments", "400", "--payers", "300", "--fraud-rate", "0.05")
    deployment.drain()
    lost, sent = verdicts(deployment), alerts(deployment)
    assert len(lost) > taken, "nothing came after the backup"
    deployment.refused("rewind", "--to", "now", because="workers are in group")
    assert worker.terminate() == 0

    # Everything but Kafka and the backup is gone.
    maintenance, name = postgres_server.database_url("postgres"), url.rpartition("/")[2]
    drop_database(maintenance, name)
    make_database(maintenance, name)
    (first,) = backups.iterdir()
    script("restore.sh", url, "--from", first)
    restored = verdicts(deployment)
    assert 0 < len(restored) <= taken
    assert restored.items() <= lost.items(), "a restored row is not what it was"

    # The worker would not score on windows that are ahead of Postgres, or are lost.
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    assert "applied" not in deployment.upifraud("migrate")
    deployment.upifraud("rewind", "--backup", str(first), "--margin", "2")
    deployment.upifraud("rebuild-features")
    again = deployment.start_worker()
    deployment.drain()

    records = deployment.records("transactions")
    after = verdicts(deployment)
    published = {json.loads(record.value)["transaction_id"]: record for record in records}
    missing = {(published[name].partition, published[name].offset) for name in published.keys() - after.keys()}
    assert not missing, f"no verdict for {sorted(missing)}; the backup reached {(first / 'offsets.tsv').read_text()}"
    assert after.keys() == published.keys()
    assert restored.items() <= after.items(), "a restored row was changed"
    assert again.metric("replays_total") > 0
    repeated = 0
    for transaction_id, copies in alerts(deployment).items():
        if transaction_id in restored:
            assert set(copies) == {sent[transaction_id][0]}, "a stored alert was repeated with other bytes"
            repeated += len(copies) > len(sent[transaction_id])
        else:
            judged = [json.loads(copy) for copy in copies]
            assert len({one["alert_id"] for one in judged}) == 1
    assert repeated, "no alert was repeated"
    check_logs(records, deployment.query("SELECT transaction_id, vector, provenance FROM verdicts_by_day"))

    # At rest, a backup restored elsewhere is the very same database, and goes on numbering where it stopped.
    assert again.terminate() == 0
    script("backup.sh", url, "--to", backups, "--keep", "1")
    (backup,) = backups.iterdir()
    elsewhere = f"restored_{uuid.uuid4().hex}"
    make_database(maintenance, elsewhere)
    try:
        script("restore.sh", postgres_server.database_url(elsewhere), "--from", backup, "--jobs", "1")
        assert contents(postgres_server.database_url(elsewhere)) == contents(url)
        following = "SELECT last_value, is_called FROM models_model_key_seq"
        with psycopg.connect(postgres_server.database_url(elsewhere)) as connection:
            assert connection.execute(following).fetchall() == deployment.query(following)
    finally:
        drop_database(maintenance, elsewhere)
