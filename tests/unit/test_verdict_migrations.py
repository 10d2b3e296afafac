"""The migrations that ship."""

from __future__ import annotations

from stream.verdict_store.migrations import packaged


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in packaged()] == list(range(1, len(packaged()) + 1))


def test_a_migration_says_what_it_does_and_why() -> None:
    assert all(migration.sql.startswith("-- ") for migration in packaged())
