"""History files as the stream would have seen them: read as `replay` reads them, decoded by the stream's decoder.

Rows are encoded as messages and decoded again: a detour that costs a few microseconds a row and buys that no rule of
the wire has a second version for files.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import click
import numpy as np

from features.columns import PaymentColumns
from features.history import OutcomeReports, first_appearances
from features.identity import Identities
from files.errors import SourceError
from files.source import Refused, Source
from history.message_fields import OUTCOME, PAYMENT
from history.refusals import Note, Refusals, ignored
from stream.decode import decode_outcomes, decode_payments
from stream.errors import StreamError
from stream.settings import read_settings
from stream.wire import RejectionReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from files.column_map import ColumnMap
    from files.source import Message
    from stream.decode import Decoded, DecodedOutcome, Rejection
    from stream.settings import Settings

CHUNK = 8_192
CONFLICT = "transaction_id: expected another, or the same time, amount and parties as its first payment"
NO_PROGRESS: Callable[[int], None] = lambda _: None  # noqa: E731 - a default that does nothing


@dataclass(frozen=True, slots=True)
class History:
    """The distinct payments of a file in delivery order."""

    columns: PaymentColumns
    transaction_id: list[bytes]
    refusals: Refusals

    @property
    def event_time(self) -> NDArray[np.int64]:
        """Epoch milliseconds of each payment."""
        return self.columns.event_time


@dataclass(frozen=True, slots=True)
class Reported:
    """The outcomes of a file, in file order."""

    rows: list[DecodedOutcome]
    refusals: Refusals

    def match(self, transaction_ids: Iterable[bytes]) -> None:
        """Count the outcomes of other payments than these."""
        there = set(transaction_ids)
        self.refusals.unmatched = sum(row.transaction_id not in there for row in self.rows)

    def expect_a_match(self, payments: Path | str) -> None:
        """Return if some outcome is of one of the payments, or there are none; raises ClickException otherwise."""
        self.refusals.expect_a_match(len(self.rows), payments)


def source_of_payments(
    paths: Path | Sequence[Path], zone: str | None = None, columns: ColumnMap | None = None
) -> Source:
    """Return files of payments as what `replay` would publish; without a map their columns are the message's fields."""
    with said():
        return Source(paths, PAYMENT, columns, zone)


def source_of_outcomes(
    paths: Path | Sequence[Path], zone: str | None = None, columns: ColumnMap | None = None
) -> Source:
    """Return files of outcomes as what `replay` would publish."""
    with said():
        return Source(paths, OUTCOME, columns, zone)


def read_payments(source: Source, progress: Callable[[int], None] = NO_PROGRESS, note: Note = ignored) -> History:
    """Read a file of payments, file order is delivery order; raises ClickException where not one row is a payment.

    `note` is told of every row that is refused.
    """
    read = _read_payments(source, progress, note)
    if not read.refusals.rows:
        raise click.ClickException(f"{source.path}: expected payments, but it holds none.")
    read.refusals.check(1.0)
    columns = PaymentColumns(np.concatenate([part.payments.rows for part in read.parts]))
    ids = [one for part in read.parts for one in part.transaction_id]
    kept = np.flatnonzero(read.first)
    return History(columns.take(kept), [ids[row] for row in kept.tolist()], read.refusals)


def refusals_of(source: Source) -> Refusals:
    """Return what the stream would refuse of a file of payments or outcomes, as far as the file alone tells."""
    return (_read_payments(source) if source.fields is PAYMENT else _read_outcomes(source)).refusals


def read_outcomes(
    paths: Path | Sequence[Path],
    zone: str | None = None,
    columns: ColumnMap | None = None,
    note: Note = ignored,
) -> Reported:
    """Read files of outcomes, in file order; `note` is told of every row that is refused."""
    return _read_outcomes(source_of_outcomes(paths, zone, columns), note)


def _read_outcomes(source: Source, note: Note = ignored) -> Reported:
    refusals = Refusals(source.path, "outcomes", note=note)
    earliest = earliest_ms(source, settings())
    rows: list[DecodedOutcome] = []
    for messages in _chunks(source, refusals):
        decoded = decode_outcomes([message.value for message in messages], earliest_ms=earliest)
        _count(source, decoded.rejections, messages, refusals)
        rows.extend(decoded.rows)
    return Reported(rows, refusals)


def reports_on(history: History, outcomes: list[DecodedOutcome]) -> OutcomeReports:
    """Match outcomes with the payments of a history; those of other payments are left out."""
    row_of = {transaction_id: row for row, transaction_id in enumerate(history.transaction_id)}
    known = [outcome for outcome in outcomes if outcome.transaction_id in row_of]
    return OutcomeReports(
        row=np.array([row_of[outcome.transaction_id] for outcome in known], dtype=np.int64),
        reported_at=np.array([outcome.reported_at for outcome in known], dtype=np.int64),
        fraud=np.array([outcome.is_fraud for outcome in known], dtype=np.bool_),
    )


class _Payments(NamedTuple):
    """A file of payments, decoded."""

    parts: list[Decoded]
    first: NDArray[np.bool_]
    """Which of the accepted payments are the first of their id."""
    refusals: Refusals


def _read_payments(source: Source, progress: Callable[[int], None] = NO_PROGRESS, note: Note = ignored) -> _Payments:
    found = settings()
    identities = identities_of(found)
    now_ms = int(time.time() * 1000)
    refusals = Refusals(source.path, "payments", note=note)
    parts: list[Decoded] = []
    rows: list[NDArray[np.int64]] = []
    for messages in _chunks(source, refusals):
        decoded = decode_payments(
            [message.value for message in messages],
            now_ms,
            identities,
            earliest_ms=earliest_ms(source, found),
            facts=False,
        )
        _count(source, decoded.rejections, messages, refusals)
        parts.append(decoded)
        rows.append(np.array([message.row for message in messages], dtype=np.int64)[decoded.rows])
        progress(refusals.rows)
    return _Payments(parts, _first(parts, rows, refusals), refusals)


def _chunks(source: Source, refusals: Refusals) -> Iterator[list[Message]]:
    """Yield the rows as the messages they would be; those of which none can be made are counted."""

    def refuse(refused: Refused) -> None:
        refusals.rows += 1
        refusals.add(refused)

    with said():
        messages = source.messages(refuse)
        while chunk := list(islice(messages, CHUNK)):
            refusals.rows += len(chunk)
            yield chunk


def _count(source: Source, rejections: list[Rejection], messages: list[Message], refusals: Refusals) -> None:
    for rejection in rejections:
        refusals.add(source.explained(messages[rejection.index], rejection.reason, rejection.detail))


def _first(parts: list[Decoded], rows: list[NDArray[np.int64]], refusals: Refusals) -> NDArray[np.bool_]:
    """Return which payments are the first of their id; the others are duplicates or, if they differ, refused."""
    if not parts:
        return np.empty(0, dtype=np.bool_)
    ids, row = np.concatenate([part.ids128 for part in parts]), np.concatenate(rows)
    fingerprint = np.concatenate([part.fingerprint for part in parts])
    first = first_appearances(ids)
    if not first.all():
        stands = {one.tobytes(): fingerprint[at] for at, one in zip(np.flatnonzero(first), ids[first], strict=True)}
        for at in np.flatnonzero(~first).tolist():
            if stands[ids[at].tobytes()] == fingerprint[at]:
                refusals.duplicates += 1
            else:
                refusals.add(Refused(int(row[at]), RejectionReason.CONFLICTING_DUPLICATE, CONFLICT, "transaction_id"))
    return first


def settings() -> Settings:
    """Return a worker's settings; raises ClickException where they are wrong."""
    with said():
        return read_settings(os.environ)


def identities_of(settings: Settings) -> Identities:
    """Return the stream's own: distinct counts of dense logs depend on the hashes, and so do vectors on the key."""
    return Identities(settings.identity_key, by_account=settings.party_identity == "account")


def earliest_ms(source: Source, settings: Settings) -> int:
    """Return the time before which one is refused: the map's, for a file from long ago, or the stream's."""
    return settings.earliest_time if source.map.earliest is None else source.map.earliest


@contextmanager
def said() -> Iterator[None]:
    """Say in one line what is wrong with a file or with the settings."""
    try:
        yield
    except (SourceError, StreamError) as error:
        raise click.ClickException(str(error)) from error
