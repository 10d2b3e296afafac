"""The online store in memory: the same contract as the Redis store, for tests and for a look without servers."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from features.entities import KINDS, PAYEE, PAYER
from features.errors import IdentityKeyMismatchError, StoreRolledBackError
from features.measure.risk import MAX_REPORTS, REPORT_BYTES
from features.record import PAID_OUT_AT, RECEIVED_AT, RECORD_BYTES, SAME_BYTES, paid_out_of
from features.store.contract import Applied, ApplyRequest, Origin, Peeked, PeekRequest
from features.store.layout import (
    ENTRY_BYTES,
    GOT,
    IDENTITY_BYTES,
    NAME_BYTES,
    ORIGIN,
    PREFIX_BYTES,
    READ_BYTES,
    REPORT_LETTERS,
    SENT,
    WANTED_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class MemoryEntityStore:
    """Keeps logs in a dictionary; one process, no expiry."""

    def __init__(self) -> None:
        self.logs: dict[bytes, bytearray] = {}
        self.offsets: dict[bytes, int] = {}
        self.topic_ids: dict[bytes, bytes] = {}
        self._fingerprint: bytes | None = None

    def apply(self, request: ApplyRequest) -> Applied:
        """Append and read in one step; payments below their partition's next offset are only located."""
        applied = self._standing(request.origins)
        positions: list[int] = []
        for at in range(0, len(request.entries), ENTRY_BYTES):
            positions += self._apply_one(request.entries[at : at + ENTRY_BYTES], applied)
        self._advance(request.origins)
        return self._reply(positions, request)

    def peek(self, request: PeekRequest) -> Peeked:
        """Read logs, and single records, in one step that changes nothing."""
        records = []
        for at in range(0, len(request.records), WANTED_BYTES):
            name, position = request.records[at : at + 9], request.records[at + 9 : at + WANTED_BYTES]
            log = self.logs.get(name, bytearray())
            size, base = _header(log)
            start = size + (int.from_bytes(position, "little") - base) * RECORD_BYTES
            record = bytes(log[start : start + RECORD_BYTES]) if start >= size else b""
            records.append(record or bytes(RECORD_BYTES))
        return Peeked(self._reply([], request, request.most), b"".join(records), dict(self.offsets))

    def fetch_in_parts(self, name: bytes) -> bytes:
        """Return a log whole."""
        return bytes(self.logs.get(name, b""))

    def _reply(self, positions: list[int], request: ApplyRequest | PeekRequest, most: float = math.inf) -> Applied:
        replied, totals, logs = [], [], []
        names = (request.absent[at : at + NAME_BYTES] for at in range(0, len(request.absent), NAME_BYTES))
        reads = request.reads + b"".join(name + bytes(READ_BYTES - NAME_BYTES) for name in names)
        for at in range(0, len(reads), READ_BYTES):
            total, log = self._read(reads[at : at + READ_BYTES])
            if log is None:
                continue
            if reads[at : at + 1] not in REPORT_LETTERS:
                size = total if len(log) == total else len(log) - (PREFIX_BYTES if total % RECORD_BYTES else 0)
                log, most = (log, most - size) if size <= most else (b"", most)
            replied.append(at // READ_BYTES)
            totals.append(total)
            logs.append(log)
        return Applied(struct.pack(f"<{len(positions)}I", *positions), replied, totals, logs)

    def _standing(self, origins: Sequence[Origin]) -> list[int]:
        applied = [self.offsets.get(origin.partition, 0) for origin in origins]
        for origin, stands in zip(origins, applied, strict=True):
            if stands < origin.expected:
                raise StoreRolledBackError(
                    f"{origin.partition.decode()}: applied up to {stands}, expected {origin.expected}."
                )
        return applied

    def _advance(self, origins: Sequence[Origin]) -> None:
        for origin in origins:
            if origin.next_offset > self.offsets.get(origin.partition, 0):
                self.offsets[origin.partition] = origin.next_offset

    def _apply_one(self, entry: bytes, applied: list[int]) -> list[int]:
        identities = [entry[at : at + IDENTITY_BYTES] for at in range(0, SENT, IDENTITY_BYTES)]
        names = [
            kind.letter + identity if any(identity) else b"" for kind, identity in zip(KINDS, identities, strict=True)
        ]
        payer, *others = names
        sent, got = entry[SENT:GOT], entry[GOT:ORIGIN]
        origin, offset = struct.unpack("<HQ", entry[ORIGIN:])
        inbound, outbound = PAYEE.letter + identities[0], PAYER.letter + identities[1]
        if offset < applied[origin]:
            at, *ends = self._locate(payer, sent), *(self._locate(name, got) if name else 0 for name in others)
            received = int.from_bytes(self.logs[payer][at - 4 : at], "little") if at else self._records(inbound)
            there = self.logs[others[0]][ends[0] - RECORD_BYTES : ends[0]] if ends[0] else b""
            return [at, *ends, received, paid_out_of(bytes(there)) if there else self._records(outbound)]
        paid_out = self._records(outbound)
        got = got[:PAID_OUT_AT] + paid_out.to_bytes(4, "little") + got[RECEIVED_AT:]
        ends = [self._append(name, got) if name else 0 for name in others]
        received = self._records(inbound)
        return [self._append(payer, sent[:RECEIVED_AT] + received.to_bytes(4, "little")), *ends, received, paid_out]

    def _append(self, name: bytes, record: bytes) -> int:
        log = self.logs.setdefault(name, bytearray())
        log += record
        return len(log)

    def _records(self, name: bytes) -> int:
        log = self.logs.get(name, bytearray())
        size, base = _header(log)
        return base + (len(log) - size) // RECORD_BYTES

    def _locate(self, name: bytes, record: bytes) -> int:
        """Return the byte just after the newest record that is of the same payment; 0 if none is kept."""
        log, same = self.logs.get(name, bytearray()), record[:SAME_BYTES]
        size, _ = _header(log)
        for at in range(len(log) - RECORD_BYTES, size - 1, -RECORD_BYTES):
            if log[at : at + SAME_BYTES] == same:
                return at + RECORD_BYTES
        return 0

    def _read(self, read: bytes) -> tuple[int, bytes | None]:
        """Return the length of a log and what the reply has of it; None where it is as expected."""
        name, known, expected = read[:9], *struct.unpack("<II", read[9:])
        log = self.logs.get(name, bytearray())
        if name[:1] in REPORT_LETTERS:
            return len(log), bytes(log[-MAX_REPORTS * REPORT_BYTES :]) or None
        if len(log) == expected and len(log) % RECORD_BYTES == 0:
            return len(log), None
        size, base = _header(log)
        if known == 0 or known - 1 < base or size + (known - base) * RECORD_BYTES > len(log):
            return len(log), bytes(log)
        prefix = bytes(log[:PREFIX_BYTES]) if size else b""
        return len(log), prefix + bytes(log[size + (known - 1 - base) * RECORD_BYTES :])

    def fetch(self, names: Sequence[bytes]) -> list[bytes]:
        """Return logs whole; empty where there is none."""
        return [bytes(self.logs.get(name, b"")) for name in names]

    def fold(self, name: bytes, base: int, header: bytes, keep: int) -> bool:
        """Replace the records before position `keep` by a header; False if the log was folded since `base`."""
        log = self.logs.get(name, bytearray())
        size, folded = _header(log)
        if folded != base or size + (keep - base) * RECORD_BYTES > len(log):
            return False
        self.logs[name] = bytearray(header) + log[size + (keep - base) * RECORD_BYTES :]
        return True

    def report(self, reports: Sequence[tuple[bytes, bytes]], origins: Sequence[Origin] = ()) -> int:
        """Set outcome reports by content and move the source offsets; return how many reports were new."""
        self._standing(origins)
        added = 0
        for name, report in reports:
            log = self.logs.setdefault(name, bytearray())
            if all(log[at : at + REPORT_BYTES] != report for at in range(0, len(log), REPORT_BYTES)):
                log += report
                added += 1
        self._advance(origins)
        return added

    def next_offsets(self, partitions: Sequence[bytes]) -> list[int | None]:
        """Return the next offset of each partition; None where nothing of it was ever applied."""
        return [self.offsets.get(partition) for partition in partitions]

    def topic_id(self, topic: bytes) -> bytes | None:
        """Return the id of the topic that the offsets are of; None where it was not kept."""
        return self.topic_ids.get(topic)

    def keep_topic_id(self, topic: bytes, topic_id: bytes) -> None:
        """Keep the id of the topic that the offsets are of, where none is kept."""
        self.topic_ids.setdefault(topic, topic_id)

    def begin_topic(self, topic: bytes, topic_id: bytes | None, offsets: Mapping[bytes, int]) -> None:
        """Take a topic for another than before: all offsets of its partitions give way to these, and its id to this."""
        others = {name: at for name, at in self.offsets.items() if name.rpartition(b":")[0] != topic}
        self.offsets = {**others, **offsets}
        self.topic_ids.pop(topic, None)
        if topic_id is not None:
            self.topic_ids[topic] = topic_id

    def load(self, logs: Iterable[tuple[bytes, bytes]], offsets: Mapping[bytes, int]) -> None:
        """Put whole logs, then the offsets they stand for."""
        for name, log in logs:
            self.logs[name] = bytearray(log)
        self.offsets.update(offsets)

    def check_identity(self, fingerprint: bytes) -> None:
        """Remember the identity key's fingerprint, or refuse another."""
        self.expect_identity(fingerprint)
        self._fingerprint = fingerprint

    def expect_identity(self, fingerprint: bytes) -> None:
        """Refuse another identity key's fingerprint than the one remembered."""
        if self._fingerprint not in (None, fingerprint):
            raise IdentityKeyMismatchError(IdentityKeyMismatchError.__doc__)


def _header(log: bytearray) -> tuple[int, int]:
    if len(log) % RECORD_BYTES != PREFIX_BYTES:
        return 0, 0
    _, size, base = struct.unpack_from("<IIQ", log)
    return size, base
