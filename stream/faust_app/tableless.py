"""What of Faust serves tables, seeks and livelock checks: refused, or doing nothing.

There are no tables here, partitions start where the poll thread says, and liveness has its own probe.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

from faust.tables.manager import TableManager
from faust.transport.consumer import Consumer
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Mapping


class TablelessConsumer(Consumer):
    """A consumer of an app without tables; what is left abstract is what its subclass is for."""

    logger = logging.getLogger("faust.worker.consumer")

    async def _add_gap(self, *_args: Any) -> None:
        """Keep no gaps: the ledger has the watermarks."""

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: Faust compares epoch milliseconds with monotonic time here."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek nothing; Faust calls this when the first assignment is complete."""
        return {}

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def topic_partitions(self, *_args: Any) -> int | None:
        """Return None: it is not known here."""
        return None

    def key_partition(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    def _to_message(self, *_args: Any) -> NoReturn:
        _refuse()

    async def _commit(self, *_args: Any) -> NoReturn:
        _refuse()

    async def _getmany(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        _refuse()

    async def _seek(self, *_args: Any) -> NoReturn:
        _refuse()

    async def seek_wait(self, *_args: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    async def position(self, *_args: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    async def earliest_offsets(self, *_args: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    async def highwaters(self, *_args: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    async def create_topic(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse."""
        _refuse()


class NoTables(TableManager):
    """Starts at once: Faust's own sleeps for a second in which tables could still be declared."""

    async def on_start(self) -> None:
        """Say that all tables, none, are known, so that the conductor subscribes."""
        await self._update_channels()
        await self.recovery.start()


def _refuse() -> NoReturn:
    raise NotImplementedError("This worker has no Faust tables, and nothing else asks Faust's consumer for this.")
