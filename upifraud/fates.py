"""What became of records that were published: verdicts, dead letters, duplicates; found out from outside the group.

A worker commits an offset only once its verdict is stored and its dead letter confirmed (docs/architecture.md), so
when the group has committed all of them, the dead-letter topic and the verdict store know the rest. Where that cannot
be seen, it is said and not guessed.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from history.message_fields import PAYMENT
from history.refusals import Refusals, ignored
from simulator.errors import DeliveryError
from stream.errors import StreamError
from stream.kafka.topic_reader import TopicReader
from stream.sinks.dead_letters import NotADeadLetterError, headers_of, read_headers
from stream.verdict_store import scans
from stream.wire import LAST_TIME_MS, dead_letter_topic
from upifraud import group

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from files.source import Message as FileMessage
    from files.source import Source
    from history.refusals import Note
    from simulator.kafka import Group, Outlet, Partition
    from stream.settings import Settings

_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 0.5
_ASK_MEMBERS_S: Final = 5.0


class Outgoing:
    """Yields the messages of a source; knows of the last pass how many there were, and which rows could not be sent."""

    def __init__(self, source: Source, note: Note = ignored) -> None:
        """Take a source, and what is told, once, of each row that no record can be made of."""
        self.source = source
        self._begin(note)
        self._note = note

    def _begin(self, note: Note) -> None:
        self.count = 0
        what = "payments" if self.source.fields is PAYMENT else "outcomes"
        self.refusals = Refusals(self.source.path, what, note=note)
        self._first: int | None = None
        self._last: int | None = None
        self._all_timed = True

    def __iter__(self) -> Iterator[FileMessage]:
        # A merged replay looks at all payments before it sends the first.
        note, self._note = self._note, ignored
        self._begin(note)
        for message in self.source.messages(self.refusals.add):
            self.count += 1
            moment = message.moment
            if moment is None:
                self._all_timed = False
            else:
                self._first = moment if self._first is None else min(self._first, moment)
                self._last = moment if self._last is None else max(self._last, moment)
            yield message

    @property
    def rows(self) -> int:
        """Rows of the file so far."""
        return self.count + self.refusals.refused

    def span(self, latest: int) -> tuple[int | None, int | None]:
        """Return since and until of the times of all messages, up to `latest`; None where one has none."""
        if not self._all_timed or self._first is None or self._last is None:
            return None, None
        return max(0, min(self._first, latest)), max(0, min(self._last, latest)) + 1


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the records that one file gave one topic."""

    published: int
    letters: Counter[str]
    """Dead letters, by reason."""
    verdicts: int | None
    """None where there are none to be had, or Postgres could not be asked."""
    unknown: str
    """Why not all of it is known yet; empty where it is."""

    def __str__(self) -> str:
        reasons = f" ({', '.join(f'{count:,} {reason}' for reason, count in self.letters.most_common())})"
        dead = f"{self.letters.total():,} dead letters{reasons if self.letters else ''}"
        rest = self.published - self.letters.total()
        if self.verdicts is None:
            return f"{rest:,} were taken, {dead}"
        return f"{self.verdicts:,} became verdicts, {dead}, {rest - self.verdicts:,} duplicates"


class Fates:
    """Follows what a command publishes; made before the first record, so that only its own dead letters are read."""

    def __init__(self, settings: Settings, config: Mapping[str, Any], topics: tuple[str, ...]) -> None:
        self._settings = settings
        self._config = config
        self._ends: dict[str, dict[Partition, int] | None] = {topic: self._letters_end(topic) for topic in topics}

    def wait(self, outlet: Outlet, followed: Group, patience_s: float, stop: threading.Event) -> str:
        """Return when the group has committed everything, or why that is not to be waited for."""
        behind = {partition: runs[-1][1] for partition, runs in outlet.runs.items() if runs}
        name = self._settings.consumer_group
        came: dict[Partition, int] = {}
        pause, asked, since = _FIRST_WAIT_S, float("-inf"), time.monotonic()
        while behind:
            now = time.monotonic()
            if now - asked > _ASK_MEMBERS_S:
                asked = now
                if not self._is_at_work():
                    return f"no worker is in group {name}"
            try:
                committed = followed.committed(behind)
            except DeliveryError as error:
                return str(error)
            if committed != came:
                came, since = committed, now
            behind = {partition: end for partition, end in behind.items() if committed[partition] < end}
            if behind and now - since > patience_s:
                return f"group {name} committed nothing for {patience_s:.0f} s"
            if behind and stop.wait(pause):
                return "the wait was cut short"
            pause = min(pause * 1.5, _LONGEST_WAIT_S)
        return ""

    def of(self, topic: str, outlet: Outlet, sent: Outgoing) -> Fate:
        """Return what became of the records of one topic, all of which the group has committed."""
        runs = [(partition, *run) for (name, partition), all_ in outlet.runs.items() if name == topic for run in all_]
        if sum(behind - first for _, first, behind in runs) != sent.count:
            return Fate(sent.count, Counter(), None, "Kafka did not tell the offsets of all records")
        try:
            letters = Counter(self._letters(topic, runs))
            verdicts = None
            if topic == self._settings.topic_transactions:
                since, until = sent.span(LAST_TIME_MS)
                verdicts = scans.count_of_records(self._settings.postgres_url, runs, since, until)
        except StreamError as error:
            return Fate(sent.count, Counter(), None, str(error))
        return Fate(sent.count, letters, verdicts, "")

    def _is_at_work(self) -> bool:
        try:
            return group.is_at_work(self._settings)
        except StreamError:
            return False

    def _letters_end(self, topic: str) -> dict[Partition, int] | None:
        """Return where the dead letters of a topic end now; None where there is no such topic."""
        try:
            with TopicReader(self._config, [dead_letter_topic(topic)]) as reader:
                return reader.ends()
        except StreamError:
            return None

    def _letters(self, topic: str, runs: list[tuple[int, int, int]]) -> Iterator[str]:
        """Yield the reason of each dead letter that one of the records became."""
        with TopicReader(self._config, [dead_letter_topic(topic)]) as reader:
            for record in reader.until_end(self._ends[topic]):
                reason = _reason(record, topic, runs)
                if reason is not None:
                    yield reason


def _reason(record: Message, topic: str, runs: list[tuple[int, int, int]]) -> str | None:
    try:
        _, ours = read_headers(headers_of(record) or [])
    except NotADeadLetterError:
        return None
    partition, offset = int(ours.source_partition), int(ours.source_offset)
    of_ours = any(at == partition and first <= offset < behind for at, first, behind in runs)
    return str(ours.reason) if of_ours and ours.source_topic == topic else None
