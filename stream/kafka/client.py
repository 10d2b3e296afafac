"""The Kafka consumer in this program's terms: partitions as TP, records as fetches, errors sorted by what to do.

Used by the poll thread alone: confluent-kafka lets one thread at a time call a consumer, and one that polls without a
pause keeps all others out. Callbacks run inside `receive`, `poll` and `close`.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from faust.types import TP

from stream.errors import KafkaRefusedError, OffsetLostError
from stream.kafka import kafka_errors
from stream.kafka.fetch import NO_ENDS, gather, offset_of
from stream.kafka.intake import Intake
from stream.kafka.statistics import Statistics, read_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import KafkaError, Message

    from stream.kafka.fetch import Fetch

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 5.0
_JOIN_SECONDS = 5.0
_JOIN_POLL_SECONDS = 0.1
_LOG_EVERY_SECONDS = 10.0
_PASS_OVER_SECONDS = 0.5


class Bounds(NamedTuple):
    """The most that one micro-batch may have."""

    records: int
    size: int
    """Bytes; one record always fits."""


class Listener(Protocol):
    """Who hears of what happens to the client; called in the thread that polls."""

    def on_assign(self, partitions: frozenset[TP]) -> None:
        """The group gave these partitions to the worker; nothing is fetched of them yet."""

    def on_revoke(self, partitions: frozenset[TP]) -> None:
        """The group takes these partitions; the worker still has them until this returns."""

    def on_lost(self, partitions: frozenset[TP]) -> None:
        """Others have these partitions already."""

    def on_commit(self, accepted: Mapping[TP, int], refused: Mapping[TP, KafkaError]) -> None:
        """The answer to commit_soon."""

    def on_kafka(self, *, up: bool) -> None:
        """Whether at least one broker is connected; told now and then."""

    def on_reading(self) -> None:
        """Within the last second something was read, be it aborted records that are handed to nobody."""


class KafkaClient:
    """One member of the consumer group, from construction until `close`."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Sequence[str],
        *,
        cooperative: bool,
        listener: Listener,
        bounds: Bounds,
    ) -> None:
        self._topics = list(topics)
        self._cooperative = cooperative
        self._listener = listener
        callbacks = {"error_cb": self._on_error, "stats_cb": self._on_statistics, "on_commit": self._on_commit}
        self._consumer = Consumer({**config, **callbacks}, logger=logger.getChild("librdkafka"))
        self._intake = Intake(self._consumer, records=bounds.records, size=bounds.size)
        self._logged_at: dict[str, float] = {}
        self._statistics = Statistics()
        self._stable_ends: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        self._ends_since = 0.0
        self._rouse_again = False
        self._joining = False
        self.positions: dict[TP, int] = {}
        """The next offset to hand out, of every partition that is fetched."""
        self.held_back: dict[TP, int] = {}
        """How many offsets of each partition stand behind an open transaction, as of about a second ago."""

    def subscribe(self) -> None:
        """Join the group."""
        self._joining = True
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def close(self) -> None:
        """Leave the group; never raises, for the group notices by itself too."""
        try:
            if self._joining and not self._cooperative:
                self._finish_joining()
            self._consumer.close()
        except (KafkaException, KafkaRefusedError, RuntimeError) as error:
            logger.warning("Leaving the group failed (%s); it will notice after the session timeout.", error)

    def _finish_joining(self) -> None:
        """Wait for the partitions that are let go at once.

        The embedded broker, which is spoken to eagerly, makes whoever leaves while it joins the leader of the group,
        and waits for it for ever: no worker would get a partition any more.
        """
        self._consumer.list_topics(
            self._topics[0], timeout=_REQUEST_SECONDS
        )  # raises if there is no broker to wait for
        deadline = time.monotonic() + _JOIN_SECONDS
        while self._joining and time.monotonic() < deadline:
            self._consumer.poll(_JOIN_POLL_SECONDS)

    # Records ----------------------------------------------------------------------------------------------------------

    def receive(self, wait: float) -> list[Fetch]:
        """Wait for a record and take what is there then; return it as one fetch a topic, nothing if none came.

        OffsetLostError and KafkaRefusedError: what the broker holds, or allows, is not what the worker must have.
        """
        if self._rouse_again:
            self._rouse(again=False)
        records = [one for one in self._intake.take(wait) if self._is_record(one)]
        by_topic = self._by_topic(records)
        ends = self._ends_to_pass(alone=not records)
        gathered = [gather(topic, lot, self.positions, ends) for topic, lot in by_topic.items()]
        fetches = [fetch for fetch in gathered if fetch is not None]
        for fetch in fetches:
            for partition, _, following in fetch.spans():
                self.positions[TP(fetch.topic, partition)] = following
        return fetches

    @property
    def has_more(self) -> bool:
        """Whether records are at hand that went beyond the bounds of what was received last."""
        return self._intake.has_more

    def _ends_to_pass(self, *, alone: bool) -> Mapping[TP, int]:
        """Return what may be passed over now: with records at once, alone not at every mark of a busy producer."""
        self._ends = {tp: end for tp, end in self._ends.items() if end > self.positions.get(tp, end)}
        if not self._ends or (alone and time.monotonic() - self._ends_since < _PASS_OVER_SECONDS):
            return NO_ENDS
        ends, self._ends = self._ends, {}
        return ends

    def _rouse(self, *, again: bool = True) -> None:
        """Let partitions that stay go on at once after a rebalance.

        librdkafka pauses all partitions while the group waits for the answer of a callback. When it resumes them, the
        threads that fetch sleep on, for up to a second, unless something happens on their connections: a question to
        each partition's broker is something. Asked in the callback, and once more when they are surely resumed.
        """
        self._rouse_again = again
        for tp in self.positions:
            if self.asked_end(tp) is None:
                return

    def _by_topic(self, records: list[Message]) -> dict[str, list[Message]]:
        if len(self._topics) == 1:
            return {self._topics[0]: records}
        lots: dict[str, list[Message]] = {topic: [] for topic in self._topics}
        for record in records:
            lots[str(record.topic())].append(record)
        return lots

    def poll(self, wait: float) -> None:
        """Answer callbacks while everything is paused; a record that slips through is kept for `receive`."""
        self._intake.poll(wait)

    def fetch_from(self, starts: Mapping[TP, int | None]) -> None:
        """Begin to fetch partitions that the group gave, from these offsets; None is the beginning of the log."""
        partitions = [TopicPartition(*tp, OFFSET_BEGINNING if at is None else at) for tp, at in starts.items()]
        if self._cooperative:
            self._consumer.incremental_assign(partitions)
        else:
            # The protocol is stop-the-world: whatever was fetched before has been revoked.
            self._consumer.assign(partitions)
        self.positions.update({tp: 0 if at is None else at for tp, at in starts.items()})

    def pause(self, tps: Iterable[TP]) -> None:
        """Stop the flow of records of these partitions; they stay the worker's."""
        self._consumer.pause([TopicPartition(*tp) for tp in tps])

    def resume(self, tps: Iterable[TP]) -> None:
        """Let records flow again from where they stopped."""
        self._consumer.resume([TopicPartition(*tp) for tp in tps])

    def _is_record(self, record: Message) -> bool:
        error = record.error()
        if error is None:
            return True
        if kafka_errors.is_end(error):
            self._note_end(record)
            return False
        if kafka_errors.is_out_of_range(error):
            raise OffsetLostError(self._gap(TP(str(record.topic()), int(record.partition() or 0)), error))
        if not kafka_errors.passes(error):
            raise KafkaRefusedError(f"Kafka refused to serve {record.topic()}[{record.partition()}]: {error.str()}.")
        if kafka_errors.is_topic_away(error):
            self._warn_seldom(f"Topic {record.topic()} is not there ({error.str()}). Waiting for it to be made.")
        else:
            self._warn_seldom(f"Kafka: {error.str()}.")
        return False

    def _note_end(self, record: Message) -> None:
        """Keep where librdkafka has come to the end; all records before it are taken, for it came behind them."""
        if not self._ends:
            self._ends_since = time.monotonic()
        self._ends[TP(str(record.topic()), int(record.partition() or 0))] = offset_of(record)

    def _gap(self, tp: TP, error: KafkaError) -> str:
        wanted, name = self.positions.get(tp, 0), f"{tp.topic}[{tp.partition}]"
        try:
            begin, end = self._consumer.get_watermark_offsets(TopicPartition(*tp), timeout=_REQUEST_SECONDS)
        except KafkaException:
            return f"{name}: expected to go on at offset {wanted}, which is not in the log ({error.str()})."
        gap = f"{name}: expected to go on at offset {wanted}, but the log goes from {begin} to {end}"
        if wanted < begin:
            return (
                f"{gap}: the {begin - wanted} records from {wanted} to {begin - 1} are gone and got no verdict. To go "
                "on without them, stop all workers and run `upifraud rewind --to now --margin 0`."
            )
        return (
            f"{gap}: it is shorter than what was read of it, so the topic was made anew or has lost records. To go on, "
            "stop all workers and run `upifraud rebuild-features --force`."
        )

    # Offsets ----------------------------------------------------------------------------------------------------------

    def committed(self, tps: Iterable[TP]) -> dict[TP, int | None] | None:
        """Ask for the group's offsets, None for a partition without; None altogether: ask again later."""
        try:
            found = self._consumer.committed([TopicPartition(*tp) for tp in tps], timeout=_REQUEST_SECONDS)
        except KafkaException as exception:
            self._pass_or_raise(exception.args[0], "Committed offsets cannot be read")
            return None
        if (error := next((partition.error for partition in found if partition.error is not None), None)) is not None:
            self._pass_or_raise(error, "Committed offsets cannot be read")
            return None
        return {TP(p.topic, p.partition): p.offset if p.offset >= 0 else None for p in found}

    def commit_soon(self, offsets: Mapping[TP, int]) -> None:
        """Commit and let the listener hear the answer."""
        self._consumer.commit(offsets=_positions(offsets), asynchronous=True)

    def commit_now(self, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Commit and wait for the answer; return what was accepted. What was not is delivered again."""
        if not offsets:
            return {}
        try:
            answers = self._consumer.commit(offsets=_positions(offsets), asynchronous=False) or []
        except KafkaException as exception:
            self._pass_or_raise(exception.args[0], "A last commit failed, its records come again")
            return {}
        return {TP(p.topic, p.partition): p.offset for p in answers if p.error is None}

    def known_end(self, tp: TP) -> int | None:
        """Return the end of what can be read of a partition's log as the last fetch told it; asks nobody.

        Where a transaction is open it is the stable end, which librdkafka tells every second. Otherwise all can be
        read, and the log's end is as old as the last fetch. None until the first report.
        """
        stable = self._stable_ends.get(tp)
        if stable is None or self.held_back.get(tp):
            return stable
        return max(stable, self._consumer.get_watermark_offsets(TopicPartition(*tp), cached=True)[1])

    def asked_end(self, tp: TP) -> int | None:
        """Ask the broker for the end of what can be read of a partition's log; None if it does not answer."""
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(*tp), timeout=1.0)[1]
        except KafkaException:
            return None

    # Callbacks --------------------------------------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joining = False
        # The group is told that the worker has them; fetching begins with fetch_from.
        if self._cooperative:
            consumer.incremental_assign([])
            self._rouse()
        else:
            consumer.assign([])
        self._listener.on_assign(_tps(partitions))

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._listener.on_revoke(_tps(partitions))
        self._drop(_tps(partitions))

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._listener.on_lost(_tps(partitions))
        self._drop(_tps(partitions))

    def _drop(self, gone: frozenset[TP]) -> None:
        self._joining = True  # again; while it leaves, nobody looks
        fetched = [TopicPartition(*tp) for tp in gone & self.positions.keys()]
        if self._cooperative:
            self._consumer.incremental_unassign(fetched)
        else:
            self._consumer.unassign()
        self._intake.drop(gone)
        for tp in gone:
            self.positions.pop(tp, None)
            self._ends.pop(tp, None)
        if self._cooperative:
            self._rouse()

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        accepted, refused = {}, {}
        for partition in partitions:
            tp = TP(partition.topic, partition.partition)
            if (wrong := partition.error or error) is not None:
                refused[tp] = wrong
            else:
                accepted[tp] = partition.offset
        self._listener.on_commit(accepted, refused)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaRefusedError(f"Kafka: {error.str()}.")
        if kafka_errors.is_all_down(error):
            self._listener.on_kafka(up=False)
        self._warn_seldom(f"Kafka: {error.str()}.")

    def _on_statistics(self, text: str) -> None:
        statistics = read_statistics(text)
        before, self._statistics = self._statistics, statistics
        if statistics.reads_on_from(before):
            self._listener.on_reading()
        self._stable_ends = statistics.stable_ends()
        self.held_back = statistics.held_back()
        self._listener.on_kafka(up=statistics.is_up())

    def _pass_or_raise(self, error: KafkaError, what: str) -> None:
        if not kafka_errors.passes(error):
            raise KafkaRefusedError(f"{what}: {error.str()}.")
        self._warn_seldom(f"{what}: {error.str()}.")

    def _warn_seldom(self, message: str) -> None:
        """Log a message that would come many times a second while a server is down."""
        now = time.monotonic()
        if now - self._logged_at.get(message, -_LOG_EVERY_SECONDS) >= _LOG_EVERY_SECONDS:
            self._logged_at[message] = now
            logger.warning("%s", message)


def _tps(partitions: Iterable[TopicPartition]) -> frozenset[TP]:
    return frozenset(TP(partition.topic, partition.partition) for partition in partitions)


def _positions(offsets: Mapping[TP, int]) -> list[TopicPartition]:
    return [TopicPartition(*tp, offset) for tp, offset in offsets.items()]
