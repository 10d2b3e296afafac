"""The textbook: stock Faust event by event, sorted sets in Redis, scikit-learn and shap, an INSERT and an alert each.

As Faust's documentation has it: an agent over a topic of JSON, asynchronous clients inside, every effect awaited before
the next event; Faust acknowledges an event when the loop takes the next one.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

import faust
import redis.asyncio

from bench.peers import sorted_sets
from bench.peers.database import Database
from bench.peers.payment import outcome_of, payment_of
from bench.peers.scoring import SklearnAndShap
from bench.peers.vector import vector
from bench.peers.verdict import Verdicts

if TYPE_CHECKING:
    from bench.peers.parts import Parts


def run(parts: Parts) -> None:
    """Run until SIGTERM."""
    settings = parts.settings
    directory = tempfile.TemporaryDirectory(prefix="upifraud-bench-faust-")  # goes away with the process
    app = faust.App(
        settings.consumer_group,
        broker=f"kafka://{settings.kafka_bootstrap_servers}",
        value_serializer="json",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        datadir=directory.name,
    )
    payments = app.topic(settings.topic_transactions)
    outcomes = app.topic(settings.topic_outcomes)
    alerts = app.topic(settings.topic_alerts, value_serializer="raw")
    store = redis.asyncio.Redis.from_url(settings.redis_url, decode_responses=True)
    scoring = SklearnAndShap(parts.model_dir, parts.artifact)
    verdicts = Verdicts(parts.artifact, parts.model_key)
    database = Database(settings.postgres_url)

    async def report(outcome: Any) -> None:
        payee, device = await store.hmget(sorted_sets.parties_key(outcome), "payee", "device")
        async with store.pipeline(transaction=False) as pipeline:
            sorted_sets.report(pipeline, outcome, payee, device)
            await pipeline.execute()

    @app.agent(payments)
    async def judge(stream: Any) -> None:
        async for event in stream.events():
            payment = payment_of(event.value)
            async with store.pipeline(transaction=False) as pipeline:
                sorted_sets.ask(pipeline, payment)
                replies = await pipeline.execute()
            history, early = sorted_sets.answer(payment, replies)
            measured = vector(payment, history)
            judged = scoring.judge(measured)
            row = verdicts.row(payment, measured, judged, event.message.partition, event.message.offset)
            await database.insert(row)
            for outcome in early:
                await report(outcome)
            if row.alert is not None:
                await (await alerts.send(key=payment.payer.encode(), value=row.alert))
            parts.progress.payments(1)

    @app.agent(outcomes)
    async def learn(stream: Any) -> None:
        async for value in stream:
            await report(outcome_of(value))
            parts.progress.outcomes(1)

    os.write(1, b"ready\n")  # Faust puts something else in place of stdout
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()
