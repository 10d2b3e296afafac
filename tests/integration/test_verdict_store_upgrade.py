"""Tables that a version before made and filled: brought up to date, and used by both versions at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import psycopg
import pytest

from stream.verdict_store import Model, OutcomeRow, VerdictRows, VerdictStore, migrate
from stream.verdict_store.door import day_indexes
from stream.verdict_store.errors import ContendedError
from stream.verdict_store.migrations import packaged
from tests.fixtures.verdict_rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)

# The statements of the version before 0003, letter by letter.
OLD_COLUMNS: Final = {
    "event_time": "timestamptz",
    "decided_at": "timestamptz",
    "amount_paise": "int8",
    "score": "float8",
    "margin": "float8",
    "source_offset": "int8",
    "source_partition": "int4",
    "verdict": "int2",
    "feature_state": "int2",
    "model_key": "int2",
    "transaction_id": "text",
    "payer_vpa": "text",
    "payee_vpa": "text",
    "vector": "bytea",
    "provenance": "bytea",
    "alert": "bytea",
}
OLD_COPY: Final = f"COPY verdicts_by_day ({', '.join(OLD_COLUMNS)}) FROM STDIN (FORMAT binary)"
OLD_READ: Final = """
SELECT transaction_id, event_time, decided_at, payer_vpa, payee_vpa, amount_paise, verdict, score, margin,
       feature_state, model_key, vector, provenance, source_partition, source_offset, alert
FROM verdicts_by_day
ORDER BY event_time, transaction_id
"""
SHAPE: Final = """
SELECT 'column', attrelid::regclass::text, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
    AND attrelid IN (
        SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'i')
    )
UNION ALL SELECT 'function', p.oid::regprocedure::text, md5(prosrc) FROM pg_proc AS p
    WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""
OLD_MODEL: Final = """
INSERT INTO models (model_id, schema_hash, base_value, features, thresholds) VALUES ('m', 's', 0.0, '{a,b}', '{}')
"""


def old_rows(names: Sequence[str], at: datetime) -> list[tuple[object, ...]]:
    return [
        (at, at, 100 + n, 0.25, -1.0, n, 0, n % 4, 0, 1, name, "a@x", "b@x", bytes(8), bytes(4), b"{}" if n else None)
        for n, name in enumerate(names)
    ]


def store_as_before(connection: psycopg.Connection, names: Sequence[str], at: datetime) -> None:
    with connection.cursor() as cursor, cursor.copy(OLD_COPY) as copy:
        copy.set_types(list(OLD_COLUMNS.values()))
        for row in old_rows(names, at):
            copy.write_row(row)
    connection.commit()


def new_rows(store: VerdictStore, names: Sequence[str], at: datetime) -> VerdictRows:
    n = len(names)
    return plain_rows(
        names,
        store.model_key(Model("m", "s", 0.0, ("a", "b"))),
        int(at.timestamp() * 1000),
        facts=[b'{"pb":"x"}'] * n,
        rrn=np.arange(n) + 600_000_000_000,
    )


@pytest.fixture
def filled(postgres_url: str) -> str:
    """A database of the version before, with days that have rows and some that have none."""
    migrate(postgres_url, packaged()[:2])
    with psycopg.connect(postgres_url) as connection:
        connection.execute(OLD_MODEL)
        for back in (5000, 40, 1, 0):
            connection.execute("SELECT make_verdict_day(%s)", ((NOON - timedelta(days=back)).date(),))
            store_as_before(connection, [f"old-{back}-{n}" for n in range(50)], NOON - timedelta(days=back))
    return postgres_url


def test_what_was_stored_is_untouched_and_both_versions_write_and_read_beside_each_other(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        before = connection.execute(OLD_READ).fetchall()
        connection.commit()
        assert migrate(filled) == [f"{step.version:04d}_{step.name}" for step in packaged()[2:]]
        assert connection.execute(OLD_READ).fetchall() == before  # the very session of a worker of the version before
        store = VerdictStore(filled)
        later = NOON + timedelta(days=60)  # a day that is made by the new tables' function
        for at in (NOON - timedelta(days=40), NOON, later):
            store.insert(new_rows(store, [f"new-{at.day}-{n}" for n in range(3)], at))
            store_as_before(connection, [f"beside-{at.day}-{n}" for n in range(3)], at)
        assert len(connection.execute(OLD_READ).fetchall()) == len(before) + 3 * 6
    found = {record.transaction_id: record for records in store.verdicts() for record in records}
    store.close()
    kept = {name: (record.facts, record.rrn) for name, record in found.items()}
    assert {kept[name] for name in kept if not name.startswith("new")} == {(None, None)}
    assert [kept[f"new-{later.day}-{n}"] for n in range(3)] == [(b'{"pb":"x"}', 600_000_000_000 + n) for n in range(3)]
    assert found["old-0-1"].alert == b"{}"


def test_every_day_has_the_index_of_its_rrns(filled: str) -> None:
    migrate(filled)
    with psycopg.connect(filled) as connection:
        connection.execute("SELECT make_verdict_day(%s)", ((NOON + timedelta(days=60)).date(),))
        without = connection.execute(
            "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'verdicts_by_day'::regclass AND NOT EXISTS"
            " (SELECT FROM pg_indexes WHERE tablename = inhrelid::regclass::text AND indexname = tablename || '_rrn')"
        ).fetchall()
    assert without == []


def test_tables_in_use_are_left_as_they_are_and_migrated_later(filled: str) -> None:
    """A long query must not make every payment wait behind the migration."""
    with psycopg.connect(filled) as reader:
        reader.execute("SELECT count(*) FROM verdicts_by_day")  # in a transaction that stays open
        with pytest.raises(ContendedError, match="lock timeout"):
            migrate(filled)
        reader.rollback()
    assert len(migrate(filled)) == len(packaged()) - 2


def test_what_the_migration_made_can_be_taken_away_again(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        before = connection.execute(SHAPE).fetchall()
    migrate(filled, packaged()[:3])
    with psycopg.connect(filled) as connection:
        connection.execute("UPDATE verdicts_by_day SET facts = '{}', rrn = source_offset")
    list(day_indexes.build(filled, int(NOON.timestamp()) // 86_400))
    with psycopg.connect(filled) as connection:
        third = connection.execute(SHAPE).fetchall()
    migrate(filled, packaged()[:4])
    with psycopg.connect(filled) as connection:
        fourth = connection.execute(SHAPE).fetchall()
    migrate(filled)
    store = VerdictStore(filled)
    store.insert(new_rows(store, ["new"], NOON))
    reported_at = int(NOON.timestamp() * 1000)
    told = OutcomeRow(
        b"new", is_fraud=True, reported_at=reported_at, typology=None, source=None, source_partition=0, source_offset=7
    )
    store.settle(store.put_outcomes([told]))
    store.close()
    with psycopg.connect(filled) as connection:
        connection.execute((ROOT / "deploy/postgres/drop_0005.sql").read_text())
        connection.commit()
        assert connection.execute(SHAPE).fetchall() == fourth
        connection.execute((ROOT / "deploy/postgres/drop_0004.sql").read_text())
        connection.commit()
        assert connection.execute(SHAPE).fetchall() == third
        connection.execute((ROOT / "deploy/postgres/drop_0003.sql").read_text())
        connection.commit()
        assert len(connection.execute(OLD_READ).fetchall()) == 201
        assert connection.execute(SHAPE).fetchall() == before
        store_as_before(connection, ["after"], NOON)
    assert migrate(filled, packaged()[:2]) == []  # the version before takes the tables for its own
    assert migrate(filled)[0] == "0003_facts_and_door"
