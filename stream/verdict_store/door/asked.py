"""What is asked at the door and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from stream.facts import FACTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.verdict_store.records import VerdictRecord

SEARCH_SECONDS: Final = 2.0
"""A search answers within this time, with what it has found until then."""
MOST_FOUND: Final = 100
"""Verdicts of one answer."""

Kind = Literal["rrn", "payer_vpa", "payee_vpa", "device", "payer_account", "payee_account"]

_SHORT: Final = {fact.name: fact.short for fact in FACTS}
PAYER_ACCOUNT: Final = _SHORT["payer_account"]
PAYEE_ACCOUNT: Final = _SHORT["payee_account"]
"""Short keys of facts whose values begin with the account's hash, 16 hex digits."""


class Wanted(NamedTuple):
    """What payments are searched by."""

    kind: Kind
    value: int | bytes
    """An RRN; a VPA in lower case, UTF-8; a keyed hash of a device or an account (`Identities.hash`)."""


class ClaimOf(NamedTuple):
    """Which record an id belongs to."""

    fingerprint: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Newest:
    """The verdict of the latest payment under an id."""

    record: VerdictRecord
    earlier: tuple[int, ...]
    """Event times of the other payments under this id, latest first; epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a search goes on: behind this payment."""

    event_time: int
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Period:
    """Which payments are searched: since <= event_time < until, epoch milliseconds; of one verdict, or all."""

    since: int
    until: int
    verdict: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, latest first."""

    records: Sequence[VerdictRecord]
    cursor: Cursor | None
    """None where there is no more."""
    partial: bool
    """Whether time ran out: of the days without an index there may be more."""
