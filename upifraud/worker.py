"""The worker, put together: the only place that knows what every part is made of."""

from __future__ import annotations

import gc
import logging
import threading
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from features.identity import Identities
from features.online import OnlineFeatures
from features.schema import SCHEMA_HASH
from features.store.redis_store import RedisEntityStore
from model.artifact import DEFAULT_DIR, load
from model.verdict import NEVER
from stream import metrics
from stream.faust_app.app import make_app, make_health, run_worker
from stream.faust_app.assignment import StoreHooks
from stream.holds import PostgresHolds
from stream.kafka.config import checked_client_config
from stream.kafka.publisher import Publisher
from stream.kafka.source_topics import WATCH_SECONDS, SourceTopics
from stream.outcomes import OutcomeFlow
from stream.rehearsal import rehearse
from stream.running.lanes import Lanes
from stream.running.periodic import Round, Rounds
from stream.running.probes import ProbeServer
from stream.running.retry import Retry, Server
from stream.running.thread_cpu import ThreadCpu
from stream.running.zero_series import begin_zero_series
from stream.sinks.alerts import Alerts
from stream.sinks.dead_letters import DeadLetters
from stream.stages.drift import SHOW_SECONDS, Drift
from stream.stages.feature_stage import FeatureStage, WorkerErrors
from stream.stages.judge import AlertRules, Judge
from stream.stages.verdict_stage import VerdictStage
from stream.store_state import holds_round, postgres_round, redis_round
from stream.transactions import TransactionFlow
from stream.verdict_store import VerdictStore
from stream.verdict_store.artifacts import ArtifactArchiveError, keep
from stream.verdict_store.errors import PostgresRefusedError
from upifraud.described import described

if TYPE_CHECKING:
    from model.artifact import Artifact
    from stream.settings import Settings
    from stream.sinks.sink import Sink

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop; return the exit code: 0 after a clean drain, 1 after a failure."""
    for warning in settings.warnings:
        log.warning("%s", warning)
    artifact = load(settings.model_dir or DEFAULT_DIR, schema_hash=SCHEMA_HASH)
    show_model(artifact)
    begin_zero_series()
    stop = threading.Event()
    health = make_health(settings)
    with ExitStack() as open_parts:
        thread_cpu = ThreadCpu()
        metrics.REGISTRY.register(thread_cpu)
        open_parts.callback(metrics.REGISTRY.unregister, thread_cpu)
        open_parts.enter_context(ProbeServer(health, host=settings.metrics_host, port=settings.metrics_port))
        lanes = Lanes()
        kafka, redis, postgres = (
            Retry(server, health, stop) for server in (Server.KAFKA, Server.REDIS, Server.POSTGRES)
        )
        # A connection is for one at a time: in the features lane, in the windows lane, and for the rounds.
        entity_store, measuring, watched = (RedisEntityStore(settings.redis_url) for _ in range(3))
        for store in (entity_store, measuring, watched):
            open_parts.callback(store.close)
        verdict_store = VerdictStore(settings.postgres_url)
        open_parts.callback(verdict_store.close)
        holds = PostgresHolds(settings.postgres_url, name="holds-count")
        open_parts.callback(holds.close)
        publisher = Publisher(checked_client_config(settings))
        open_parts.callback(lanes.close)
        open_parts.callback(stop.set)  # ends whoever waits for a server, so that the lanes can close

        identities = Identities(settings.identity_key, by_account=settings.party_identity == "account")
        redis.until_done(lambda: check_identity(entity_store, identities), "identity")
        rehearse(artifact, identities, alert_all=settings.alerts_include_allow)
        drift = Drift(artifact)
        keep_artifact(settings, artifact, postgres)
        judge = Judge(
            artifact,
            model_key=postgres.until_done(lambda: verdict_store.model_key(described(artifact)), "model"),
            rules=AlertRules(settings.alerts_include_allow, settings.alerts_allow_reasons, settings.hold_for),
            drift=drift,
        )
        online = OnlineFeatures(entity_store, settings.replica_cache_bytes, measuring=measuring)
        features, verdicts = FeatureStage(entity_store, online, redis), VerdictStage(verdict_store, postgres)
        topics = SourceTopics(checked_client_config(settings))
        names = (settings.topic_transactions, settings.topic_outcomes)
        open_parts.enter_context(
            Rounds(
                [
                    Round("drift", SHOW_SECONDS, drift.show),
                    redis_round(watched),
                    postgres_round(settings.postgres_url),
                    holds_round(holds),
                    Round("the source topics", WATCH_SECONDS, lambda: features.watch(topics.ids(names))),
                ]
            )
        )
        dead_letters = DeadLetters(publisher, kafka)
        sinks: list[Sink] = [Alerts(publisher, settings.topic_alerts, kafka)]
        transactions = TransactionFlow(
            lanes=lanes,
            identities=identities,
            features=features,
            judge=judge,
            verdicts=verdicts,
            sinks=sinks,
            dead_letters=dead_letters,
            earliest_ms=settings.earliest_time,
        )
        outcomes = OutcomeFlow(
            lanes=lanes,
            features=features,
            verdicts=verdicts,
            dead_letters=dead_letters,
            earliest_ms=settings.earliest_time,
        )
        hooks = StoreHooks(lanes, features, topics)
        app = make_app(settings, transactions.begin, outcomes.begin, hooks, health=health)
        gc.collect()
        gc.freeze()  # what is there now stays: a full collection would look through all of it, for 65 ms
        return run_worker(app)


def check_identity(store: RedisEntityStore, identities: Identities) -> None:
    """Raise FatalError where the logs were written with another identity key."""
    with WorkerErrors():
        store.check_identity(identities.fingerprint())


def keep_artifact(settings: Settings, artifact: Artifact, postgres: Retry) -> None:
    """Put the artifact beside the verdicts that it will give, so that whoever reads them can explain them.

    A worker that may not write there goes on: its verdicts can be explained where its directory is.
    """
    directory = settings.model_dir or DEFAULT_DIR
    try:
        if postgres.until_done(lambda: keep(settings.postgres_url, directory, artifact)):
            log.info("The artifact of model %s was put into the verdict store.", artifact.model_id)
    except (ArtifactArchiveError, PostgresRefusedError, OSError) as error:
        log.warning(
            "The artifact of model %s was not put into the verdict store, so its verdicts can be explained only where "
            "its directory is: %s",
            artifact.model_id,
            error,
        )


def show_model(artifact: Artifact) -> None:
    """Put the artifact, its thresholds and the alert budget they were chosen for on the meters."""
    metrics.MODEL_INFO.labels(artifact.model_id, artifact.schema_hash).set(1)
    for name, least in asdict(artifact.thresholds).items():
        if least < NEVER:
            metrics.MODEL_THRESHOLD.labels(name.upper()).set(least)
    budget = artifact.metadata.get("training", {}).get("settings", {}).get("alert_budget")
    if budget is not None:  # an artifact is not refused for want of what no verdict depends on
        metrics.ALERT_BUDGET.set(budget)
