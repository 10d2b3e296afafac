"""What the rest of the program may say when partitions come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faust.types import TP


class Hooks(Protocol):
    """Called in the event loop, for each topic by itself, so for both topics it may be at the same time."""

    async def on_assigned(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Say where to start partitions that were assigned, before any of their records is delivered.

        `committed` has their committed offsets, None where the group never committed. The answer can move a start back
        to an earlier offset, never forward: records between would get no verdict. A partition that is not in the answer
        starts at its committed offset, or at the beginning of the log without one.

        RetryableError: the partitions wait, and the question is asked again with backoff; all others go on. Any other
        exception ends the worker. The call is cancelled when the partitions are revoked meanwhile.
        """

    async def on_revoked(self, partitions: frozenset[TP]) -> None:
        """Take note that partitions were let go of: drained and committed, or lost."""


class NoHooks:
    """Starts every partition at its committed offset."""

    async def on_assigned(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:  # noqa: ARG002
        """Move nothing."""
        return {}

    async def on_revoked(self, partitions: frozenset[TP]) -> None:
        """Do nothing."""
