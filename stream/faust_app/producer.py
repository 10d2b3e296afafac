"""Faust's producer, which sends nothing: alerts and dead letters go out through the worker's own, where every delivery
is confirmed before the record that caused it is acknowledged. Faust's does not hold a commit back for a failed send.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from faust.transport.producer import Producer

from stream.errors import SendRefusedError


class RefusingProducer(Producer):
    """Takes part in the life cycle, as the conductor and the commit need a producer, and refuses to send."""

    logger = logging.getLogger("faust.worker.producer")

    async def send(self, topic: str, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse."""
        raise SendRefusedError(f"Faust was asked to send to {topic}: use the worker's own confirmed producer.")

    async def send_and_wait(self, topic: str, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse."""
        await self.send(topic)

    async def create_topic(self, topic: str, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: topics are made by those who deploy, with the partitions they want."""
        raise SendRefusedError(f"Faust was asked to create topic {topic}: topics are made before the worker starts.")

    async def flush(self) -> None:
        """Do nothing: nothing was sent."""
