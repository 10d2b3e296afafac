"""The plain commands of a micro-batch, as they are sent: one kernel lays out which logs it touches, and writes them."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.compiled import njit, row_dtype
from features.entities import INBOUND, KINDS, OUTBOUND, PAYEE, PAYER, POSITIONS
from features.measure.logs import NONE
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.record import PAID_OUT_AT, RECEIVED_AT, RECORD_BYTES
from features.store.layout import ENTRY_BYTES, GOT, PREFIX_BYTES, REPORT_LETTERS, SENT, TAG, UNKNOWN_LENGTH
from features.windows import EXPIRY, FOLD_RECORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOG: Final = row_dtype(
    [
        ("identity", "u8"),
        ("kind", "u1"),
        ("whole", "?"),  # whether it is read whole
        ("counted", "?"),  # whether a payment's record says how many records it had
        ("read", "i8"),  # which read asks for it, absent ones behind the others; NONE where none does
        ("known", "i8"),  # records, as the read says
        ("expected", "i8"),  # bytes, as the read says
        ("guess", "i8"),  # records that it is taken to have before the micro-batch
        ("appended", "i8"),  # records of the micro-batch
        ("at", "i8"),  # where in the request its records lie
        ("before", "i8"),  # records that it had before
        ("total", "i8"),  # bytes just behind the micro-batch
        ("header", "i8"),  # bytes of its header then; 0: it has none
        ("folded", "i8"),  # records folded away then
        ("head", "i8"),  # which of the first bytes that were asked for are its own; NONE for none
    ]
)
"""A log that a micro-batch touches."""

REPORTS_TOGETHER: Final = 32
"""Outcome logs that are one question."""

STRLENS, APPENDS, HEADS, TAILS, WHOLES, ABSENT, REPORTED, REPORTS, EXPIRIES, BYTES = range(10)
"""Of the counts of a plan: commands of each kind, in their order; of `WHOLES`, `ABSENT`, `REPORTED` and `REPORTS` the
logs that they are about. Of those read whole, the absent ones are not appended to. Outcome logs that had reports are
read at once (`REPORTED`); of the others it is asked whether they are there. The last one: bytes of all."""

_REMEMBERED: Final = 1 << 20
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_TOP: Final = np.uint64(44)  # 64 less the bits of _REMEMBERED
_REPORTED: Final = 1 << 18
_REPORTED_TOP: Final = np.uint64(46)  # 64 less the bits of _REPORTED
_LENGTH: Final = np.uint64((1 << 24) - 1)
_STEPS: Final = (
    (OUTBOUND, PAYER.letter[0], 1),
    *((at, KINDS[at].letter[0], at) for at in range(1, INBOUND)),
    (INBOUND, PAYEE.letter[0], 0),
    (0, PAYER.letter[0], 0),
)
"""A payment's logs as the server function comes to them: position, kind, whose. So what was paid out is counted before
it, and what was received is counted with it."""
_PARTS: Final = np.array([part for part, _, _ in _STEPS])
_LETTERS: Final = np.array([letter for _, letter, _ in _STEPS], dtype=np.uint8)
_WHOSE: Final = np.array([whose for _, _, whose in _STEPS])
_REPORTS: Final = np.frombuffer(b"".join(REPORT_LETTERS), dtype=np.uint8)
_TAG: Final = np.frombuffer(TAG.encode() + b":", dtype=np.uint8)
_KEY_BYTES: Final = 1 + len(_TAG) + 8


def _text(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.replace(" ", "\r\n").encode(), dtype=np.uint8)


_STRLEN: Final = _text(f"*2 $6 STRLEN ${_KEY_BYTES} ")
_APPEND: Final = _text(f"*3 $6 APPEND ${_KEY_BYTES} ")
_GETRANGE: Final = _text(f"*4 $8 GETRANGE ${_KEY_BYTES} ")
_PEXPIRE: Final = _text(f"*3 $7 PEXPIRE ${_KEY_BYTES} ")
_HEAD: Final = _text(f"$1 0 ${len(str(PREFIX_BYTES - 1))} {PREFIX_BYTES - 1} ")
_TO_END: Final = _text("$2 -1 ")
_EXPIRY: Final = _text(f"${len(str(EXPIRY))} {EXPIRY} ")
_MGET: Final = _text("$4 MGET ")
_EXISTS: Final = _text("$6 EXISTS ")
_ARRAY, _SIZE, _MINUS = b"*$-"
_KEY: Final = _text(f"${_KEY_BYTES} ")
_END: Final = _text(" ")
REPORT_TAIL: Final = MAX_REPORTS * REPORT_BYTES
"""Bytes of an outcome log that are read, from its end."""
_REPORTS_TO_END: Final = _text(f"${1 + len(str(REPORT_TAIL))} -{REPORT_TAIL} $2 -1 ")
LOG_BYTES: Final = 320
"""Of all commands for one log, but for its records."""


class Room(NamedTuple):
    """Arrays that plans are made in, one after the other; and what is remembered of the lengths of logs.

    What is remembered may be wrong: then a number is put right that need not have been.
    """

    logs: NDArray[np.record]
    cells: NDArray[np.int32]
    out: NDArray[np.uint8]
    lengths: NDArray[np.uint64]
    """What is remembered: 40 bits of a log's name, and how many records it had."""
    reported: NDArray[np.uint64]
    """Names of outcome logs that had reports; in place of one there may be another."""

    @classmethod
    def make(cls, logs: int, size: int, before: Room | None = None) -> Room:
        """Make room for so many logs and bytes, or for twice as many; what is remembered stays."""
        logs, size = 1 << max(10, logs.bit_length()), 1 << max(16, size.bit_length())
        return cls(
            np.empty(logs, dtype=LOG),
            np.zeros(2 * logs, dtype=np.int32),
            np.empty(size, dtype=np.uint8),
            np.zeros(_REMEMBERED, dtype=np.uint64) if before is None else before.lengths,
            np.zeros(_REPORTED, dtype=np.uint64) if before is None else before.reported,
        )

    def have_reports(self, reads: NDArray[np.record]) -> None:
        """Remember outcome logs that have reports."""
        names = (reads["identity"] + reads["kind"].astype(np.uint64)) * _MIXED
        self.reported[names >> _REPORTED_TOP] = names


@njit()
def write(  # type: ignore[no-untyped-def]
    entries, raw, reads, absent, expiries, logs, cells, out, lengths, reported, read_new, which, rank, reports, counts
):  # fmt: skip
    """Fill in the logs, what payments find in them, the counts, and the commands; return how many logs there are.

    entries, reads, absent: of ENTRY, READ, NAME; raw: the bytes of the entries. expiries: NAME of logs whose expiry is
    pushed out. logs, cells, out, lengths, reported: of `Room`. read_new: whether to read logs that may be new. which,
    rank, reports: as `Plan` has them. Returns NONE where a log is asked for twice.
    """
    size = 64
    while size < 2 * (len(reads) + len(absent) + POSITIONS * len(entries)):
        size *= 2
    cells = cells[:size]
    cells[:] = 0
    count = _asked(reads, absent, cells, logs, reported, counts)
    if count == NONE:
        return NONE
    count = _touched(entries, cells, logs, count, which, rank)
    logs = logs[:count]
    _choose(logs, read_new)
    _guess(lengths, logs)
    at = _put_appends(out, logs, counts)
    _put_records(raw, logs, which, rank, out)
    at = _put_reads(out, at, logs, counts)
    at = _put_questions(out, at, logs, counts)
    at = _put_reports(out, at, reads, reported, reports, counts)
    for j in range(len(expiries)):
        at = _put(out, _key(out, _put(out, at, _PEXPIRE), expiries[j].kind, expiries[j].identity), _EXPIRY)
    counts[EXPIRIES], counts[BYTES] = len(expiries), at
    return count


@njit(inner=True)
def _asked(reads, absent, cells, logs, reported, counts):  # type: ignore[no-untyped-def]
    """Put the entity logs that are asked for there; return how many there are, NONE if one is asked for twice."""
    count = np.int64(0)
    for j in range(len(reads) + len(absent)):
        if j < len(reads):
            kind, identity, known, expected = reads[j].kind, reads[j].identity, reads[j].known, reads[j].expected
        else:
            kind, identity = absent[j - len(reads)].kind, absent[j - len(reads)].identity
            known = expected = np.uint32(0)
        if _of_reports(kind):
            counts[REPORTED if _had_reports(reported, kind, identity) else REPORTS] += 1
            continue
        k, count = _find(cells, logs, count, kind, identity)
        if logs[k].read != NONE:
            return np.int64(NONE)
        logs[k].read, logs[k].known, logs[k].expected, logs[k].guess = j, known, expected, known
    return count


@njit(inner=True)
def _touched(entries, cells, logs, count, which, rank):  # type: ignore[no-untyped-def]
    """Put the logs of the payments there, too, and say what the payments find in them; return how many there are."""
    for row in range(len(entries)):
        for step in range(POSITIONS):
            part, identity = _PARTS[step], entries[row].identity[_WHOSE[step]]
            if identity == 0:
                which[row, part], rank[row, part] = NONE, 0
                continue
            k, count = _find(cells, logs, count, _LETTERS[step], identity)
            which[row, part], rank[row, part] = k, logs[k].appended
            if part < INBOUND:
                logs[k].appended += 1
            else:
                logs[k].counted = True
    return count


@njit(inner=True)
def _find(cells, logs, count, kind, identity):  # type: ignore[no-untyped-def]
    """Return where a log stands, put there if it is new, and how many there are then."""
    mask = np.uint64(len(cells) - 1)
    cell = (((identity + np.uint64(kind)) * _MIXED) >> _HALF) & mask
    while cells[cell] != 0:
        k = np.int64(cells[cell]) - 1
        if logs[k].identity == identity and logs[k].kind == kind:
            return k, count
        cell = (cell + np.uint64(1)) & mask
    cells[cell] = count + 1
    log = logs[count]
    log.identity, log.kind, log.whole, log.counted, log.read = identity, kind, False, False, NONE
    log.known = log.guess = log.appended = log.total = log.header = log.folded = 0
    log.expected, log.head = UNKNOWN_LENGTH, NONE
    return count, count + 1


@njit(inner=True)
def _of_reports(kind):  # type: ignore[no-untyped-def]
    found = False
    for at in range(len(_REPORTS)):
        found = found or kind == _REPORTS[at]
    return found


@njit(inner=True)
def _had_reports(reported, kind, identity):  # type: ignore[no-untyped-def]
    name = (identity + np.uint64(kind)) * _MIXED
    return reported[name >> _REPORTED_TOP] == name


@njit(inline="always")
def remembered(log):  # type: ignore[no-untyped-def]
    """Return where the length of a log is remembered, and the bits beside it that say so."""
    name = (log.identity + np.uint64(log.kind)) * _MIXED
    return name >> _TOP, name & ~_LENGTH


@njit(inline="always")
def remember(lengths, log, records):  # type: ignore[no-untyped-def]
    """Remember how many records a log had."""
    cell, name = remembered(log)
    lengths[cell] = name | min(np.uint64(records), _LENGTH)


@njit(inner=True)
def _guess(lengths, logs):  # type: ignore[no-untyped-def]
    """Take logs of which nothing is known to be as long as they were when they were touched last."""
    for k in range(len(logs)):
        log = logs[k]
        if log.counted and log.known == 0:
            cell, name = remembered(log)
            if lengths[cell] & ~_LENGTH == name:
                log.guess = lengths[cell] & _LENGTH


@njit(inner=True)
def _put_appends(out, logs, counts):  # type: ignore[no-untyped-def]
    """Ask how long logs are that are known and not appended to; append to others, leaving room for the records."""
    at = np.int64(0)
    for k in range(len(logs)):
        log = logs[k]
        if log.appended == 0 and not log.whole:
            at = _key(out, _put(out, at, _STRLEN), log.kind, log.identity)
            counts[STRLENS] += 1
    for k in range(len(logs)):
        log = logs[k]
        if log.appended > 0:
            at = _key(out, _put(out, at, _APPEND), log.kind, log.identity)
            out[at] = _SIZE
            log.at = _number(out, at + 1, log.appended * RECORD_BYTES)
            at = _put(out, log.at + log.appended * RECORD_BYTES, _END)
            counts[APPENDS] += 1
    return at


@njit(inner=True)
def _put_records(raw, logs, which, rank, out):  # type: ignore[no-untyped-def]
    """Write the records, with the numbers as they are taken to be."""
    for row in range(len(which)):
        for part in range(INBOUND):
            k = which[row, part]
            if k == NONE:
                continue
            of, field, first = (INBOUND, RECEIVED_AT, SENT) if part == 0 else (OUTBOUND, PAID_OUT_AT, GOT)
            at, start = logs[k].at + rank[row, part] * RECORD_BYTES, row * ENTRY_BYTES + first
            for byte in range(RECORD_BYTES):
                out[at + byte] = raw[start + byte]
            number = logs[which[row, of]].guess + rank[row, of]
            for byte in range(4):
                out[at + field + byte] = (number >> (8 * byte)) & 255


@njit(inner=True)
def _choose(logs, read_new):  # type: ignore[no-untyped-def]
    """Choose the logs that are read whole: nothing is known of them. One that is appended to may be new, though."""
    for k in range(len(logs)):
        log = logs[k]
        log.whole = log.read != NONE and log.known == 0 and (read_new or not may_be_new(log))


@njit(inline="always")
def may_be_new(log):  # type: ignore[no-untyped-def]
    """Tell whether the worker takes a log that is appended to for one that it begins."""
    return log.appended > 0 and log.known == 0 and log.expected == log.appended * RECORD_BYTES


@njit(inline="always")
def is_folded(log):  # type: ignore[no-untyped-def]
    """Tell whether a log was folded when the worker saw it last; its last records are read."""
    return log.known > 0 and log.expected == UNKNOWN_LENGTH


@njit(inline="always")
def asks_for_head(log):  # type: ignore[no-untyped-def]
    """Tell whether a log may have a header, whose first bytes are read: nobody folds shorter ones."""
    return log.known >= FOLD_RECORDS or is_folded(log)


@njit(inner=True)
def _put_reads(out, at, logs, counts):  # type: ignore[no-untyped-def]
    """Read what is needed of logs: the first bytes of those that may have a header, the last of folded ones, wholes."""
    for k in range(len(logs)):
        log = logs[k]
        if asks_for_head(log):
            at = _put(out, _key(out, _put(out, at, _GETRANGE), log.kind, log.identity), _HEAD)
            counts[HEADS] += 1
    for k in range(len(logs)):
        log = logs[k]
        if is_folded(log):
            at = _key(out, _put(out, at, _GETRANGE), log.kind, log.identity)
            back = (log.appended + 1) * RECORD_BYTES
            out[at] = _SIZE
            at = _number(out, at + 1, _digits(back) + 1)
            out[at] = _MINUS
            at = _put(out, _number(out, at + 1, back), _TO_END)
            counts[TAILS] += 1
        elif log.whole:
            counts[WHOLES] += 1
            counts[ABSENT] += log.appended == 0
    if counts[WHOLES] > 0:
        at = _begin(out, at, counts[WHOLES], _MGET)
        for k in range(len(logs)):
            if logs[k].whole:
                at = _key(out, _put(out, at, _KEY), logs[k].kind, logs[k].identity)
    return at


@njit(inner=True)
def _put_questions(out, at, logs, counts):  # type: ignore[no-untyped-def]
    """Ask how many of the logs are there that nothing is known of and nothing is appended to."""
    if counts[ABSENT] > 0:
        at = _begin(out, at, counts[ABSENT], _EXISTS)
        for k in range(len(logs)):
            if logs[k].whole and logs[k].appended == 0:
                at = _key(out, _put(out, at, _KEY), logs[k].kind, logs[k].identity)
    return at


@njit(inner=True)
def _put_reports(out, at, reads, reported, reports, counts):  # type: ignore[no-untyped-def]
    """Read outcome logs that had reports, and ask how many of the others are there."""
    told, asked = np.int64(0), np.int64(0)
    for j in range(len(reads)):
        kind, identity = reads[j].kind, reads[j].identity
        if _of_reports(kind) and _had_reports(reported, kind, identity):
            at = _put(out, _key(out, _put(out, at, _GETRANGE), kind, identity), _REPORTS_TO_END)
            at = _key(out, _put(out, at, _STRLEN), kind, identity)
            reports[told] = j
            told += 1
    for j in range(len(reads)):
        kind, identity = reads[j].kind, reads[j].identity
        if _of_reports(kind) and not _had_reports(reported, kind, identity):
            if asked % REPORTS_TOGETHER == 0:
                at = _begin(out, at, min(REPORTS_TOGETHER, counts[REPORTS] - asked), _EXISTS)
            at = _key(out, _put(out, at, _KEY), kind, identity)
            reports[told + asked] = j
            asked += 1
    return at


@njit(inner=True)
def _put(out, at, text):  # type: ignore[no-untyped-def]
    for byte in range(len(text)):
        out[at + byte] = text[byte]
    return at + len(text)


@njit(inner=True)
def _key(out, at, kind, identity):  # type: ignore[no-untyped-def]
    out[at] = kind
    at = _put(out, at + 1, _TAG)
    for byte in range(8):
        out[at + byte] = (identity >> np.uint64(8 * byte)) & np.uint64(255)
    return _put(out, at + 8, _END)


@njit(inner=True)
def _digits(value):  # type: ignore[no-untyped-def]
    size, beyond = np.int64(1), np.int64(10)
    while value >= beyond:
        size, beyond = size + 1, 10 * beyond
    return size


@njit(inner=True)
def _number(out, at, value):  # type: ignore[no-untyped-def]
    """Write a number in digits, and the end of its line."""
    size = _digits(value)
    for digit in range(size):
        out[at + size - 1 - digit] = 48 + value % 10
        value //= 10
    return _put(out, at + size, _END)


@njit(inner=True)
def _begin(out, at, keys, name):  # type: ignore[no-untyped-def]
    """Begin a command of so many keys."""
    out[at] = _ARRAY
    return _put(out, _number(out, at + 1, keys + 1), name)
