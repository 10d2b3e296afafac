"""The online store's contract: what the Redis store and the in-memory store both keep to.

Everything is one atomic step: a micro-batch is appended and the source offsets move together, so that "below the next
offset" means applied, whatever dies in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Origin(NamedTuple):
    """A source partition's part in a micro-batch."""

    partition: bytes
    """Topic and partition as one name, `transactions:3`."""
    first_offset: int
    next_offset: int
    """The offset behind the last record of the micro-batch, rejected records included."""
    expected: int = 0
    """What the caller knows to be applied; a store that stands before it was rolled back, and says so."""


class ApplyRequest(Struct, frozen=True):
    """One micro-batch for `EntityStore.apply`, packed as docs/specs/online_store.md says."""

    entries: bytes
    """One entry a payment: the identities of all kinds, the payer's record, that of the others, origin, offset. The
    others' says that the payee paid nothing out; the store puts the number there if that is not so."""
    reads: bytes
    """17 bytes a log to read: kind, identity, number of records known (0: read it whole), and the byte length that it
    has if nobody else appended to it (UNKNOWN_LENGTH: tell of it in any case). The last two count for entity logs."""
    absent: bytes
    """9 bytes an entity log that is not there as far as the worker knows, and that none of the payments is appended to:
    kind, identity. One that is there is read whole."""
    refresh: bytes
    """9 bytes a log whose expiry is to be pushed out: kind, identity."""
    origins: Sequence[Origin]


class Applied(Struct, frozen=True):
    """The reply to one micro-batch of n payments."""

    positions: bytes
    """5n numbers of 32 bits: byte lengths of the payer's, the payee's and the device's log just after the payment (0:
    not there, not kept any more, or no device), and how many records the payer's own inbound log and the payee's own
    outbound log had at that moment. The last may be NOT_KNOWN, of a payment that came before it was kept."""
    replied: Sequence[int]
    """Which of the reads the reply has; absent ones count on behind them. Other entity logs are as long as was
    expected, and have no header, so the worker knows what is in them. Other outcome logs are empty."""
    totals: Sequence[int]
    """Byte lengths of the logs in the reply; -1 where an outcome log could not be read."""
    logs: Sequence[bytes | bytearray]
    """Those logs: whole, or from the last known record on, preceded by 16 header bytes where it was folded."""


@dataclass(frozen=True, slots=True)
class PeekRequest:
    """What `EntityReader.peek` is asked."""

    reads: bytes
    """As in `ApplyRequest`; nothing is appended, so the expected length is that of the records known."""
    absent: bytes
    """As there."""
    records: bytes
    """13 bytes a single record to read: kind, identity, position."""
    most: int
    """Bytes of entity logs that the reply may have. Of a log that does not fit the reply has only the length."""


@dataclass(frozen=True, slots=True)
class Peeked:
    """The reply to one look."""

    reply: Applied
    """Of a log that did not fit it has only the length, more than 0."""
    records: bytes
    """The single records, 32 bytes each; zeros for one that is not there, or was folded away."""
    offsets: Mapping[bytes, int]
    """`topic:partition` to the next offset that is not applied."""


class EntityReader(Protocol):
    """The same store for those who only look."""

    def peek(self, request: PeekRequest) -> Peeked:
        """Read logs, and single records, in one atomic step that changes nothing."""
        ...

    def fetch_in_parts(self, name: bytes) -> bytes:
        """Return a log whole, by kind and identity, read in parts so that a long one holds nobody up.

        Records that come meanwhile may be left out. Raises `StoreUnavailableError` if it is folded again and again.
        """
        ...

    def expect_identity(self, fingerprint: bytes) -> None:
        """Raise `IdentityKeyMismatchError` if the logs are of another key; nothing is remembered."""
        ...


class EntityStore(Protocol):
    """Append-only logs of 32-byte records, outcome reports, and the offsets they were applied up to."""

    def apply(self, request: ApplyRequest) -> Applied:
        """Append and read in one atomic step; payments below their partition's next offset are only located.

        Those are never appended, whether they are found or not: their offset says that they were dealt with.

        Raises `StoreRolledBackError`, and changes nothing, if the store stands before what an origin expects.
        """
        ...

    def fetch(self, names: Sequence[bytes]) -> list[bytes]:
        """Return logs whole, by kind and identity (9 bytes each); empty where there is none."""
        ...

    def fold(self, name: bytes, base: int, header: bytes, keep: int) -> bool:
        """Replace the records before position `keep` by a header; False if the log was folded since `base`."""
        ...

    def report(self, reports: Sequence[tuple[bytes, bytes]], origins: Sequence[Origin] = ()) -> int:
        """Set outcome reports (kind and identity, 16 bytes) by content; return how many were new.

        The source offsets move in the same step. Raises `StoreRolledBackError` as `apply` does.
        """
        ...

    def next_offsets(self, partitions: Sequence[bytes]) -> list[int | None]:
        """Return the next offset of each partition; None where nothing of it was ever applied."""
        ...

    def topic_id(self, topic: bytes) -> bytes | None:
        """Return the id of the topic that the offsets are of; None where it was not kept."""
        ...

    def keep_topic_id(self, topic: bytes, topic_id: bytes) -> None:
        """Keep the id of the topic that the offsets are of, where none is kept."""
        ...

    def begin_topic(self, topic: bytes, topic_id: bytes | None, offsets: Mapping[bytes, int]) -> None:
        """Take a topic for another than before: all offsets of its partitions give way to these, and its id to this.

        Logs stay as they are: the payments of the earlier topic were made.
        """
        ...

    def load(self, logs: Iterable[tuple[bytes, bytes]], offsets: Mapping[bytes, int]) -> None:
        """Put whole logs (kind and identity, bytes), then the offsets they stand for: a rebuild."""
        ...

    def check_identity(self, fingerprint: bytes) -> None:
        """Remember the identity key's fingerprint; raise `IdentityKeyMismatchError` if the logs are of another key."""
        ...
