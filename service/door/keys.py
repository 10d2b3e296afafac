"""Who is calling: keys by their SHA-256, certificates by their subject, against a copy of the table of a second ago.

A key that was revoked is refused within a second while Postgres answers. While it does not, a key that was used within
five minutes goes on; of any other nobody can say whether it still opens, so it gets 503.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import math
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from service.door import meters
from service.door.problems import Problem, server_gone
from service.door.rates import Bucket
from stream.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from service.servers import Servers
    from stream.verdict_store.door import ApiKey

EVERY: Final = 0.4
"""Seconds between two readings of the table."""
FRESH: Final = 1.0
"""A copy that is older is not believed about keys that have not been used lately."""
GOES_ON: Final = 300.0
"""How long a key that was used goes on while the table cannot be read."""
SPARE: Final = 0.02
"""Between two readings for keys that are not known: whoever guesses keys must not keep Postgres busy."""
TOUCH_EVERY: Final = 5.0
"""Seconds between two notes of when keys were last used."""

CERTIFICATE_SUBJECT: Final = b"ssl-client-subject-dn"
CERTIFICATE_VERIFIED: Final = b"ssl-client-verify"
"""As the NGINX Ingress says them. They count only from its own address."""

log = logging.getLogger(__name__)


class Table(Protocol):
    """What is asked of the table of keys: `KeyTable`, or what stands for it."""

    def keys(self) -> Sequence[ApiKey]:
        """Return all keys that open."""

    def touch(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used."""


class _Copy(NamedTuple):
    by_hash: Mapping[bytes, ApiKey]
    by_subject: Mapping[str, ApiKey]
    read_at: float


class Keys:
    """Admits requests; a thread of its own reads the table."""

    def __init__(self, table: Table, servers: Servers, *, rate: int, ingress: Sequence[str] = ()) -> None:
        self._table = table
        self._servers = servers
        self._rate = rate
        self._ingress = [ipaddress.ip_network(network, strict=False) for network in ingress]
        self._copy = _Copy({}, {}, -math.inf)
        self._used: dict[str, float] = {}
        self._untold: dict[str, float] = {}
        self._buckets: dict[str, Bucket] = {}
        self._wanted = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_reading, name="keys", daemon=True)

    def begin(self) -> None:
        """Read the table once, if it can be read, and go on reading it."""
        self._read()
        self._thread.start()

    def close(self) -> None:
        """Stop, and note what keys were used."""
        self._stopping = True
        self._wanted.set()
        self._thread.join()
        self._tell()

    async def admit(self, request: Request, scope: str) -> ApiKey:
        """Return the key of a request that may do what needs the scope; raises Problem otherwise."""
        secret, subject = self._shown(request)
        key = self._find(secret, subject)
        if key is None or not (self._is_fresh() or self._goes_on(key)):
            loop = asyncio.get_running_loop()
            read = loop.create_future()
            self._waiting.append((loop, read))
            self._wanted.set()
            await asyncio.wait([read], timeout=FRESH)
            key = self._find(secret, subject)
        is_fresh = self._is_fresh()
        if key is None or (key.expires_at is not None and key.expires_at <= time.time()):
            if not is_fresh:
                raise self._cannot_tell()
            raise self._refused(
                HTTPStatus.UNAUTHORIZED,
                "key-invalid",
                "Expected a key that was neither revoked nor has expired; `upifraud keys create` makes one.",
            )
        if not (is_fresh or self._goes_on(key)):
            raise self._cannot_tell()
        if scope not in key.scopes:
            raise self._refused(
                HTTPStatus.FORBIDDEN, "scope-missing", f"Expected a key with the scope {scope}; this one has others."
            )
        now, rate = time.monotonic(), key.rate or self._rate
        bucket = self._buckets.get(key.key_id)
        if bucket is None:
            bucket = self._buckets[key.key_id] = Bucket(rate, now)
        if pause := bucket.take(rate, now):
            meters.REFUSED_KEYS.labels("too-many-requests").inc()
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-requests",
                f"Expected at most {rate:,} requests a second; try again later, or send several payments in one.",
                headers={"Retry-After": str(math.ceil(pause))},
            )
        self._used[key.key_id] = now
        self._untold[key.key_id] = time.time()
        return key

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._copy.read_at < FRESH

    def _goes_on(self, key: ApiKey) -> bool:
        return time.monotonic() - self._used.get(key.key_id, -math.inf) <= GOES_ON

    def _shown(self, request: Request) -> tuple[bytes | None, str | None]:
        """Return the hash of the key that a request shows, or its certificate's subject; raises Problem for neither."""
        authorization = subject = verified = None
        for name, value in request.scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == CERTIFICATE_SUBJECT:
                subject = value
            elif name == CERTIFICATE_VERIFIED:
                verified = value
        if authorization is not None:
            kind, _, secret = authorization.partition(b" ")
            if kind.lower() == b"bearer" and secret.strip():
                return hashlib.sha256(secret.strip()).digest(), None
        if subject is not None and verified == b"SUCCESS" and self._is_ingress(request):
            return None, subject.decode("utf-8", "replace")
        raise self._refused(
            HTTPStatus.UNAUTHORIZED,
            "key-missing",
            "Expected `Authorization: Bearer KEY`; `upifraud keys create` makes one.",
        )

    def _is_ingress(self, request: Request) -> bool:
        client = request.scope.get("client")
        if not client or not self._ingress:
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:  # a Unix socket
            return False
        return any(address in network for network in self._ingress)

    def _find(self, secret: bytes | None, subject: str | None) -> ApiKey | None:
        copy = self._copy
        if secret is not None:
            return copy.by_hash.get(secret)
        return None if subject is None else copy.by_subject.get(subject)

    def _cannot_tell(self) -> Problem:
        meters.REFUSED_KEYS.labels("server-gone").inc()
        return server_gone(
            "postgres", "Expected to read the table of keys, but Postgres does not answer; try again later."
        )

    def _refused(self, status: HTTPStatus, reason: str, detail: str) -> Problem:
        meters.REFUSED_KEYS.labels(reason).inc()
        headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
        return Problem(status, reason, detail, headers=headers)

    def _keep_reading(self) -> None:
        told_at = time.monotonic()
        while not self._stopping:
            self._wanted.wait(EVERY)
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            if self._read() and time.monotonic() - told_at > TOUCH_EVERY:
                self._tell()
                told_at = time.monotonic()
            for loop, read in waiting:
                loop.call_soon_threadsafe(_finish, read)
            time.sleep(SPARE)

    def _read(self) -> bool:
        began = time.monotonic()
        try:
            keys = self._table.keys()
        except StreamError as error:
            self._servers.gone("postgres", str(error))
            return False
        except Exception:  # the thread must go on: without it no revocation is ever heard of
            log.exception("The table of keys was not read")
            return False
        self._copy = _Copy(
            {key.secret_sha256: key for key in keys if key.secret_sha256 is not None},
            {key.subject: key for key in keys if key.subject is not None},
            began,
        )
        self._servers.answered("postgres")
        return True

    def _tell(self) -> None:
        untold, self._untold = self._untold, {}
        if not untold:
            return
        try:
            self._table.touch(untold)
        except StreamError as error:
            self._untold = untold | self._untold
            log.warning("When keys were last used could not be noted: %s", error)
        except Exception:  # the thread must go on: without it no revocation is ever heard of
            log.exception("When keys were last used was not noted")


def _finish(read: asyncio.Future[None]) -> None:
    if not read.done():
        read.set_result(None)
