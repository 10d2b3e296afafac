"""Verdicts inserted one by one, as the textbook has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from bench.peers.verdict import INSERT, MAKE_DAY

if TYPE_CHECKING:
    from datetime import date


class Database:
    """One connection, opened with the first row; every statement is a transaction."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._days: set[date] = set()

    async def insert(self, row: Any) -> None:
        """Store one row, durably."""
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        if (day := row.event_time.date()) not in self._days:
            await self._connection.execute(MAKE_DAY, (day,))
            self._days.add(day)
        await self._connection.execute(INSERT, row)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()
