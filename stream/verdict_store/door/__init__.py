"""What the HTTP service asks of Postgres: rows that are waited for, searches, keys, and the access log.

Nothing here writes verdicts. docs/specs/verdict_store.md has the tables.
"""

from stream.verdict_store.door.access_log import AccessLine, AccessLog
from stream.verdict_store.door.asked import ClaimOf, Cursor, Found, Newest, Period, Wanted
from stream.verdict_store.door.keys import ApiKey, KeyTable
from stream.verdict_store.door.memory import MemoryDoor
from stream.verdict_store.door.reader import Door

__all__ = [
    "AccessLine",
    "AccessLog",
    "ApiKey",
    "ClaimOf",
    "Cursor",
    "Door",
    "Found",
    "KeyTable",
    "MemoryDoor",
    "Newest",
    "Period",
    "Wanted",
]
