"""What goes to the online store in one call and what comes back, between payments and bytes."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from features.compiled import njit, row_dtype
from features.entities import INBOUND, KINDS, OUTBOUND, POSITIONS, REPORTED
from features.measure.logs import NONE
from features.record import RECORD_WORDS, put_others_record, put_record
from features.store.layout import ENTRY_BYTES, READ_BYTES, UNKNOWN_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from features.store.contract import Applied

ENTRY: Final = row_dtype(
    [
        ("identity", "<u8", (len(KINDS),)),
        ("sent", "<u8", (RECORD_WORDS,)),
        ("got", "<u8", (RECORD_WORDS,)),
        ("origin", "<u2"),
        ("offset", "<u8"),
    ],
    packed=True,
)
"""What the store gets of a payment: identities, the record in the payer's log and in the others, where it came from."""

READ: Final = row_dtype([("kind", "u1"), ("identity", "<u8"), ("known", "<u4"), ("expected", "<u4")], packed=True)
"""What the store is asked of a log: what follows the last known record, unless it is as long as expected."""

if (ENTRY.itemsize, READ.itemsize) != (ENTRY_BYTES, READ_BYTES):
    raise AssertionError("The rows of a request are not as the layout says.")

READING: Final = row_dtype(
    [
        ("identity", "u8"),
        ("kind", "u1"),
        ("in_reply", "?"),  # whether the reply has it; else it is as expected
        ("left", "u1"),  # of replicas only: what is left to do
        ("known", "i8"),
        ("expected", "i8"),
        ("total", "i8"),  # its length in bytes; -1 for an outcome log that could not be read
        ("start", "i8"),  # where in the reply what the reply has of it begins and ends, in bytes
        ("end", "i8"),
        ("header", "i8"),  # bytes of a folded log's header
        ("folded", "i8"),  # how many records were folded away
        ("slot", "i8"),  # of replicas only: where the log is; NONE where there is none
    ]
)
"""One log that a micro-batch needs: what is asked of it, what the reply has, and what becomes of it."""

NAME: Final = row_dtype([("kind", "u1"), ("identity", "<u8")], packed=True)
"""A log that is named."""

LETTERS: Final = np.frombuffer(
    b"".join((*(kind.letter for kind in KINDS), *(KINDS[at].reports for at in REPORTED))), dtype=np.uint8
)
_WHOSE: Final = np.array((*range(len(KINDS)), *REPORTED), dtype=np.int64)
"""Of the kinds of log in the order of the reads: which of a payment's identities they are of."""
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXED_BITS: Final = np.uint64(50)  # the best mixed ones; 14 are as many as the largest micro-batch needs


class Claims(Struct, frozen=True, eq=False):
    """Where the payments of a micro-batch came from: columns of one length."""

    origin: NDArray[np.uint16]
    """Index into the micro-batch's origins."""
    offset: NDArray[np.int64]


class Request(Struct, frozen=True, eq=False):
    """Which logs a micro-batch needs: each once, however many payments need it."""

    reads: NDArray[np.record]
    """READING[r]: entity logs, then outcome logs; at first nothing is known, and nothing is expected."""
    logs: int
    """How many entity logs there are."""
    log_of: NDArray[np.int64]
    """[n, positions and outcome logs]: for each payment, which read its log of each kind is, its payer's inbound log,
    its payee's outbound log, and the outcome logs of the kinds that have them; NONE where it has none."""
    order: NDArray[np.int64]
    """[r]: which read is which of those that were packed last."""
    newest: int = 0
    """The latest event time of the payments, epoch milliseconds; 0 where there are none."""

    @classmethod
    def of_columns(cls, columns: PaymentColumns) -> Request:
        """Find the distinct entities of a micro-batch."""
        log_of = np.empty((len(columns), POSITIONS + len(REPORTED)), dtype=np.int64)
        reads, order = np.zeros(log_of.size, dtype=READING), np.empty(log_of.size, dtype=np.int64)
        logs, count, newest = _find_logs(columns.rows, reads, log_of, order)
        return cls(reads[:count], logs, log_of, order[:count], newest)

    def packed(self) -> tuple[bytes, bytes]:
        """Return the reads as the store takes them, and the names of the logs that are not there as far as is known.

        Nothing is known of these, and nothing is appended to them: most payees never pay.
        """
        packed, names = np.empty(len(self.reads), dtype=READ), np.empty(self.logs, dtype=NAME)
        asked = _pack(self.reads, self.logs, packed, names, self.order)
        return packed[:asked].tobytes(), names[: len(self.reads) - asked].tobytes()


def name_of(read: np.record) -> bytes:
    """Return the kind and identity of a row of READING."""
    return bytes((read["kind"],)) + int(read["identity"]).to_bytes(8, "little")


def names_of(reads: NDArray[np.record]) -> bytes:
    """Return the kinds and identities of READING[n], one behind the other."""
    names = np.empty(len(reads), dtype=NAME)
    names["kind"], names["identity"] = reads["kind"], reads["identity"]
    return names.tobytes()


class Reply(Struct, frozen=True, eq=False):
    """What the store replied to a request; what it says of the logs stands in the request's reads."""

    lengths: NDArray[np.int64]
    """[n, positions]: bytes of each of the payment's logs just behind it; records of the inbound and outbound ones."""
    raw: bytes

    @classmethod
    def of(cls, applied: Applied, request: Request, payments: int) -> Reply:
        """Lay a reply out."""
        told = np.array((applied.replied, applied.totals, [*map(len, applied.logs)]), dtype=np.int64)
        _take_reply(request.reads, request.logs, request.order, told)
        lengths = np.frombuffer(applied.positions, dtype="<u4").reshape(payments, POSITIONS).astype(np.int64)
        return cls(lengths, b"".join(applied.logs))


@njit()
def _take_reply(  # type: ignore[no-untyped-def]
    reads, logs, order, told
):  # fmt: skip
    """Fill in what the reply has of the reads. told [3, m]: which it tells of, their lengths, and bytes of each."""
    for k in range(logs):
        reads[k].total = reads[k].expected
    end = np.int64(0)
    for at in range(told.shape[1]):
        read = reads[order[told[0, at]]]
        read.in_reply, read.total = True, told[1, at]
        read.start, read.end = end, end + told[2, at]
        end += told[2, at]


@njit()
def _find_logs(  # type: ignore[no-untyped-def]
    payments, reads, log_of, order
):  # fmt: skip
    """Fill in the reads, their order, and what each payment needs of them.

    Returns how many reads are of entity logs, how many there are, and the latest event time.
    """
    n, size = len(payments), 16
    while size < 4 * n:
        size *= 2
    cells = np.empty(size, dtype=np.int64)
    count = logs = written = 0
    for part in range(len(LETTERS)):
        if part == INBOUND:
            logs = count
        cells[:] = NONE
        for row in range(n):
            identity = payments[row].identity[_WHOSE[part]]
            column = part if part < INBOUND else part - INBOUND + POSITIONS
            if identity == 0:
                log_of[row, column] = NONE
            else:
                log_of[row, column], count = _find(cells, reads, count, identity)
        if part <= 1:  # among the payers' logs the payee's own, and the other way round
            other = OUTBOUND if part == 0 else INBOUND
            for row in range(n):
                log_of[row, other], count = _find(cells, reads, count, payments[row].identity[1 - part])
        for read in range(written, count):
            reads[read].kind, order[read] = LETTERS[part], read
            reads[read].expected = UNKNOWN_LENGTH if part < INBOUND else 0
        written = count
    newest = np.int64(0)
    for row in range(n):
        newest = max(newest, payments[row].event_time)
    return logs, count, newest


@njit(inner=True)
def _find(cells: NDArray[np.int64], reads: NDArray[np.record], count: int, identity: np.uint64) -> tuple[int, int]:
    """Return where an identity stands among those of its kind, put there if it is new, and how many there are then."""
    mask = np.uint64(len(cells) - 1)
    cell = ((identity * _MIXED) >> _MIXED_BITS) & mask
    while cells[cell] != NONE:
        if reads[cells[cell]].identity == identity:
            return cells[cell], count
        cell = (cell + np.uint64(1)) & mask
    cells[cell] = count
    reads[count].identity = identity
    return count, count + 1


@njit()
def _pack(  # type: ignore[no-untyped-def]
    reads, logs, packed, names, order
):  # fmt: skip
    """Pack reads, and the names of the logs that are taken to be not there; return how many reads there are."""
    asked = absent = 0
    for k in range(len(reads)):
        read = reads[k]
        if k < logs and read.known == 0 and read.expected == 0:
            names[absent].kind, names[absent].identity = read.kind, read.identity
            absent += 1
            order[len(order) - absent] = k
        else:
            one = packed[asked]
            one.kind, one.identity, one.known, one.expected = read.kind, read.identity, read.known, read.expected
            order[asked] = k
            asked += 1
    order[asked:] = order[asked:][::-1].copy()
    return asked


def entries_of(columns: PaymentColumns, claims: Claims) -> bytes:
    """Pack payments and where they came from, as the store takes them."""
    entries = np.empty(len(columns), dtype=ENTRY)
    _put_entries(columns.rows, claims.origin, claims.offset, entries)
    return entries.tobytes()


@njit()
def _put_entries(  # type: ignore[no-untyped-def]
    payments, origin, offset, entries
):  # fmt: skip
    for row in range(len(payments)):
        payment, entry = payments[row], entries[row]
        entry.origin, entry.offset = origin[row], offset[row]
        for kind in range(INBOUND):
            entry.identity[kind] = payment.identity[kind]
        put_record(entry.sent, payment, payment.identity[1], payment.kind)
        put_others_record(entry.got, payment, payment.identity[0], 0)
