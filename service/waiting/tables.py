"""The tables of the API itself, in Postgres: keys, and the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from service.door.keys import ApiKey
from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.door.access import Line

_KEYS: Final = Statement(
    "api_keys",
    "SELECT key_id, secret_sha256, subject, array_to_string(scopes, ','), rate, expires_at FROM api_keys"
    " WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
)
_TOUCH: Final = Statement(
    "touch_keys",
    "UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)"
    " FROM unnest($1::text[], $2::timestamptz[]) AS used (key_id, at) WHERE api_keys.key_id = used.key_id",
)
_LOG: Final = Statement(
    "log_access",
    "INSERT INTO access_log (at, who, kind, how_many, asked, outcome)"
    " SELECT at, who, kind, how_many, decode(asked, 'hex'), outcome FROM"
    " unnest($1::timestamptz[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[])"
    " AS line (at, who, kind, how_many, asked, outcome)",
)
_SETTINGS: Final = {"jit": "off", "synchronous_commit": "on"}
_ANSWER_SECONDS: Final = 1.5


class ApiTables:
    """On a session of its own; for one thread at a time."""

    def __init__(self, url: str, name: str) -> None:
        self._session = Session(url, name=name, settings=_SETTINGS, answer_seconds=_ANSWER_SECONDS)

    def keys(self) -> list[ApiKey]:
        """Return all keys that open."""
        return [
            ApiKey(
                key_id=(key_id or b"").decode(),
                secret_sha256=secret,
                subject=None if subject is None else subject.decode(),
                scopes=frozenset((scopes or b"").decode().split(",")),
                rate=None if rate is None else binary.to_int(rate),
                expires_at=None if expires is None else binary.to_epoch_ms(expires) / 1000,
            )
            for key_id, secret, subject, scopes, rate, expires in self._session.call(_KEYS)
        ]

    def touch(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used, in seconds since the epoch."""
        times = np.array([round(at * 1000) for at in used.values()], dtype=np.int64)
        self._session.call(_TOUCH, binary.text_array([key.encode() for key in used]), binary.timestamptz_array(times))

    def log(self, lines: Sequence[Line]) -> None:
        """Write lines of the access log, durable."""
        self._session.call(
            _LOG,
            binary.timestamptz_array(np.array([line.at for line in lines], dtype=np.int64)),
            binary.text_array([line.who.encode() for line in lines]),
            binary.text_array([line.kind.encode() for line in lines]),
            binary.int4_array(np.array([line.how_many for line in lines])),
            binary.text_array([None if line.asked is None else line.asked.hex().encode() for line in lines]),
            binary.text_array([line.outcome.encode() for line in lines]),
        )

    def close(self) -> None:
        """Close the session."""
        self._session.close()
