"""Asks a broker whether it is ready and makes topics; the only module here that imports confluent_kafka."""

from __future__ import annotations

import logging
import socket
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from local.errors import FatalError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka.admin import AdminClient

    Conf = Mapping[str, Any]
    """Options of librdkafka, for a cluster that asks for TLS or a password."""

NO_CONF: Conf = MappingProxyType({})
_SECONDS = 10.0
_POLL_SECONDS = 0.02

# librdkafka tells of every refused connection on stderr; while a broker starts that is no news.
_silent = logging.getLogger("local.kafka_admin.librdkafka")
_silent.setLevel(logging.CRITICAL + 1)


def ask(
    bootstrap_servers: str, *, cluster_id: str | None = None, conf: Conf = NO_CONF, seconds: float = 2
) -> str | None:
    """Ask a cluster for its metadata; None if it is ready to lead partitions, else what is wrong."""
    from confluent_kafka import KafkaException

    if not any(_listens(address, seconds) for address in bootstrap_servers.split(",")):
        return f"nobody listens on {bootstrap_servers}"
    try:
        metadata = _admin(bootstrap_servers, conf).list_topics(timeout=seconds)
    except KafkaException as error:
        return str(error)
    if cluster_id is not None and metadata.cluster_id != cluster_id:
        return f"cluster {metadata.cluster_id!r} answers, expected {cluster_id!r}"
    if not metadata.brokers:
        return "no broker is ready to lead partitions yet"
    return None


def partitions(bootstrap_servers: str, *, conf: Conf = NO_CONF, seconds: float = _SECONDS) -> dict[str, int]:
    """Return the partition count of every topic of a cluster."""
    from confluent_kafka import KafkaException

    try:
        metadata = _admin(bootstrap_servers, conf).list_topics(timeout=seconds)
    except KafkaException as error:
        raise _no_answer(bootstrap_servers, error) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def topic_settings(
    bootstrap_servers: str, names: Iterable[str], *, conf: Conf = NO_CONF, seconds: float = _SECONDS
) -> dict[str, dict[str, str]]:
    """Return the settings of topics by name; one that does not exist, or that we may not ask for, is left out."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
        ConfigResource,
        ResourceType,
    )

    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not asked:
        return {}
    admin = _admin(bootstrap_servers, conf)  # kept in a name: an answer never comes once the client is gone
    found = {}
    for resource, future in admin.describe_configs(asked, request_timeout=seconds).items():
        try:
            entries = future.result(timeout=seconds).values()
        except (KafkaException, TimeoutError):
            continue
        found[resource.name] = {entry.name: entry.value for entry in entries if entry.value is not None}
    return found


def make_topics(
    bootstrap_servers: str, topics: Mapping[str, int], *, conf: Conf = NO_CONF, seconds: float = 30
) -> list[str]:
    """Make the topics that do not exist, each with so many partitions; returns the names of those it made.

    A topic that exists with another partition count is left as it is: keys would move to other partitions. It
    returns when the brokers list them all, so that a consumer that subscribes at once finds them.
    """
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # its stubs forget to export it

    admin = _admin(bootstrap_servers, conf)
    there = partitions(bootstrap_servers, conf=conf)
    missing = [NewTopic(name, num_partitions=count) for name, count in topics.items() if name not in there]
    if not missing:
        return []
    futures = admin.create_topics(missing, operation_timeout=seconds, request_timeout=seconds)
    made = []
    for name, future in futures.items():
        try:
            future.result(timeout=seconds)
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(
                    f"Topic {name} with {topics[name]} partitions was to be made on {bootstrap_servers}, and the "
                    f"broker answered: {error}. Make it by hand, or correct what it says."
                ) from error
    _wait(admin, bootstrap_servers, lambda ready: topics.keys() <= ready, seconds)
    return made


def delete_topics(bootstrap_servers: str, names: list[str], *, seconds: float = 30) -> None:
    """Remove topics and their records, and return when they are gone; those that do not exist are no error."""
    from confluent_kafka import KafkaError, KafkaException

    if not names:
        return
    admin = _admin(bootstrap_servers, NO_CONF)  # kept in a name: an answer never comes once the client is gone
    for name, future in admin.delete_topics(names, request_timeout=seconds).items():
        try:
            future.result(timeout=seconds)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise RetryableError(f"Topic {name} on {bootstrap_servers} was to be removed: {error}") from error
    _wait(admin, bootstrap_servers, lambda ready: ready.isdisjoint(names), seconds)


def _wait(admin: AdminClient, bootstrap_servers: str, done: Callable[[set[str]], bool], seconds: float) -> None:
    """Wait until what the brokers list is as it was ordered: the controller answers before they have heard of it."""
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + seconds
    while True:
        try:
            topics = admin.list_topics(timeout=seconds).topics
        except KafkaException as error:
            raise _no_answer(bootstrap_servers, error) from error
        leaders = {name: [part.leader for part in topic.partitions.values()] for name, topic in topics.items()}
        if done({name for name, brokers in leaders.items() if brokers and min(brokers) >= 0}):
            return
        if time.monotonic() > deadline:
            raise RetryableError(
                f"The brokers of {bootstrap_servers} were expected to know of changed topics within {seconds:.0f} s, "
                f"and list {', '.join(sorted(topics)) or 'none'}. Try again."
            )
        time.sleep(_POLL_SECONDS)


def _admin(bootstrap_servers: str, conf: Conf) -> AdminClient:
    from confluent_kafka.admin import AdminClient

    return AdminClient({**conf, "bootstrap.servers": bootstrap_servers}, logger=_silent)


def _listens(address: str, seconds: float) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds):
            return True
    except (OSError, ValueError):
        return False


def _no_answer(bootstrap_servers: str, error: Exception) -> RetryableError:
    return RetryableError(
        f"Kafka was expected to answer on {bootstrap_servers}, and did not: {error}. `upifraud status` shows whether "
        "the local stack runs; UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS names another."
    )
