"""What the store told of the logs of a micro-batch, as the replicas take it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.measure.logs import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from features.store.messages import Reply, Request


class Reads(NamedTuple):
    """What was read of r logs, and what becomes of them."""

    reads: NDArray[np.uint8]
    """[r, 17], as they were asked for."""
    known: NDArray[np.int64]
    """How many records were known of each."""
    told: NDArray[np.bool_]
    """Which the store told of; the others are as expected."""
    totals: NDArray[np.int64]
    """Their lengths, in bytes."""
    starts: NDArray[np.int64]
    """Where in `words` what was told begins, in bytes."""
    ends: NDArray[np.int64]
    words: NDArray[np.uint64]
    header: NDArray[np.int64]
    """To be filled in: bytes of a folded log's header."""
    base: NDArray[np.int64]
    """To be filled in: how many records were folded away."""
    slots: NDArray[np.int64]
    """To be filled in: where each log is; NONE where there is none."""
    left: NDArray[np.int64]
    """To be filled in: what is left to do."""


def reads_of(request: Request, reply: Reply) -> Reads:
    """Return what the store replied about entity logs, to bring their replicas up to date with."""
    count = request.logs
    header, base, slots, left = np.zeros((4, count), dtype=np.int64)
    slots[:] = NONE
    totals, starts, ends = reply.totals[:count], reply.starts[:count], reply.ends[:count]
    words = np.frombuffer(reply.raw, dtype="<u8", count=len(reply.raw) // 8)
    return Reads(
        request.reads, request.known, reply.told[:count], totals, starts, ends, words, header, base, slots, left
    )


def told_whole(it: Reads, which: NDArray[np.intp], logs: Sequence[bytes]) -> Reads:
    """Return the same with some logs as they were fetched whole."""
    told, (totals, starts, ends, header, base) = it.told.copy(), np.zeros((5, len(it.told)), dtype=np.int64)
    told[which], totals[which] = True, [*map(len, logs)]
    ends[which] = np.cumsum(totals[which])
    starts[which] = ends[which] - totals[which]
    raw = b"".join(logs)
    words = np.frombuffer(raw, dtype="<u8", count=len(raw) // 8)
    return it._replace(told=told, totals=totals, starts=starts, ends=ends, words=words, header=header, base=base)
