"""What librdkafka is configured with: connection and security for every client, and the options of the consumer."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.errors import SettingsError
from stream.settings import MAX_POLL_INTERVAL_SECONDS, is_secret_option

if TYPE_CHECKING:
    from stream.settings import Settings

CLIENT_ID = "upi-fraud-stream"
STATISTICS_SECONDS = 1

FETCH_BYTES = 256 * 1024
"""Bytes, as they are on the wire, of one answer to a fetch. librdkafka inflates all of an answer at once, and gzip
inflates a thousandfold: so this, times a thousand, is what an answer may take. A batch larger than that comes alone.
"""

QUEUE_KILOBYTES = 8 * 1024
QUEUE_RECORDS = 20_000
"""Nothing is fetched while so much waits in the queue; what an answer brings on top of it is not bounded by these."""


class Fetching(NamedTuple):
    """A broker answers a fetch when it has so many bytes, or after so long."""

    least_bytes: int
    wait_seconds: float


GATHERED = Fetching(100_000, 0.003)
AT_ONCE = Fetching(1, 0.1)

_SECURITY = {
    "security.protocol": "kafka_security_protocol",
    "sasl.mechanism": "kafka_sasl_mechanism",
    "sasl.username": "kafka_sasl_username",
    "sasl.password": "kafka_sasl_password",
    "ssl.ca.location": "kafka_ssl_ca_location",
    "ssl.certificate.location": "kafka_ssl_certificate_location",
    "ssl.key.location": "kafka_ssl_key_location",
    "ssl.key.password": "kafka_ssl_key_password",
}


def client_config(settings: Settings) -> dict[str, Any]:
    """Return the options that consumer, producer and admin client share; whatever the settings name wins."""
    secured = {option: getattr(settings, field) for option, field in _SECURITY.items()}
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": CLIENT_ID,
        # The default of 10 s would add to every broker restart; a request that hangs is given up on before a drain is.
        "reconnect.backoff.max.ms": 2_000,
        "socket.timeout.ms": 15_000,
        "log.connection.close": False,
        **{option: value for option, value in secured.items() if value is not None},
        **settings.kafka_conf,
    }


def checked_client_config(settings: Settings) -> dict[str, Any]:
    """Return the options of client_config as ones that librdkafka takes.

    Raises SettingsError where it refuses them: each client would, when it is made, in librdkafka's words alone.
    """
    config = client_config(settings)
    _check(tuple(config.items()))
    return config


@cache
def _check(options: tuple[tuple[str, Any], ...]) -> None:
    """Let librdkafka look at the options, in clients that know no broker and so ask none."""
    from confluent_kafka import Consumer, KafkaException, Producer

    config = dict(options)
    alone = {option: value for option, value in config.items() if option != "bootstrap.servers"} | {"log_level": 0}
    try:
        Producer(alone)
        Consumer({**alone, "group.id": CLIENT_ID}).close()
    except KafkaException as error:
        told = str(error.args[0].str())
        for option, value in config.items():
            if is_secret_option(option) and str(value):
                told = told.replace(str(value), "********")
        raise SettingsError(
            f"Expected options that Kafka's client takes, and it says: {told}. Correct the UPIFRAUD_KAFKA_ settings; "
            "`upifraud settings --changed` lists them."
        ) from None


def consumer_config(settings: Settings, *, gathers: bool = True) -> dict[str, Any]:
    """Return the options of a consumer; where it `gathers`, brokers answer less often while micro-batches are paced."""
    fetch_bytes = settings.kafka_conf.get("fetch.max.bytes", FETCH_BYTES)
    return {
        "fetch.max.bytes": fetch_bytes,
        "max.partition.fetch.bytes": fetch_bytes,
        "queued.max.messages.kbytes": QUEUE_KILOBYTES,
        "queued.min.messages": QUEUE_RECORDS,
        "statistics.interval.ms": STATISTICS_SECONDS * 1000,
        # A topic that is made after the worker has started is found within seconds, not after five minutes.
        "topic.metadata.refresh.interval.ms": 10_000,
        **client_config(settings),
        "group.id": settings.consumer_group,
        "max.poll.interval.ms": MAX_POLL_INTERVAL_SECONDS * 1000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Starts are always given explicitly; whatever else asks for a reset would skip or repeat records silently.
        "auto.offset.reset": "error",
        # The only word on what follows the last record: a transaction's mark, an aborted record, or nothing.
        "enable.partition.eof": True,
        # A limit of producers; librdkafka wants it below fetch.max.bytes, and fetches larger batches all the same.
        "message.max.bytes": min(int(fetch_bytes), FETCH_BYTES),
        "allow.auto.create.topics": False,
        **_fetching(settings, gathers=gathers),
        # 1000 by default, and a consumer faster than its queue stalls for that long.
        "fetch.queue.backoff.ms": 5,
        **_group(settings),
    }


def _fetching(settings: Settings, *, gathers: bool) -> dict[str, Any]:
    """Return when brokers answer a fetch: each answer wakes threads, and micro-batches are apart anyway."""
    by_default = GATHERED if gathers and settings.pace_seconds > 0 else AT_ONCE
    least, seconds = settings.kafka_fetch_min_bytes, settings.kafka_fetch_wait_seconds
    return {
        "fetch.min.bytes": by_default.least_bytes if least is None else least,
        "fetch.wait.max.ms": max(1, round((by_default.wait_seconds if seconds is None else seconds) * 1000)),
    }


def _group(settings: Settings) -> dict[str, Any]:
    if settings.kafka_group_protocol == "consumer":
        # KIP-848: the broker assigns, and session and heartbeat are its to set; librdkafka refuses them here.
        return {"group.protocol": "consumer"}
    return {
        "group.protocol": "classic",
        "partition.assignment.strategy": settings.kafka_assignment,
        "session.timeout.ms": round(settings.kafka_session_timeout_seconds * 1000),
        "heartbeat.interval.ms": round(settings.kafka_heartbeat_seconds * 1000),
    }


def is_cooperative(settings: Settings) -> bool:
    """Return whether rebalances carry only what changes, and partitions that stay go on meanwhile."""
    return settings.kafka_group_protocol == "consumer" or settings.kafka_assignment == "cooperative-sticky"
