"""What the poll threads and the event loop say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError
    from faust.types import TP

    from stream.kafka.fetch import Fetch


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition begins: `offset` None is the beginning of the log, `committed` None a group's first time."""

    offset: int | None
    committed: int | None


class Owner(Protocol):
    """Who works on what the threads bring; every method is called in the event loop. `member` is a thread's name."""

    async def assigned(self, member: str, partitions: frozenset[TP]) -> None:
        """All partitions that the member has now, those still waiting for their start included."""

    async def start_offsets(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Offsets to move the start of new partitions back to."""

    def begun(self, member: str, starts: Mapping[TP, Start]) -> None:
        """Records of these partitions follow, and none of the member's waits any more."""

    async def drained(self, member: str, revoked: frozenset[TP]) -> Mapping[TP, int]:
        """Wait, with a bound, for work on revoked partitions; return the offsets to commit."""

    async def released(self, member: str, gone: frozenset[TP], committed: Mapping[TP, int]) -> None:
        """Partitions are given back or were lost; these offsets were accepted."""

    def deliver(self, fetches: list[Fetch]) -> None:
        """A micro-batch has come; it takes room until all of it is finished."""

    def commit_answered(self, member: str, accepted: Mapping[TP, int], refused: Mapping[TP, KafkaError]) -> None:
        """The answer to commit_soon."""

    def kafka_answers(self, member: str, *, up: bool) -> None:
        """Whether at least one broker is connected."""

    def reads_on(self) -> None:
        """A member read something within the last second, be it aborted records that are handed to nobody."""

    def failed(self, error: Exception) -> None:
        """A thread cannot go on and takes no more records."""
