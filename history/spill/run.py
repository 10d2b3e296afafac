"""A history larger than memory, from its files to measured payments: decode, settle, tell the time, measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from files.source import Refused
from history.reading import CONFLICT, said
from history.spill.clock import Clock, Standing
from history.spill.decoding import spill_outcomes, spill_payments
from history.spill.ids import settle
from history.spill.measuring import OWNERS, measure_bucket
from history.spill.reports import arrive
from history.spill.tables import Opened, array_of
from history.spill.work import check
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from files.source import Source
    from history.refusals import Refusals
    from history.spill.decoding import Piece, Rules
    from history.spill.ids import Settled
    from history.spill.place import Place
    from history.spill.work import Inline, Task, Workers

    Step = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read."""

    pieces: int
    accepted: int
    refusals: Refusals


class Run:
    """The parts of the work, in their order; each leaves whole files for the next, which may be another machine's."""

    def __init__(self, workers: Workers | Inline, place: Place, step: Step) -> None:
        self._workers = workers
        self.place = place
        self._step = step

    def read(self, source: Source, rules: Rules, refusals: Refusals) -> Read:
        """Decode a file of payments or of outcomes, as `refusals` says, on all cores."""
        payments = refusals.what == "payments"
        spill = spill_payments if payments else spill_outcomes
        total = len(source)
        moved = self._step("reading" if payments else "outcomes", total or source.size())

        def tasks() -> Iterator[Task[Piece]]:
            for number, batch in enumerate(source.batches(self.place.piece)):
                if not total:
                    moved(source.position())
                yield spill, (number, source, batch, rules, self.place)

        accepted = pieces = 0
        with said():
            for piece in _in_order(self._workers.run(tasks())):
                pieces += 1
                accepted += piece.accepted
                refusals.rows += piece.rows
                for refused in piece.refused:
                    refusals.add(refused)
                if total:
                    moved(refusals.rows)
        return Read(pieces, accepted, refusals)

    def settle(self, payments: Read, outcomes: Read | None) -> tuple[Standing | None, int]:
        """Let the first payment of each id stand; return which rows do, and how many. Count what does not."""
        buckets = self.place.buckets.ids
        moved = self._step("settling", buckets)
        pieces = payments.pieces, 0 if outcomes is None else outcomes.pieces
        tasks: Iterator[Task[Settled]] = (
            (settle, (bucket, *pieces, outcomes is not None, self.place)) for bucket in range(buckets)
        )
        settled: list[Settled] = []
        for one in self._workers.run(tasks):
            settled.append(one)
            moved(len(settled))
        dropped = np.concatenate([np.load(self.place.dropped(bucket)) for bucket in range(buckets)])
        payments.refusals.duplicates += sum(one.duplicates for one in settled)
        for row in self._file_rows(np.sort(np.concatenate([one.conflicts for one in settled]))):
            refused = Refused(row, RejectionReason.CONFLICTING_DUPLICATE, CONFLICT, "transaction_id")
            payments.refusals.add(refused)
        if outcomes is not None:
            outcomes.refusals.unmatched = sum(one.outcomes - one.matched for one in settled)
        for piece in range(payments.pieces):
            self.place.ids(piece).unlink()
        standing = Standing.without(dropped, payments.pieces * self.place.piece) if len(dropped) else None
        return standing, payments.accepted - len(dropped)

    def tell(self, pieces: int, standing: Standing | None) -> None:
        """Find when each report arrives, and give it to the buckets of its entities."""
        buckets = self.place.buckets.ids
        moved = self._step("reports", pieces + buckets)
        clock = Clock.write(self.place, pieces, standing, moved)
        tasks: Iterator[Task[None]] = ((arrive, (bucket, self.place, clock)) for bucket in range(buckets))
        for done, _ in enumerate(self._workers.run(tasks), 1):
            moved(pieces + done)
        for piece in range(pieces):
            self.place.clock(piece).unlink()

    def measure(self, pieces: int, standing: Standing | None, *, reported: bool) -> None:
        """Measure all buckets."""
        buckets = [(kind, bucket) for kind in OWNERS for bucket in range(self.place.count(kind))]
        moved = self._step("measuring", len(buckets))
        tasks: Iterator[Task[int]] = (
            (_measure, (kind, bucket, pieces, standing, self.place, reported)) for kind, bucket in buckets
        )
        for done, _ in enumerate(self._workers.run(tasks), 1):
            moved(done)
        for kind in OWNERS:
            for piece in range(pieces):
                self.place.entities(kind, piece).unlink()

    def _file_rows(self, rows: NDArray[np.int64]) -> Iterator[int]:
        """Yield the numbers that rows of the history have in the file."""
        for piece in np.unique(rows // self.place.piece).tolist():
            with Opened(self.place.journal(piece), ["row", "file_row"]) as file:
                batch = file.batch(0)
            wanted = rows[rows // self.place.piece == piece]
            yield from array_of(batch, "file_row")[np.searchsorted(array_of(batch, "row"), wanted)].tolist()


def _in_order(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield pieces by their numbers; few come before their turn."""
    early: dict[int, Piece] = {}
    turn = 0
    for piece in pieces:
        early[piece.number] = piece
        while turn in early:
            yield early.pop(turn)
            turn += 1


def _measure(
    kind: str,
    bucket: int,
    pieces: int,
    standing: Standing | None,
    place: Place,
    reported: bool,
) -> int:
    return measure_bucket(kind, bucket, pieces, standing, place, reported=reported, check=check)
