"""One process of the API: its parts, put together from the settings, and their beginning and end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from features.identity import Identities
from features.schema import SCHEMA_HASH
from features.store.redis_store import RedisEntityStore
from features.what_if.what_if import WhatIf
from model.artifact import DEFAULT_DIR, load
from service.app import make_app
from service.calls.parts import Parts
from service.calls.what_if import WhatIfs
from service.door import meters
from service.door.access import AccessLog
from service.door.keys import Keys
from service.door.probes import Probes
from service.servers import Servers
from service.waiting.looking import Looking
from service.waiting.records import Records
from service.waiting.rows import PolledRows
from service.waiting.tables import ApiTables
from service.waiting.waiters import Waiters
from stream.kafka.config import checked_client_config
from stream.kafka.receipts import ReceiptPublisher
from stream.rehearsal import rehearse
from stream.running.periodic import Round, Rounds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from stream.settings import Settings

log = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
"""A look at the logs that takes longer counts as failed."""
KAFKA_EVERY = 5.0
"""Seconds between two questions to the brokers whether they are there."""


class ApiProcess:
    """Everything of one process, from the beginning to the end of its event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.parts: Parts
        self.probes: Probes
        self.app = make_app(lambda: self.parts, lambda: self.probes, self._life)

    @asynccontextmanager
    async def _life(self, _app: FastAPI) -> AsyncIterator[None]:
        """Begin the parts, in the order in which they need each other, and end them in the other."""
        settings = self._settings
        artifact = load(settings.model_dir or DEFAULT_DIR, schema_hash=SCHEMA_HASH)
        identities = Identities(settings.identity_key)
        rehearse(artifact, identities)
        meters.begin_series()
        servers = Servers()
        publisher = ReceiptPublisher(checked_client_config(settings))
        waiters = Waiters(asyncio.get_running_loop(), publisher, settings.topic_transactions, settings.api_waiting)
        rows = PolledRows(settings.postgres_url)
        records = Records(lambda _key: artifact)
        looking = Looking(waiters, rows, records.written, servers)
        store = RedisEntityStore(settings.redis_url, timeout=REDIS_SECONDS)
        what_ifs = WhatIfs(
            WhatIf(store, settings.api_replica_bytes), artifact, records, servers, hold_for=settings.hold_for
        )
        tables = ApiTables(settings.postgres_url, "api-keys"), ApiTables(settings.postgres_url, "api-access")
        keys = Keys(tables[0], servers, rate=settings.api_rate, ingress=settings.api_ingress)
        access = AccessLog(tables[1].log)
        self.parts = Parts(identities, settings.earliest_time, keys, access, servers, waiters, what_ifs)
        self.probes = Probes(servers, looking.is_alive)

        def ask_kafka() -> None:
            if publisher.reachable(settings.topic_transactions, 2.0):
                servers.answered("kafka")
            else:
                servers.gone("kafka", "no broker answers")

        keys.begin()
        access.begin()
        looking.start()
        with Rounds([Round("kafka", KAFKA_EVERY, ask_kafka)]):
            yield
        self.probes.is_draining = True
        looking.stop()
        what_ifs.close()
        access.close()
        keys.close()
        publisher.close()
        rows.close()
        for table in tables:
            table.close()
        store.close()
        log.info("The API has ended.")
