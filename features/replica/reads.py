"""What the store replied about the logs of a micro-batch, as the replicas take it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.store.messages import Reply, Request


class Reads(NamedTuple):
    """What was read of logs, and what becomes of them."""

    rows: NDArray[np.record]
    """READING[r] of entity logs."""
    words: NDArray[np.uint64]
    """The bytes of the reply, eight each."""


def reads_of(request: Request, reply: Reply) -> Reads:
    """Return what the store replied about entity logs, to bring their replicas up to date with."""
    return Reads(request.reads[: request.logs], _words(reply.raw))


def fetched_whole(reads: Reads, which: NDArray[np.intp], logs: Sequence[bytes]) -> Reads:
    """Return the same with some logs as they were fetched whole."""
    rows = reads.rows.copy()
    sizes = np.fromiter(map(len, logs), dtype=np.int64, count=len(logs))
    ends = np.cumsum(sizes)
    for field in ("total", "start", "end", "header", "folded"):
        rows[field] = 0
    rows["in_reply"][which], rows["total"][which] = True, sizes
    rows["start"][which], rows["end"][which] = ends - sizes, ends
    return Reads(rows, _words(b"".join(logs)))


def _words(raw: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(raw, dtype="<u8", count=len(raw) // 8)
