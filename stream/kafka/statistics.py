"""What librdkafka tells of itself every second, as far as it is needed here."""

from __future__ import annotations

import msgspec
from faust.types import TP
from msgspec import Struct

_UNKNOWN = -1


class _Broker(Struct):
    state: str


class _Partition(Struct):
    ls_offset: int = _UNKNOWN
    hi_offset: int = _UNKNOWN
    next_offset: int = _UNKNOWN


class _Topic(Struct):
    partitions: dict[int, _Partition]


class Statistics(Struct):
    """One report; partitions that are not fetched have no numbers that count."""

    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}

    def is_up(self) -> bool:
        """Return whether at least one broker is connected."""
        return any(broker.state == "UP" for broker in self.brokers.values())

    def stable_ends(self) -> dict[TP, int]:
        """Return the end of each partition's log as its reader sees it: that of the records it can get.

        With `read_committed`, librdkafka's default, that is the last stable offset: the first record of the oldest open
        transaction, or the log's end.
        """
        return {tp: of.ls_offset for tp, of in self._partitions().items() if of.ls_offset >= 0}

    def held_back(self) -> dict[TP, int]:
        """Return how many offsets of each partition stand behind an open transaction."""
        known = ((tp, of) for tp, of in self._partitions().items() if of.ls_offset >= 0)
        return {tp: max(0, of.hi_offset - of.ls_offset) for tp, of in known}

    def reads_on_from(self, before: Statistics) -> bool:
        """Return whether librdkafka has read on in any partition since, be it over what it hands to nobody."""
        then = before._partitions()
        return any(tp in then and of.next_offset > then[tp].next_offset for tp, of in self._partitions().items())

    def _partitions(self) -> dict[TP, _Partition]:
        return {
            TP(name, number): partition
            for name, topic in self.topics.items()
            for number, partition in topic.partitions.items()
            if number >= 0
        }


_decoder = msgspec.json.Decoder(Statistics)


def read_statistics(text: str) -> Statistics:
    """Read the JSON that librdkafka's statistics callback gives."""
    return _decoder.decode(text)
