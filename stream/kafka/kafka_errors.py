"""Which of Kafka's errors pass by themselves, and which must end the worker."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

QUIET: Final[Mapping[str, Any]] = MappingProxyType({"log_level": 2})
"""For commands, which end with one error: librdkafka tells of each refused connection, many times a second."""

_GROUP_MOVES: Final = {
    # The group is changing hands: the broker will ask for the partitions back, or give them again.
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001 - how librdkafka's own codes are named
}
_SERVER_AWAY: Final = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._DESTROY,  # noqa: SLF001 - the consumer is closing, its last commit has been made
}
_TOPIC_AWAY: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
_POLL_LATE: Final = {KafkaError._MAX_POLL_EXCEEDED}  # noqa: SLF001 - the partitions come back at the next poll
_OUT_OF_RANGE: Final = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}  # noqa: SLF001
_END: Final = {KafkaError._PARTITION_EOF}  # noqa: SLF001


def passes(error: KafkaError) -> bool:
    """Return whether the same request may succeed later, so that waiting is right."""
    return not error.fatal() and (
        error.retriable() or _in(error, _GROUP_MOVES | _SERVER_AWAY | _TOPIC_AWAY | _POLL_LATE)
    )


def is_topic_away(error: KafkaError) -> bool:
    """Return whether a topic is not there, or not there yet."""
    return _in(error, _TOPIC_AWAY)


def is_out_of_range(error: KafkaError) -> bool:
    """Return whether the offset to read from is not in the log."""
    return _in(error, _OUT_OF_RANGE)


def is_end(error: KafkaError) -> bool:
    """Return whether it is none: all records before this offset have been handed out, and none follows yet."""
    return _in(error, _END)


def is_all_down(error: KafkaError) -> bool:
    """Return whether no broker can be reached at all."""
    return _in(error, {KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001


class Client(Protocol):
    """A client of confluent-kafka, as far as its errors are concerned."""

    def poll(self, timeout: float) -> object:
        """Answer callbacks."""


class Complaint:
    """What a client last said of its connections, for the one error of a command instead of its log."""

    def __init__(self) -> None:
        self._heard = ""

    def options(self) -> dict[str, Any]:
        """Return what the client is made with; whatever the settings name should win over it."""
        return {**QUIET, "error_cb": self._hear}

    def why(self, client: Client, error: KafkaError) -> str:
        """Return why a request failed: the connection's own reason where the request's is only that nobody answered."""
        if not _in(error, _SERVER_AWAY):
            return str(error.str())
        client.poll(0)
        return self._heard or str(error.str())

    def _hear(self, error: KafkaError) -> None:
        if not is_all_down(error):
            self._heard = str(error.str())


def _in(error: KafkaError, codes: AbstractSet[int]) -> bool:
    return error.code() in codes
