"""Quix Streams: a StreamingDataFrame over JSON, windows in Redis, a batching sink for rows, `to_topic` for alerts.

Why it is written so. Quix keeps state by message key and per partition, and its windows are of one key: a payment's
features are of three keys (payer, payee, device) and the payee's and device's payments lie in all partitions. In Quix's
state that would be two `group_by`, each a round through Kafka, and a join of three streams by payment, which it does
not have (`join_asof` and `join_interval` join by key); its documentation sends whoever needs other data to a client
inside of `apply`. So windows are the sorted sets of the textbook, one pipeline a payment. Quix has no micro-batch
across keys (count windows collect by key), so the model is called per payment. Rows go the way its documentation has
for databases: a `BatchingSink` that writes what has come since the last checkpoint, in one transaction, before the
offsets are committed; checkpoints at Quix's default interval of 5 s.

With `compiled` the tables of our model package score instead of scikit-learn and shap, so that what differs is the
transport, the windows and the sink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import redis
from quixstreams import Application, message_context
from quixstreams.sinks import BatchingSink

from bench.peers import sorted_sets
from bench.peers.payment import outcome_of, payment_of
from bench.peers.scoring import Compiled, SklearnAndShap
from bench.peers.vector import vector
from bench.peers.verdict import INSERT, MAKE_DAY, Verdicts

if TYPE_CHECKING:
    from datetime import date

    from quixstreams.sinks import SinkBatch

    from bench.peers.parts import Parts
    from bench.peers.payment import Outcome, Payment


def run(parts: Parts, *, compiled: bool) -> None:
    """Run until SIGTERM."""
    settings = parts.settings
    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=settings.consumer_group,
        auto_offset_reset="earliest",
        loglevel="WARNING",
        auto_create_topics=False,
    )
    alerts = app.topic(settings.topic_alerts, value_serializer="bytes")
    windows = Windows(settings.redis_url)
    scoring = Compiled(parts.artifact) if compiled else SklearnAndShap(parts.model_dir, parts.artifact)
    verdicts = Verdicts(parts.artifact, parts.model_key)

    def judge(found: dict[str, Any]) -> Any:
        judged = scoring.judge(found["vector"])
        context = message_context()
        return verdicts.row(found["payment"], found["vector"], judged, context.partition, context.offset)

    payments = app.dataframe(app.topic(settings.topic_transactions, value_deserializer="json"))
    payments = payments.apply(payment_of).apply(windows.measured).apply(judge)
    payments.sink(VerdictSink(settings.postgres_url, parts))
    raised = payments.filter(lambda row: row.alert is not None)
    raised.apply(lambda row: row.alert).to_topic(alerts)  # under the payment's key, which is the payer's VPA

    outcomes = app.dataframe(app.topic(settings.topic_outcomes, value_deserializer="json"))
    outcomes.apply(outcome_of).update(windows.report).update(lambda _outcome: parts.progress.outcomes(1))

    print("ready", flush=True)
    app.run()


class Windows:
    """The sorted sets, asked once a payment."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def measured(self, payment: Payment) -> dict[str, Any]:
        """Return a payment with its vector."""
        with self._redis.pipeline(transaction=False) as pipeline:
            sorted_sets.ask(pipeline, payment)
            history, early = sorted_sets.answer(payment, pipeline.execute())
        for outcome in early:
            self.report(outcome)
        return {"payment": payment, "vector": vector(payment, history)}

    def report(self, outcome: Outcome) -> None:
        """Put an outcome to its payment's parties."""
        payee, device = self._redis.hmget(sorted_sets.parties_key(outcome), "payee", "device")
        with self._redis.pipeline(transaction=False) as pipeline:
            sorted_sets.report(pipeline, outcome, payee, device)
            pipeline.execute()


class VerdictSink(BatchingSink):
    """Writes a checkpoint's rows, partition by partition, and counts what is durable."""

    def __init__(self, url: str, parts: Parts) -> None:
        super().__init__()
        self._url, self._progress = url, parts.progress
        self._days: set[date] = set()

    def setup(self) -> None:
        """Connect."""
        self._connection = psycopg.connect(self._url, autocommit=True)

    def write(self, batch: SinkBatch) -> None:
        """Store a partition's rows in one transaction."""
        rows = [item.value for item in batch]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for day in {row.event_time.date() for row in rows} - self._days:
                cursor.execute(MAKE_DAY, (day,))
                self._days.add(day)
            cursor.executemany(INSERT, rows)
        self._progress.payments(len(rows))
