"""What is taken out of librdkafka's queue for one micro-batch: bounded in records and in bytes.

librdkafka copies a record when it hands it out, so what is not asked for costs nothing here. How large the next records
are is known by nobody: they are taken in portions, and what of the last one goes beyond the bound is kept.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from confluent_kafka import Consumer, Message

_PORTION = 256
"""Records that are asked for at once, at most. The bound may be passed by one portion, and that is kept."""


class Intake:
    """Takes records in their order, each once; of a partition that goes, what is kept goes with it."""

    def __init__(self, consumer: Consumer, *, records: int, size: int) -> None:
        self._consumer = consumer
        self._records = records
        self._size = size
        self._kept: list[Message] = []
        self._gone: set[TP] = set()
        self._largest = 0

    @property
    def has_more(self) -> bool:
        """Whether something was kept that went beyond the bounds."""
        return bool(self._kept)

    def take(self, wait: float) -> list[Message]:
        """Wait for something and take what is there; return at most so many records or, from the second on, bytes.

        Among them is what librdkafka has to say of a partition, in the order in which it came.
        """
        if not self._kept:
            self.poll(wait)
        taken: list[Message] = []
        size = self._move(taken, 0)
        while taken and not self._kept and len(taken) < self._records:
            room = max(1, (self._size - size) // max(1, self._largest))
            wanted = min(self._records - len(taken), _PORTION, room)
            came = self._still_ours(partial(self._consumer.consume, wanted, 0.0))
            self._kept = came
            size = self._move(taken, size)
            if len(came) < wanted:
                break
        return taken

    def poll(self, wait: float) -> None:
        """Wait for something and keep it; callbacks run meanwhile."""
        came = self._still_ours(lambda: [one for one in (self._consumer.poll(wait),) if one is not None])
        self._kept += came

    def drop(self, gone: Collection[TP]) -> None:
        """Forget what is kept of partitions that go: if they come back, what follows their start is read again.

        What is kept would then come first, and all between the start and it would be taken for passed.
        """
        self._gone.update(gone)
        self._kept = [one for one in self._kept if _partition_of(one) not in gone]

    def _still_ours(self, ask: Callable[[], list[Message]]) -> list[Message]:
        """Return what the call returns, without partitions that a callback inside it has dropped."""
        self._gone.clear()
        came = ask()
        return [one for one in came if _partition_of(one) not in self._gone] if self._gone else came

    def _move(self, taken: list[Message], size: int) -> int:
        """Move of what is kept as much as fits, and at least one record; return the size of what is taken then."""
        kept = self._kept
        sizes = [len(one) + len(one.key() or b"") for one in kept]  # what headers take is known only when they are read
        self._largest = max(sizes, default=self._largest)
        if size + sum(sizes) <= self._size and len(taken) + len(kept) <= self._records:
            fits = len(kept)
        else:
            totals = accumulate(sizes[: self._records - len(taken)], initial=size)
            fits = sum(total <= self._size for total in totals) - 1
            fits = max(fits, 0 if taken else 1)
        taken += kept[:fits]
        self._kept = kept[fits:]
        return size + sum(sizes[:fits])


def _partition_of(record: Message) -> TP:
    return TP(str(record.topic()), int(record.partition() or 0))
