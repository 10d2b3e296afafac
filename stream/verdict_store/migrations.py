"""The tables' history: numbered SQL files, each applied once, in order, all or nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from stream.facts import FACTS
from stream.verdict_store.connector import PlainConnection, plain_connection
from stream.verdict_store.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS_AHEAD: Final = 3
"""Days from today on whose partitions are made before they are needed."""

_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('upifraud.migrate'))"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_MAKE_DAYS: Final = """
SELECT make_verdict_day((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(-1, %s::integer) AS ahead
"""
_FACTS_SINCE: Final = 3
_NAME_FACTS: Final = """
INSERT INTO fact_names (key, name) SELECT * FROM unnest(%s::text[], %s::text[])
ON CONFLICT (key) DO UPDATE SET name = excluded.name WHERE fact_names.name <> excluded.name
"""
"""The view `verdicts` shows facts by the names of this version; those of keys that a later one added stay."""
_DAYS_VIEW: Final = re.compile(r"CREATE (VIEW verdict_days AS.*?);", re.DOTALL)
_IS_MISREAD: Final = """
SELECT strpos(pg_get_viewdef(to_regclass('verdict_days')), 'FROM ' || chr(92) || '(') = 0
"""
"""Whether the view's pattern lost its backslash: it was made while the database had standard_conforming_strings off."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the tables' history. A step that was published is never edited; what must change is a new one."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Tells an edited step from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def packaged() -> list[Migration]:
    """Return the steps that ship with the program, in order."""
    folder = resources.files("stream.verdict_store") / "sql"
    found = [
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := _FILE_NAME.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def migrate(url: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Bring the tables up to this version of the program and make the next days' partitions; return what was applied.

    Idempotent, and safe when several workers start at once: they take turns. Raises MigrationError for a database that
    a newer version has changed, or whose applied steps are not the ones that ship; RetryableError where Postgres does
    not answer.
    """
    steps = packaged() if migrations is None else migrations
    with plain_connection(url, name="migrate") as connection:
        with connection.transaction():
            connection.execute(_LOCK)
            connection.execute(_TABLE)
            pending = _pending(connection, steps)
            for step in pending:
                connection.execute(step.sql)
                connection.execute(
                    "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
                    (step.version, step.name, step.sha256),
                )
            if any(step.version == _FACTS_SINCE for step in steps):
                names = [(fact.short, fact.name) for fact in FACTS]
                connection.count(_NAME_FACTS, tuple(map(list, zip(*names, strict=True))))
            if connection.execute(_IS_MISREAD)[0][0]:
                views = (_DAYS_VIEW.search(step.sql) for step in steps)
                for view in (found[1] for found in views if found):
                    connection.execute(f"CREATE OR REPLACE {view}")
        connection.execute(_MAKE_DAYS, (DAYS_AHEAD,))
    return [f"{step.version:04d}_{step.name}" for step in pending]


def _pending(connection: PlainConnection, steps: Sequence[Migration]) -> list[Migration]:
    applied = {
        version: (name, sha256)
        for version, name, sha256 in connection.execute("SELECT version, name, sha256 FROM schema_migrations")
    }
    known = {step.version: step for step in steps}
    if strangers := sorted(set(applied) - set(known)):
        raise MigrationError(
            f"The verdict store was changed by a newer version of the program: expected migrations up to "
            f"{max(known):04d}, found {max(strangers):04d}. Run that version, or restore a database of this one."
        )
    for version, (name, sha256) in sorted(applied.items()):
        if known[version].sha256 != sha256:
            raise MigrationError(
                f"Migration {version:04d}_{name} was edited after it was applied. Restore the file as it was "
                "published, and put what must change into a new one."
            )
    return [step for step in steps if step.version not in applied]
