"""Dirt: what a stream must stand, put among good records on purpose, with a note of every piece of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from simulator import conflicts, malformed, untidy
from simulator.errors import ParameterError
from simulator.randomness import generator
from simulator.records import TRANSACTIONS, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_REPEATED_WITHIN: Final = 3_000
"""A duplicate comes at most this many payments after its original."""
_CONFLICTS_AFTER: Final = 0.2
"""A conflicting duplicate comes a fifth of the run after its original, so that the order is beyond doubt even where the
two are in different partitions."""
_CONFLICTS_FROM: Final = 0.6
"""Originals of conflicts are in this part of the run, from its beginning."""


@dataclass(frozen=True, slots=True)
class Dirt:
    """How much of which dirt; shares are of payments, counts are exact."""

    duplicates: float = 0.0
    """Share that is delivered twice, byte for byte."""
    status_updates: float = 0.0
    """Share that is delivered again with a later status, which makes it a duplicate too."""
    late: float = 0.0
    """Share that is delivered out of order."""
    late_minutes: float = 5.0
    """How late at most, in event time."""
    untidy: float = 0.0
    """Share that is written unusually, see `untidy`; it is to be accepted."""
    malformed: int = 0
    """Number of malformed records, all kinds in turn."""
    conflicts: int = 0
    """Number of ids that come again with another amount, payer, day or payee."""

    def __post_init__(self) -> None:
        for name in ("duplicates", "status_updates", "late", "untidy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        for name in ("late_minutes", "malformed", "conflicts"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name}: expected 0 or more, got {getattr(self, name)}")

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return any((self.duplicates, self.status_updates, self.late, self.untidy, self.malformed, self.conflicts))


class Note(msgspec.Struct, frozen=True):
    """What was done to one record; a manifest is a file of these, a line each, in the order of delivery."""

    position: int
    """Which record of the transactions topic it is, from 0."""
    kind: str
    reason: str
    """The reason its dead letter must give; '' for what is to be accepted, or ignored as a duplicate."""
    transaction_id: str
    """The id in it; for malformed records the one it was given."""
    sha256: str
    """Of the value; '' for a null value."""


@dataclass(slots=True)
class _Piece:
    due: int
    topic: int
    key: bytes | None
    value: bytes | None
    kind: str = ""
    reason: str = ""
    transaction_id: str = ""


class Soiler:
    """Puts dirt among the records of one run; the same key, dirt and records give the same."""

    def __init__(  # a run's measures and where its notes go
        self, dirt: Dirt, key: int, payments: int, span_ms: int, note: Callable[[Note], None] = lambda _note: None
    ) -> None:
        if max(dirt.malformed, dirt.conflicts / _CONFLICTS_FROM) > payments:
            raise ParameterError(
                f"malformed, conflicts: expected fewer than the {payments} payments (conflicts: than 60 % of them), "
                f"got {dirt.malformed} and {dirt.conflicts}"
            )
        self._dirt = dirt
        self._key = key
        self._span_ms = span_ms
        self._gap_ms = span_ms / max(payments, 1)
        self._note = note
        rng = generator(key, 81)
        early = int(payments * _CONFLICTS_FROM)
        self._malformed_at = set(rng.choice(payments, dirt.malformed, replace=False).tolist())
        self._conflicts_at = set(rng.choice(early, dirt.conflicts, replace=False).tolist()) if dirt.conflicts else set()
        self._counts = dict.fromkeys(("malformed", "conflict", "untidy"), 0)
        self._seen = 0
        self._other = b""
        self._delivered = 0

    def soil(self, records: Iterable[Records]) -> Iterator[Records]:
        """Yield the records with the dirt among them, in the order of delivery."""
        waiting: list[_Piece] = []
        for number, run in enumerate(records):
            waiting += self._pieces(run, number)
            waiting.sort(key=lambda piece: piece.due)  # stable: of equal times in the order in which they were made
            frontier = int(run.due[-1])
            ready = sum(1 for piece in waiting if piece.due <= frontier)
            yield self._emit(waiting[:ready])
            waiting = waiting[ready:]
        if waiting:
            yield self._emit(waiting)

    def _pieces(self, run: Records, number: int) -> list[_Piece]:
        """Return the records of a run and all that is made of them, with the times at which they are due."""
        dirt = self._dirt
        luck = generator(self._key, 82, number).random((len(run), 5)).tolist()
        pieces = []
        for topic, due, key, value, (late, repeat, update, mess, gap) in zip(
            run.topic.tolist(), run.due.tolist(), run.keys, run.values, luck, strict=True
        ):
            if topic != TRANSACTIONS or value is None or key is None:
                pieces.append(_Piece(due, topic, key, value))
                continue
            if self._seen in self._malformed_at:
                pieces.append(self._malformed(due, key, value))
            if self._seen in self._conflicts_at:
                pieces.append(self._conflict(due, value, self._other or value))
            piece = _Piece(due, topic, key, value)
            pieces.append(piece)
            again = 1 + int(gap * _REPEATED_WITHIN * self._gap_ms)
            if mess < dirt.untidy:
                piece.kind, piece.key, piece.value = self._untidy(key, value)
            elif late < dirt.late:
                piece.kind = "late"
                piece.due += 1 + int(late / dirt.late * dirt.late_minutes * 60_000)
            if piece.kind:
                piece.transaction_id = _id_of(value)
            if repeat < dirt.duplicates:
                copy = _Piece(piece.due + again, topic, piece.key, piece.value, "duplicate", "", _id_of(value))
                pieces.append(copy)
            if update < dirt.status_updates:
                pieces.append(
                    _Piece(piece.due + again, topic, key, _reversed(value), "status-update", "", _id_of(value))
                )
            self._other = value
            self._seen += 1
        return pieces

    def _malformed(self, due: int, key: bytes, value: bytes) -> _Piece:
        kind = malformed.KINDS[self._turn("malformed") % len(malformed.KINDS)]
        token = f"BAD{self._key % 10**8:08d}X{self._counts['malformed']:06d}"
        made = malformed.make_malformed(kind, value, token)
        return _Piece(due, TRANSACTIONS, key, made, kind.name, kind.reason, token)

    def _conflict(self, due: int, value: bytes, other: bytes) -> _Piece:
        kind = conflicts.KINDS[self._turn("conflict") % len(conflicts.KINDS)]
        key, made = conflicts.make_conflict(kind, value, other)
        later = due + int(self._span_ms * _CONFLICTS_AFTER) + int(self._dirt.late_minutes * 60_000)
        return _Piece(later, TRANSACTIONS, key, made, kind.name, "conflicting-duplicate", _id_of(value))

    def _untidy(self, key: bytes, value: bytes) -> tuple[str, bytes | None, bytes]:
        kind = untidy.KINDS[self._turn("untidy") % len(untidy.KINDS)]
        return kind.name, *untidy.make_untidy(kind, key, value)

    def _turn(self, what: str) -> int:
        self._counts[what] += 1
        return self._counts[what] - 1

    def _emit(self, pieces: list[_Piece]) -> Records:
        for piece in pieces:
            if piece.kind:
                digest = "" if piece.value is None else hashlib.sha256(piece.value).hexdigest()
                self._note(Note(self._delivered, piece.kind, piece.reason, piece.transaction_id, digest))
            self._delivered += piece.topic == TRANSACTIONS
        return Records(
            np.array([piece.topic for piece in pieces], dtype=np.uint8),
            np.array([piece.due for piece in pieces], dtype=np.int64),
            [piece.key for piece in pieces],
            [piece.value for piece in pieces],
        )


def _id_of(value: bytes) -> str:
    """Return the transaction id, which this switch writes first."""
    return value[len(b'{"transaction_id":"') :].split(b'"', 1)[0].decode()


def _reversed(value: bytes) -> bytes:
    """Return the payment as it is reported once its money has gone back."""
    for status in (b"INITIATED", b"SUCCESS", b"DECLINED"):
        value = value.replace(b'"status":"' + status, b'"status":"REVERSED', 1)
    return value
