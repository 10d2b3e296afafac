"""One process of the API: its parts, put together from the settings, and their beginning and end."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import ExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING

from features.identity import Identities
from features.schema import SCHEMA_HASH
from features.store.redis_store import RedisEntityStore
from features.what_if.what_if import WhatIf
from model.artifact import DEFAULT_DIR, load
from service.app import make_app
from service.calls.parts import Parts
from service.calls.reads import Reads
from service.calls.what_if import WhatIfs
from service.door import meters
from service.door.access import AccessLog
from service.door.keys import Keys
from service.door.probes import Probes
from service.hold_ends import HoldEnds
from service.servers import Servers
from service.waiting.asked import Taking
from service.waiting.looking import Looking
from service.waiting.records import Records
from service.waiting.waiters import Waiters
from stream.holds import Action, Outbox, PostgresHolds
from stream.kafka.config import checked_client_config
from stream.kafka.publisher import Publisher
from stream.kafka.receipts import ReceiptPublisher
from stream.rehearsal import rehearse, rehearse_what_if
from stream.running.periodic import Round, Rounds
from stream.verdict_store.artifacts import RetainedArtifacts
from stream.verdict_store.door import AccessLog as AccessTable
from stream.verdict_store.door import Door, KeyTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from model.artifact import Artifact
    from stream.settings import Settings

log = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
"""A look at the logs that takes longer counts as failed."""
SWITCH_SECONDS = 0.0005
"""How long the event loop may run before the thread that looks for rows gets its turn; by default ten times as long."""
LOOK_SECONDS = 1.0
"""A look for rows that takes longer counts as failed: those who wait have their deadlines."""
HOLD_SECONDS = 5.0
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
        sys.setswitchinterval(SWITCH_SECONDS)
        artifact = load(settings.model_dir or DEFAULT_DIR, schema_hash=SCHEMA_HASH)
        identities = Identities(settings.identity_key, by_account=settings.party_identity == "account")
        rehearse(artifact, identities, alert_all=False)
        rehearse_what_if()
        meters.begin_series()
        servers = Servers()
        with ExitStack() as ends:
            looking = self._put_together(ends, artifact, identities, servers)
            self.probes = Probes(servers, looking.is_alive)
            looking.start()
            ends.callback(looking.stop)
            yield
            self.probes.is_draining = True
        log.info("The API has ended.")

    def _put_together(self, ends: ExitStack, artifact: Artifact, identities: Identities, servers: Servers) -> Looking:
        """Make the parts and begin what has a thread; whatever was made or begun ends in the other order."""
        settings, url = self._settings, self._settings.postgres_url
        publisher = ends.enter_context(closing(ReceiptPublisher(checked_client_config(settings))))
        waiters = Waiters(asyncio.get_running_loop(), publisher, settings.topic_transactions, settings.api_waiting)
        rows = ends.enter_context(closing(Door(url, name="api-rows", answer_seconds=LOOK_SECONDS)))
        directories = [directory for directory in (settings.model_dir, DEFAULT_DIR) if directory]
        records = ends.enter_context(closing(Records(RetainedArtifacts(directories, url).artifact, artifact)))
        store = self._entity_store(ends)
        what_ifs = WhatIfs(
            WhatIf(store, settings.api_replica_bytes),
            artifact,
            records,
            servers,
            hold_for=settings.hold_for,
            expect=lambda: store.expect_identity(identities.fingerprint()),
        )
        ends.callback(what_ifs.close)
        what_ifs.check()
        key_table, log_table = ends.enter_context(closing(KeyTable(url))), ends.enter_context(closing(AccessTable(url)))
        keys = Keys(key_table, servers, rate=settings.api_rate, ingress=settings.api_ingress)
        keys.begin()
        ends.callback(keys.close)
        access = AccessLog(log_table.append)
        access.begin()
        ends.callback(access.close)
        self.parts = Parts(
            identities=identities,
            earliest_ms=settings.earliest_time,
            taking=Taking(identities, settings.earliest_time),
            keys=keys,
            access=access,
            servers=servers,
            waiters=waiters,
            what_ifs=what_ifs,
            records=records,
            reads=ends.enter_context(closing(Reads(url, servers))),
            holds=ends.enter_context(closing(PostgresHolds(url, name="api-holds", answer_seconds=HOLD_SECONDS))),
            hold_expiry=Action(settings.hold_expiry),
            publisher=publisher,
            topic_outcomes=settings.topic_outcomes,
        )
        self._end_holds(ends)

        def ask_kafka() -> None:
            if publisher.reachable(settings.topic_transactions, 2.0):
                servers.answered("kafka")
            else:
                servers.gone("kafka", "no broker answers")

        ask_kafka()  # once before the process is ready: its first payment would wait for the brokers' addresses
        ends.enter_context(Rounds([Round("kafka", KAFKA_EVERY, ask_kafka)]))
        return Looking(waiters, rows, records, servers)

    def _entity_store(self, ends: ExitStack) -> RedisEntityStore:
        """Return the store of what-ifs: a replica, if the settings name one."""
        primary = ends.enter_context(closing(RedisEntityStore(self._settings.redis_url, timeout=REDIS_SECONDS)))
        if (replica := self._settings.api_redis_url) is None:
            return primary
        return ends.enter_context(closing(RedisEntityStore(replica, timeout=REDIS_SECONDS, primary=primary)))

    def _end_holds(self, ends: ExitStack) -> None:
        """Begin the thread that expires holds and publishes resolutions."""
        settings = self._settings
        store = PostgresHolds(settings.postgres_url, name="api-outbox", answer_seconds=HOLD_SECONDS)
        publisher = Publisher(checked_client_config(settings))
        ends.callback(store.close)
        ends.callback(publisher.close)
        outbox = Outbox(store, publisher, settings.topic_resolutions, expiry=Action(settings.hold_expiry))
        hold_ends = HoldEnds(outbox)
        hold_ends.begin()
        ends.callback(hold_ends.close)
