"""Keys of the API: a key is shown once, when it is made; only its hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stream.errors import StreamError
from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement, plain_connection
from stream.verdict_store.door.sessions import WRITING
from stream.verdict_store.errors import KeyTakenError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCOPES: Final = (
    *("payments:write", "score:what-if", "verdicts:read", "entities:read", "outcomes:write", "holds:decide"),
)
"""What a key may allow; each call of the API needs one of these."""

PREFIX: Final = "ufs_"
"""What a key begins with, so that one in a log or a repository is found for what it is."""
KEY_BYTES: Final = 32

_ADD: Final = """
INSERT INTO api_keys (key_id, secret_sha256, name, scopes, rate, subject, expires_at)
VALUES (%s, %s, %s, %s::text[], %s::integer, %s, timestamptz 'epoch' + %s::bigint * interval '1 millisecond')
"""
_LIST: Final = """
SELECT key_id, name, scopes, rate, subject, created_at, expires_at, last_used_at, revoked_at
FROM api_keys WHERE created_at > timestamptz 'epoch' + %s * interval '1 millisecond' ORDER BY created_at, key_id
"""
_REVOKE: Final = "UPDATE api_keys SET revoked_at = now() WHERE key_id = %s AND revoked_at IS NULL"
_IS_THERE: Final = "SELECT 1 FROM api_keys WHERE key_id = %s"

_OPENING: Final = Statement(
    "opening_keys",
    "SELECT key_id, secret_sha256, subject, array_to_string(scopes, ' '), rate, extract(epoch FROM expires_at)::float8"
    " FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
)
_TOUCH: Final = Statement(
    "touch_keys",
    """
    UPDATE api_keys AS k SET last_used_at = used.at
    FROM unnest($1::text[], $2::timestamptz[]) AS used (key_id, at)
    WHERE k.key_id = used.key_id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
    """,
)


class UnknownScopeError(StreamError):
    """A key was asked for with a scope that no call of the API needs."""


class UnknownKeyError(StreamError):
    """There is no key with this key_id."""


class SubjectTakenError(StreamError):
    """Another key counts for the certificate."""


class ApiKey(NamedTuple):
    """A key that opens: neither revoked nor expired when it was read."""

    key_id: str
    secret_sha256: bytes | None
    """SHA-256 of the key as it is sent; None where only a client's certificate counts."""
    subject: str | None
    """Of a client's certificate."""
    scopes: frozenset[str]
    rate: int | None
    """Requests a second; None for the default."""
    expires_at: float | None
    """Seconds since the epoch."""


class NewKey(NamedTuple):
    """A key that was made just now."""

    key_id: str
    key: str
    """Kept nowhere else."""


class KeyRow(NamedTuple):
    """A key as it is listed. Times are epoch milliseconds."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    rate: int | None
    subject: str | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None


def secret_sha256(key: str | bytes) -> bytes:
    """Return what is kept of a key: a random key needs neither salt nor a slow hash."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()


def create(
    url: str,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: int | None = None,
    rate: int | None = None,
    subject: str | None = None,
) -> NewKey:
    """Make a key that may do what some scopes allow, until an epoch millisecond; it opens within a second.

    With a `subject` it opens for the client whose certificate has it, too. Raises UnknownScopeError, SubjectTakenError.
    """
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise UnknownScopeError(f"Expected scopes among {', '.join(SCOPES)}; got {', '.join(map(repr, unknown))}.")
    if not scopes:
        raise UnknownScopeError(f"Expected one scope at least, of {', '.join(SCOPES)}; got none.")
    made = NewKey(f"k{secrets.token_hex(6)}", PREFIX + secrets.token_urlsafe(KEY_BYTES))
    with plain_connection(url, name="keys") as connection:
        kept = list(dict.fromkeys(scopes))
        try:
            connection.count(_ADD, (made.key_id, secret_sha256(made.key), name, kept, rate, subject, expires_at))
        except KeyTakenError as error:
            raise SubjectTakenError(
                f"Expected a certificate's subject that no key has, got {subject!r}: another key has it, perhaps a "
                "revoked one. Make a certificate with another subject."
            ) from error
    return made


def listed(url: str) -> list[KeyRow]:
    """Return all keys, revoked ones too, oldest first."""
    with plain_connection(url, name="keys") as connection:
        rows = connection.execute(_LIST, (0,))
    return [KeyRow(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows]


def revoke(url: str, key_id: str) -> bool:
    """Revoke a key for good; False if it was revoked before. Raises UnknownKeyError.

    Every process of the API refuses it within a second.
    """
    with plain_connection(url, name="keys") as connection:
        if connection.count(_REVOKE, (key_id,)):
            return True
        if connection.execute(_IS_THERE, (key_id,)):
            return False
    raise UnknownKeyError(f"Expected the key_id of a key that `upifraud keys list` shows, got {key_id!r}.")


class KeyTable:
    """The table as the API reads it again and again, in a session of its own; for one thread."""

    def __init__(self, url: str, *, answer_seconds: float = 2.0) -> None:
        self._session = Session(url, name="keys", settings=WRITING, answer_seconds=answer_seconds)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def keys(self) -> list[ApiKey]:
        """Return all keys that open now."""
        return [
            ApiKey(
                key_id=(key_id or b"").decode(),
                secret_sha256=secret,
                subject=None if subject is None else subject.decode(),
                scopes=frozenset((scopes or b"").decode().split()),
                rate=None if rate is None else binary.to_int(rate),
                expires_at=None if expires_at is None else binary.to_float(expires_at),
            )
            for key_id, secret, subject, scopes, rate, expires_at in self._session.call(_OPENING)
        ]

    def touch(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used, in seconds since the epoch."""
        if used:
            at = np.array([round(moment * 1000) for moment in used.values()], dtype=np.int64)
            self._session.call(
                _TOUCH, binary.text_array([key_id.encode() for key_id in used]), binary.timestamptz_array(at)
            )
