"""A history larger than memory, from its files to measured payments: decode, settle, tell the time, measure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from history.reading import CONFLICT
from history.refusals import Refusals
from history.spill.clock import Clock, Standing
from history.spill.decoding import rules_of, spill_outcomes, spill_payments
from history.spill.ids import settle
from history.spill.measuring import OWNERS, measure_bucket
from history.spill.reports import arrive
from history.spill.spilled import Spilled
from history.spill.tables import PIECE, Opened, array_of
from history.spill.work import check
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from files.source import Source
    from history.spill.decoding import Piece, Rules
    from history.spill.ids import Settled
    from history.spill.place import Place
    from history.spill.work import Task, Workers

    Step = Callable[[str, int], Callable[[int], None]]


class Read(NamedTuple):
    """What was read of a file."""

    pieces: list[Piece]
    refusals: Refusals


class Run:
    """The parts of the work, in their order; each leaves whole files for the next, which may be another machine's."""

    def __init__(self, workers: Workers, place: Place, rules: Rules, step: Step) -> None:
        self._workers = workers
        self._place = place
        self._rules = rules
        self._step = step

    def read(self, what: str, source: Source) -> Read:
        """Decode a file, `payments` or `outcomes`, on all cores."""
        spill = spill_payments if what == "payments" else spill_outcomes
        rules = rules_of(source, self._rules)
        total = len(source)
        moved = self._step(f"reading {what}" if what == "outcomes" else "reading", total or source.size())

        def tasks() -> Iterator[Task[Piece]]:
            for number, batch in enumerate(source.batches(PIECE)):
                if not total:
                    moved(source.position())
                yield spill, (number, source, batch, rules, self._place)

        pieces: list[Piece] = []
        rows = 0
        for piece in self._workers.run(tasks()):
            pieces.append(piece)
            rows += piece.refusals.rows
            if total:
                moved(rows)
        pieces.sort(key=lambda piece: piece.number)
        return Read(pieces, _together(Refusals(source.path, what), [piece.refusals for piece in pieces]))

    def settle(self, payments: Read, outcomes: Read | None) -> tuple[Standing | None, int]:
        """Let the first payment of each id stand; return which rows do, and how many. Count what does not."""
        buckets = self._place.buckets.ids
        moved = self._step("settling ids", buckets)
        counts = len(payments.pieces), 0 if outcomes is None else len(outcomes.pieces)
        tasks: Iterator[Task[Settled]] = ((settle, (bucket, *counts, self._place)) for bucket in range(buckets))
        settled: list[Settled] = []
        for one in self._workers.run(tasks):
            settled.append(one)
            moved(len(settled))
        accepted = sum(piece.accepted for piece in payments.pieces)
        dropped = np.sort(np.concatenate([np.load(self._place.dropped(bucket)) for bucket in range(buckets)]))
        payments.refusals.duplicates += sum(one.duplicates for one in settled)
        for row in self._file_rows(np.sort(np.concatenate([one.conflicts for one in settled]))):
            payments.refusals.add(row, RejectionReason.CONFLICTING_DUPLICATE, CONFLICT)
        if outcomes is not None:
            outcomes.refusals.unmatched = sum(one.outcomes - one.matched for one in settled)
        for piece in payments.pieces:
            self._place.ids(piece.number).unlink()
        return Standing.without(dropped, len(payments.pieces)) if len(dropped) else None, accepted - len(dropped)

    def tell(self, pieces: int, standing: Standing | None) -> None:
        """Find when each report arrives, and give it to the buckets of its entities."""
        moved = self._step("timing", pieces + self._place.buckets.ids)
        clock = Clock.write(self._place, pieces, standing, moved)
        tasks: Iterator[Task[None]] = (
            (arrive, (bucket, self._place, clock)) for bucket in range(self._place.buckets.ids)
        )
        for done, _ in enumerate(self._workers.run(tasks), 1):
            moved(pieces + done)
        for piece in range(pieces):
            self._place.clock(piece).unlink()

    def measure(self, pieces: int, standing: Standing | None, *, reported: bool) -> None:
        """Measure all buckets."""
        buckets = [(kind, bucket) for kind in OWNERS for bucket in range(self._place.count(kind))]
        moved = self._step("measuring", len(buckets))
        tasks: Iterator[Task[int]] = (
            (_measure, (kind, bucket, pieces, standing, self._place, reported)) for kind, bucket in buckets
        )
        for done, _ in enumerate(self._workers.run(tasks), 1):
            moved(done)
        for kind in OWNERS:
            for piece in range(pieces):
                self._place.entities(kind, piece).unlink()

    def _file_rows(self, rows: NDArray[np.int64]) -> Iterator[int]:
        """Yield the numbers that rows of the history have in the file."""
        for piece in np.unique(rows // PIECE).tolist():
            with Opened(self._place.journal(piece), ["row", "file_row"]) as file:
                batch = file.batch(0)
            wanted = rows[rows // PIECE == piece]
            yield from array_of(batch, "file_row")[np.searchsorted(array_of(batch, "row"), wanted)].tolist()


def _measure(kind: str, bucket: int, pieces: int, standing: Standing | None, place: Place, reported: bool) -> int:
    return measure_bucket(kind, bucket, pieces, standing, place, reported=reported, check=check)


def _together(whole: Refusals, parts: list[Refusals]) -> Refusals:
    """Count what was refused of all pieces of a file, in their order."""
    for part in parts:
        whole.rows += part.rows
        whole.reasons += Counter(part.reasons)
        for reason, detail in part.details.items():
            whole.details.setdefault(reason, detail)
    return whole


def spilled(
    run: Run,
    place: Place,
    payments: Read,
    outcomes: Read | None,
    *,
    settled: tuple[Standing | None, int],
) -> Spilled:
    """Measure payments that were read and settled."""
    pieces = len(payments.pieces)
    standing, count = settled
    if outcomes is not None:
        run.tell(pieces, standing)
    run.measure(pieces, standing, reported=outcomes is not None)
    reported = None if outcomes is None else outcomes.refusals
    return Spilled(place, pieces, standing, count, payments.refusals, reported)
