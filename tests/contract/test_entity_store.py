"""What every online store keeps to: the same suite for the one in memory and the one in Redis."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features import entities
from features.errors import IdentityKeyMismatchError, StoreRolledBackError
from features.measure.risk import FRAUD, MAX_REPORTS, pack_report
from features.record import NOT_KNOWN
from features.replica.fold import PANE, Header
from features.store.contract import Applied, ApplyRequest, EntityReader, EntityStore, Origin, PeekRequest
from features.store.layout import NAME_BYTES, READ_BYTES, UNKNOWN_LENGTH
from features.store.memory_store import MemoryEntityStore
from features.store.redis_store import RedisEntityStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from features.store.plain import Plan

DEVICE = entities.DEVICE.letter
DEVICE_REPORTS = entities.DEVICE.reports
PAYEE = entities.PAYEE.letter
PAYEE_REPORTS = entities.PAYEE.reports
PAYER = entities.PAYER.letter

Store = MemoryEntityStore | RedisEntityStore
ALICE, BOB, SHOP, PHONE = (bytes([letter]) * 8 for letter in b"ABSP")
NOBODY = bytes(8)
PARTITION = b"transactions:0"


class Guarded(RedisEntityStore):
    """Has plain commands decide wherever they may, which is so from the second micro-batch of a partition on."""

    plain = 0

    def apply(self, request: ApplyRequest) -> Applied:
        if request.entries and [*request.origins] == [Origin(PARTITION, 0, 0)]:
            request = self._moving(request)
        names = [origin.partition for origin in request.origins]
        stands = self.next_offsets(names)
        fine = all(not origin.expected for origin in request.origins)
        if fine:
            self.load([], dict.fromkeys((name for name, at in zip(names, stands, strict=True) if at is None), 0))
            guarded = [Origin(name, at or 0, 0) for name, at in zip(names, stands, strict=True)]
            super().apply(ApplyRequest(b"", b"", b"", b"", guarded))
        before, reads = self.plain, request.reads
        applied = super().apply(request)
        asked = [reads[at : at + NAME_BYTES] for at in range(0, len(reads), READ_BYTES)]
        new = all((at or 0) <= origin.first_offset for at, origin in zip(stands, request.origins, strict=True))
        assert self.plain > before or not (names and fine and new and len(set(asked)) == len(asked))
        return applied

    def _moving(self, request: ApplyRequest) -> ApplyRequest:
        """Let the offset move with the payments: what plain commands have appended, the function may have to locate."""
        first, size = self.next_offsets([PARTITION])[0] or 0, len(entry(1, ALICE, BOB))
        each = [request.entries[at : at + size] for at in range(0, len(request.entries), size)]
        entries = [one[:-8] + (first + at).to_bytes(8, "little") for at, one in enumerate(each)]
        return replace(request, entries=b"".join(entries), origins=[Origin(PARTITION, first, first + len(each))])

    def _execute(self, plan: Plan) -> list[Any] | None:
        done = super()._execute(plan)
        self.plain += done is not None
        return done


@pytest.fixture(params=["memory", *(pytest.param(name, marks=pytest.mark.servers) for name in ("redis", "plain"))])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The store in memory, that in Redis, and the same with plain commands from the first micro-batch on."""
    if request.param == "memory":
        yield MemoryEntityStore()
        return
    kind = Guarded if request.param == "plain" else RedisEntityStore
    redis_store = kind(request.getfixturevalue("redis_url"))
    yield redis_store
    redis_store.close()


def record(payment_id: int, *, time: int = 1_000, amount: int = 100, other: bytes = BOB) -> bytes:
    """32 bytes as the layout says; the last four are the kind of payment, which a payer's log keeps otherwise."""
    return time.to_bytes(6, "little") + amount.to_bytes(5, "little") + other[:5] + struct.pack("<QII", payment_id, 7, 9)


def got(payment_id: int, *, other: bytes = BOB, amount: int = 100, paid_out: int = 0) -> bytes:
    """The record of the other logs: the place gives way to how many records the payee's own log as a payer had."""
    return record(payment_id, other=other, amount=amount)[:24] + struct.pack("<II", paid_out, 9 | 1 << 31)


def entry(
    payment_id: int, payer: bytes, payee: bytes, device: bytes = NOBODY, *, offset: int = 0, amount: int = 100
) -> bytes:
    """98 bytes as the layout says, of the only origin."""
    records = record(payment_id, other=payee, amount=amount) + got(payment_id, other=payer, amount=amount)
    return payer + payee + device + records + struct.pack("<HQ", 0, offset)


def read(kind: bytes, identity: bytes, known: int = 0, expected: int = UNKNOWN_LENGTH) -> bytes:
    return kind + identity + struct.pack("<II", known, expected)


def apply(
    store: EntityStore, *entries: bytes, reads: bytes = b"", absent: bytes = b"", origin: Origin | None = None
) -> tuple:
    """Apply entries at offsets 0, 1, ... of the partition unless an origin says otherwise.

    Returns lengths, and by read the total and the log, None each where the store does not tell of it.
    """
    origin = origin or Origin(PARTITION, 0, 0)
    applied = store.apply(ApplyRequest(b"".join(entries), reads, absent, b"", [origin]))
    positions = struct.unpack(f"<{len(applied.positions) // 4}I", applied.positions)
    told = dict(zip(applied.replied, zip(applied.totals, applied.logs, strict=True), strict=True))
    both = [told.get(which, (None, None)) for which in range(len(reads) // READ_BYTES + len(absent) // NAME_BYTES)]
    return list(positions), [total for total, _ in both], [log for _, log in both]


def header(base: int) -> bytes:
    """A folded log's header, without panes that mean anything."""
    return Header(base, 5_000, 4_000, 1_000, np.zeros(3, dtype=PANE)).pack()


def fill(store: EntityStore, payer: bytes, count: int) -> None:
    """Give a payer's log so many records, ids from 1."""
    store.load([(PAYER + payer, b"".join(record(number + 1) for number in range(count)))], {})


# Apply -------------------------------------------------------------------------------------------------------------


def test_a_payment_is_appended_to_its_three_logs(store: EntityStore) -> None:
    reads = read(PAYER, ALICE) + read(PAYEE, BOB) + read(DEVICE, PHONE) + read(PAYEE, ALICE)
    lengths, totals, logs = apply(store, entry(1, ALICE, BOB, PHONE), reads=reads)
    assert lengths == [32, 32, 32, 0, 0]
    assert totals == [32, 32, 32, 0]
    assert logs == [record(1, other=BOB)[:28] + bytes(4), got(1, other=ALICE), got(1, other=ALICE), b""]


def test_without_a_device_there_is_no_device_log(store: EntityStore) -> None:
    lengths, totals, _ = apply(store, entry(1, ALICE, BOB), reads=read(DEVICE, NOBODY))
    assert lengths == [32, 32, 0, 0, 0]
    assert totals == [0]


def test_lengths_are_those_just_after_each_payment(store: EntityStore) -> None:
    lengths, totals, _ = apply(
        store, entry(1, ALICE, SHOP), entry(2, BOB, SHOP), entry(3, ALICE, SHOP), reads=read(PAYEE, SHOP)
    )
    assert lengths == [32, 32, 0, 0, 0, 32, 64, 0, 0, 0, 64, 96, 0, 0, 0]
    assert totals == [96]


def test_what_the_payer_had_received_is_kept_with_the_payment(store: EntityStore) -> None:
    lengths, _, logs = apply(
        store, entry(1, BOB, ALICE), entry(2, ALICE, SHOP), entry(3, BOB, ALICE), reads=read(PAYER, ALICE)
    )
    assert lengths[8] == 1
    assert logs[0][28:] == struct.pack("<I", 1)


def test_a_payment_to_oneself_counts_as_received_and_not_as_paid_out_before(store: EntityStore) -> None:
    lengths, _, logs = apply(store, entry(1, ALICE, ALICE), entry(2, ALICE, ALICE), reads=read(PAYEE, ALICE))
    assert lengths == [32, 32, 0, 1, 0, 64, 64, 0, 2, 1]
    assert logs == [got(1, other=ALICE) + got(2, other=ALICE, paid_out=1)]


def test_received_counts_folded_records_too(store: EntityStore) -> None:
    store.load([(PAYEE + ALICE, header(2_048) + record(8) + record(9))], {})
    lengths, _, _ = apply(store, entry(10, ALICE, SHOP))
    assert lengths[3] == 2_050


def test_what_the_payee_had_paid_out_is_kept_with_the_payment(store: EntityStore) -> None:
    """Of its three payments, one before this micro-batch and one in it came before."""
    apply(store, entry(1, SHOP, BOB))
    some = entry(2, ALICE, SHOP, PHONE), entry(3, SHOP, BOB), entry(4, ALICE, SHOP, PHONE), entry(5, SHOP, BOB)
    lengths, _, logs = apply(store, *some, reads=read(PAYEE, SHOP) + read(DEVICE, PHONE))
    assert lengths[4::5] == [1, 0, 2, 0]
    assert logs == 2 * [got(2, other=ALICE, paid_out=1) + got(4, other=ALICE, paid_out=2)]


def test_paid_out_counts_folded_records_too(store: EntityStore) -> None:
    store.load([(PAYER + SHOP, header(2_048) + record(8) + record(9))], {})
    lengths, _, logs = apply(store, entry(10, ALICE, SHOP), entry(11, SHOP, BOB), reads=read(PAYEE, SHOP))
    assert lengths[4] == 2_050
    assert logs == [got(10, other=ALICE, paid_out=2_050)]
    assert apply(store, entry(12, ALICE, SHOP))[0][4] == 2_051


def test_nothing_to_apply_moves_the_offsets_still(store: EntityStore) -> None:
    apply(store, origin=Origin(PARTITION, 3, 8))
    assert store.next_offsets([PARTITION]) == [8]


# Read --------------------------------------------------------------------------------------------------------------


def test_a_log_is_read_from_its_last_known_record_on(store: EntityStore) -> None:
    fill(store, ALICE, 5)
    _, totals, logs = apply(store, reads=read(PAYER, ALICE, 3))
    assert totals == [160]
    assert logs == [record(3) + record(4) + record(5)]


def test_a_log_shorter_than_what_is_known_is_read_whole(store: EntityStore) -> None:
    fill(store, ALICE, 2)
    _, totals, logs = apply(store, reads=read(PAYER, ALICE, 3) + read(PAYER, BOB, 3))
    assert totals == [64, 0]
    assert logs == [record(1) + record(2), b""]


def test_the_rest_of_a_folded_log_comes_behind_its_first_16_bytes(store: EntityStore) -> None:
    head = header(256)
    store.load([(PAYER + ALICE, head + record(257) + record(258) + record(259))], {})
    reads = read(PAYER, ALICE, 258) + read(PAYER, ALICE, 256) + read(PAYER, ALICE)
    _, totals, logs = apply(store, reads=reads)
    assert totals == [len(head) + 96] * 3
    assert logs[0] == head[:16] + record(258) + record(259)
    assert logs[1] == logs[2] == head + record(257) + record(258) + record(259)


def test_of_a_log_as_long_as_expected_nothing_is_told(store: EntityStore) -> None:
    """The worker knows what it has itself appended, and what was there before."""
    fill(store, ALICE, 2)
    reads = read(PAYER, ALICE, 2, 96) + read(PAYEE, SHOP, 0, 32) + read(PAYEE, ALICE, 0, 0) + read(DEVICE, PHONE, 0, 32)
    lengths, totals, logs = apply(store, entry(3, ALICE, SHOP, PHONE), reads=reads)
    assert lengths == [96, 32, 32, 0, 0]
    assert totals == logs == [None] * 4


def test_of_a_log_that_others_appended_to_all_that_is_not_known_is_told(store: EntityStore) -> None:
    fill(store, ALICE, 3)
    reads = read(PAYER, ALICE, 2, 96) + read(PAYER, ALICE, 0, 32) + read(PAYER, BOB, 2, 64) + read(PAYER, SHOP, 0, 32)
    _, totals, logs = apply(store, entry(4, ALICE, SHOP), reads=reads)
    assert totals == [128, 128, 0, 0]
    assert logs[0] == record(2) + record(3) + logs[1][-32:]
    assert logs[1][:96] == record(1) + record(2) + record(3)
    assert logs[2:] == [b"", b""], "nothing is there, which was not expected either"


def test_of_a_folded_log_is_told_whatever_its_length(store: EntityStore) -> None:
    """Records folded away and records appended could make up for each other."""
    log = header(256) + record(257) + record(258)
    store.load([(PAYER + ALICE, log)], {})
    _, totals, logs = apply(store, reads=read(PAYER, ALICE, 258, len(log)))
    assert totals == [len(log)]
    assert logs == [log[:16] + record(258)]


def test_of_a_log_that_is_not_there_nothing_is_told_and_of_one_that_is_all(store: EntityStore) -> None:
    """So it is asked for those that nobody ever paid, or who never pay: many together are one question."""
    others = [number.to_bytes(8, "little") for number in range(1, 100)]
    fill(store, ALICE, 2)
    store.load([(PAYER + SHOP, header(256) + record(257))], {})
    absent = [PAYER + other for other in others] + [PAYER + ALICE, PAYEE + ALICE, PAYER + SHOP]
    lengths, totals, logs = apply(
        store, entry(1, BOB, ALICE), entry(2, BOB, SHOP), reads=read(PAYER, BOB, 0, 64), absent=b"".join(absent)
    )
    assert lengths[4::5] == [2, 257]
    told = {at: log for at, log in enumerate(logs) if log is not None}
    assert told == {100: record(1) + record(2), 101: got(1, other=BOB, paid_out=2), 102: header(256) + record(257)}
    assert [totals[at] for at in told] == [len(log) for log in told.values()]
    assert peek(store, absent=b"".join(absent[:99]))[1] == 99 * [None]
    _, totals, logs, _ = peek(store, reads=read(PAYER, ALICE, 2, 64), absent=PAYER + SHOP + PAYER + ALICE, most=64)
    assert totals == [None, len(header(256)) + 32, 64]
    assert logs == [None, b"", record(1) + record(2)]


def test_logs_are_fetched_whole(store: EntityStore) -> None:
    fill(store, ALICE, 2)
    assert store.fetch([PAYER + ALICE, PAYER + BOB]) == [record(1) + record(2), b""]
    assert store.fetch([]) == []


# Looked at ---------------------------------------------------------------------------------------------------------


def peek(store: EntityReader, *wanted: bytes, reads: bytes = b"", absent: bytes = b"", most: int = 1 << 20) -> tuple:
    """Look at logs and single records; return the records, by read the total and the log, and the offsets.

    Total and log are None where the store does not tell of the read.
    """
    peeked = store.peek(PeekRequest(reads, absent, b"".join(wanted), most))
    records = [peeked.records[at : at + 32] for at in range(0, len(peeked.records), 32)]
    both = dict(zip(peeked.reply.replied, zip(peeked.reply.totals, peeked.reply.logs, strict=True), strict=True))
    asked = len(reads) // READ_BYTES + len(absent) // NAME_BYTES
    which = [both.get(read, (None, None)) for read in range(asked)]
    return records, [total for total, _ in which], [log for _, log in which], dict(peeked.offsets)


def single(kind: bytes, identity: bytes, position: int) -> bytes:
    """Return how a single record is named."""
    return kind + identity + position.to_bytes(4, "little")


def test_a_look_reads_what_apply_reads(store: Store) -> None:
    fill(store, ALICE, 3)
    store.load([(PAYER + BOB, header(256) + record(257) + record(258))], {})
    reads = [
        read(PAYER, ALICE), read(PAYER, ALICE, 2), read(PAYER, ALICE, 3, 96), read(PAYER, ALICE, 9), read(PAYEE, SHOP),
        read(PAYER, BOB), read(PAYER, BOB, 258), read(PAYER, BOB, 256), read(PAYEE, ALICE, 0, 0),
    ]  # fmt: skip
    assert peek(store, reads=b"".join(reads))[1:3] == apply(store, reads=b"".join(reads))[1:]


def test_a_look_tells_where_the_source_offsets_stand(store: Store) -> None:
    assert peek(store) == ([], [], [], {})
    apply(store, entry(1, ALICE, SHOP), origin=Origin(PARTITION, 0, 1))
    store.report([], [Origin(b"outcomes:2", 0, 7)])
    store.keep_topic_id(b"transactions", b"an-id")
    assert peek(store)[3] == {PARTITION: 1, b"outcomes:2": 7}


def test_a_look_shows_single_records(store: Store) -> None:
    fill(store, ALICE, 3)
    store.load([(PAYEE + SHOP, header(256) + record(257) + record(258))], {})
    wanted = [single(PAYER, ALICE, 2), single(PAYEE, SHOP, 257), single(PAYER, ALICE, 0), single(PAYEE, SHOP, 256)]
    assert peek(store, *wanted)[0] == [record(3), record(258), record(1), record(257)]


def test_a_record_that_is_not_there_is_all_zeros(store: Store) -> None:
    """It was never there, or was folded away, however many records that was ago."""
    fill(store, ALICE, 3)
    store.load([(PAYEE + SHOP, header(256) + record(257))], {})
    wanted = [
        single(PAYER, ALICE, 3),
        single(PAYER, BOB, 0),
        single(PAYEE, SHOP, 255),
        single(PAYEE, SHOP, 0),
        single(PAYEE, SHOP, 257),
    ]
    assert peek(store, *wanted, single(PAYER, ALICE, 1))[0] == 5 * [bytes(32)] + [record(2)]


def test_of_a_log_that_does_not_fit_only_the_length_is_told(store: Store) -> None:
    fill(store, ALICE, 100)
    fill(store, BOB, 10)
    store.load([(PAYER + SHOP, header(256) + record(257) + record(258))], {})
    size = len(header(256)) + 64
    reads = read(PAYER, ALICE) + read(PAYER, BOB) + read(PAYER, BOB) + read(PAYER, ALICE, 99) + read(PAYER, SHOP)
    _, totals, logs, _ = peek(store, reads=reads, most=640 + 64)
    assert totals == [3_200, 320, 320, 3_200, size]
    assert [len(log) for log in logs] == [0, 320, 320, 64, 0]
    _, _, logs, _ = peek(store, reads=reads, most=3_200)
    assert [len(log) for log in logs] == [3_200, 0, 0, 0, 0]


def test_reports_are_told_of_whatever_else_there_is(store: Store) -> None:
    fill(store, ALICE, 100)
    store.report([(PAYEE_REPORTS + SHOP, pack_report(10, FRAUD, 1))])
    _, totals, logs, _ = peek(store, reads=read(PAYER, ALICE) + read(PAYEE_REPORTS, SHOP), most=0)
    assert totals == [3_200, 16]
    assert logs == [b"", pack_report(10, FRAUD, 1)]


def test_a_long_log_is_fetched_in_parts(store: Store) -> None:
    fill(store, ALICE, 40_000)
    assert store.fetch_in_parts(PAYER + ALICE) == store.fetch([PAYER + ALICE])[0]
    assert store.fetch_in_parts(PAYER + BOB) == b""


# Delivered again ---------------------------------------------------------------------------------------------------


def test_what_was_applied_is_located_and_not_appended_again(store: EntityStore) -> None:
    first = [
        entry(1, ALICE, SHOP, PHONE, offset=0),
        entry(2, BOB, SHOP, PHONE, offset=1),
        entry(3, BOB, ALICE, offset=2),
    ]
    before = apply(store, *first, origin=Origin(PARTITION, 0, 3))[0]
    apply(store, entry(4, BOB, SHOP, offset=3), origin=Origin(PARTITION, 3, 4))
    lengths, totals, _ = apply(store, *first, reads=read(PAYEE, SHOP), origin=Origin(PARTITION, 0, 3))
    assert lengths == before
    assert totals == [96]
    assert store.next_offsets([PARTITION]) == [4]


def test_what_had_been_paid_out_is_found_again_however_much_was_since(store: EntityStore) -> None:
    first = entry(1, SHOP, BOB, offset=0), entry(2, ALICE, SHOP, offset=1), entry(3, SHOP, SHOP, offset=2)
    before = apply(store, *first, origin=Origin(PARTITION, 0, 3))[0]
    assert before[4::5] == [0, 1, 1]
    apply(store, *(entry(4 + n, SHOP, BOB, offset=3 + n) for n in range(5)), origin=Origin(PARTITION, 3, 8))
    apply(store, entry(9, BOB, ALICE, offset=8), origin=Origin(PARTITION, 8, 9))
    assert apply(store, *first, origin=Origin(PARTITION, 0, 3))[0] == before


def test_of_a_payment_that_a_release_before_appended_it_is_not_known_what_was_paid_out(store: EntityStore) -> None:
    """Its record has the place there, and lacks the bit of the kind."""
    logs = [(PAYER + ALICE, record(1, other=SHOP)), (PAYEE + SHOP, record(1, other=ALICE)), (PAYER + SHOP, record(8))]
    store.load(logs, {PARTITION: 5})
    lengths, _, _ = apply(store, entry(1, ALICE, SHOP, offset=1), origin=Origin(PARTITION, 1, 2))
    assert lengths == [32, 32, 0, 9, NOT_KNOWN]
    assert apply(store, entry(2, ALICE, SHOP, offset=5), origin=Origin(PARTITION, 5, 6))[0] == [64, 64, 0, 0, 1]


def test_what_is_not_found_with_the_payee_has_what_was_paid_out_by_now(store: EntityStore) -> None:
    """Its record was folded away; so is what its payee had received, where the payer has it."""
    store.load([(PAYER + ALICE, record(1, other=SHOP)), (PAYEE + SHOP, header(256) + record(257))], {PARTITION: 5})
    store.load([(PAYER + SHOP, header(128) + record(8))], {})
    lengths, _, _ = apply(store, entry(1, ALICE, SHOP, offset=1), origin=Origin(PARTITION, 1, 2))
    assert lengths == [32, 0, 0, 9, 129]


def test_below_the_next_offset_nothing_is_appended_found_or_not(store: EntityStore) -> None:
    """It was rejected then, or a duplicate, or its logs have expired: whichever it was, it counted as it should."""
    apply(store, entry(1, ALICE, SHOP, PHONE, offset=7), origin=Origin(PARTITION, 0, 8))
    never, elsewhere = entry(2, ALICE, SHOP, PHONE, offset=5), entry(3, BOB, ALICE, offset=6)
    lengths, totals, _ = apply(
        store, never, elsewhere, reads=read(PAYEE, SHOP) + read(PAYER, BOB), origin=Origin(PARTITION, 5, 8)
    )
    assert lengths == [0] * 9 + [1]
    assert totals == [32, 0]


def test_below_the_next_offset_nothing_is_appended_to_a_folded_log(store: EntityStore) -> None:
    store.load([(PAYER + ALICE, header(256) + record(257))], {PARTITION: 10})
    lengths, totals, _ = apply(
        store,
        entry(2, ALICE, SHOP, offset=5),
        reads=read(PAYEE, SHOP) + read(PAYER, ALICE),
        origin=Origin(PARTITION, 5, 6),
    )
    assert lengths == [0, 0, 0, 0, 0]
    assert totals == [0, len(header(256)) + 32]


def test_what_stands_at_the_next_offset_is_appended_among_what_is_below_it(store: EntityStore) -> None:
    """After a rebalance a worker gets the tail of what another had applied, and goes on behind it."""
    apply(store, entry(1, ALICE, SHOP, offset=0), entry(2, BOB, SHOP, offset=1), origin=Origin(PARTITION, 0, 2))
    again = entry(3, ALICE, SHOP, offset=2), entry(2, BOB, SHOP, offset=1), entry(4, BOB, SHOP, offset=3)
    lengths, totals, _ = apply(store, *again, reads=read(PAYEE, SHOP), origin=Origin(PARTITION, 1, 4))
    assert lengths == [64, 96, 0, 0, 0, 32, 64, 0, 0, 0, 64, 128, 0, 0, 0]
    assert totals == [128]


def test_a_partition_of_which_nothing_was_applied_has_nothing_below(store: EntityStore) -> None:
    lengths, _, _ = apply(store, entry(1, ALICE, SHOP, offset=5), origin=Origin(PARTITION, 5, 6))
    assert lengths == [32, 32, 0, 0, 0]


def test_a_payment_is_found_by_all_that_is_the_same_when_it_comes_again(store: EntityStore) -> None:
    """An id that was used again after three days, for another amount, is another payment."""
    first, second = entry(1, ALICE, SHOP, offset=0, amount=100), entry(1, ALICE, SHOP, offset=1, amount=200)
    apply(store, first, second, origin=Origin(PARTITION, 0, 2))
    lengths, _, _ = apply(store, second, first, origin=Origin(PARTITION, 0, 2))
    assert lengths == [64, 64, 0, 0, 0, 32, 32, 0, 0, 0]


def test_records_are_found_at_their_boundaries_only(store: EntityStore) -> None:
    """The bytes may occur across two records, or anywhere in a log of many thousands of them."""
    wanted = record(1, other=SHOP)[:24]
    noise = bytes(4) + wanted + bytes(4)
    log = noise * 300 + wanted + bytes(8) + noise * 40_000
    store.load([(PAYER + ALICE, log), (PAYEE + SHOP, log)], {PARTITION: 10})
    payment = ALICE + SHOP + NOBODY + 2 * (wanted + bytes(8)) + struct.pack("<HQ", 0, 1)
    lengths, _, _ = apply(store, payment, origin=Origin(PARTITION, 1, 2))
    assert lengths == [301 * 32, 301 * 32, 0, 0, NOT_KNOWN]


# Source offsets ----------------------------------------------------------------------------------------------------


def test_offsets_only_move_forward(store: EntityStore) -> None:
    apply(store, origin=Origin(PARTITION, 0, 8))
    apply(store, origin=Origin(PARTITION, 2, 5))
    assert store.next_offsets([PARTITION, b"transactions:1"]) == [8, None]
    assert store.next_offsets([]) == []


def test_a_store_that_stands_before_what_is_expected_changes_nothing(store: EntityStore) -> None:
    apply(store, origin=Origin(PARTITION, 0, 8))
    origins = [Origin(b"transactions:1", 0, 4), Origin(PARTITION, 9, 10, expected=9)]
    with pytest.raises(StoreRolledBackError, match=r"transactions:0.*8.*9"):
        store.apply(ApplyRequest(entry(1, ALICE, SHOP), b"", b"", b"", origins))
    with pytest.raises(StoreRolledBackError):
        store.report([(PAYEE_REPORTS + SHOP, pack_report(1, FRAUD, 1))], origins)
    assert store.next_offsets([PARTITION, b"transactions:1"]) == [8, None]
    assert store.fetch([PAYER + ALICE, PAYEE + SHOP, PAYEE_REPORTS + SHOP]) == [b"", b"", b""]


def test_a_store_at_or_beyond_what_is_expected_is_fine(store: EntityStore) -> None:
    apply(store, origin=Origin(PARTITION, 0, 8))
    apply(store, origin=Origin(PARTITION, 8, 9, expected=8))
    apply(store, origin=Origin(PARTITION, 8, 9, expected=8))
    assert store.next_offsets([PARTITION]) == [9]


# Fold --------------------------------------------------------------------------------------------------------------


def test_folding_swaps_records_for_a_header(store: EntityStore) -> None:
    fill(store, ALICE, 300)
    assert store.fold(PAYER + ALICE, 0, header(256), 256)
    assert store.fetch([PAYER + ALICE]) == [header(256) + b"".join(record(number) for number in range(257, 301))]
    lengths, _, _ = apply(store, entry(301, ALICE, SHOP))
    assert lengths[0] == len(header(256)) + 45 * 32


def test_a_folded_log_is_folded_on(store: EntityStore) -> None:
    fill(store, ALICE, 600)
    assert store.fold(PAYER + ALICE, 0, header(256), 256)
    longer = Header(512, 6_000, 5_000, 1_000, np.zeros(200, dtype=PANE)).pack()
    assert store.fold(PAYER + ALICE, 256, longer, 512)
    assert store.fetch([PAYER + ALICE]) == [longer + b"".join(record(number) for number in range(513, 601))]


def test_who_folds_second_changes_nothing(store: EntityStore) -> None:
    fill(store, ALICE, 600)
    assert store.fold(PAYER + ALICE, 0, header(256), 256)
    before = store.fetch([PAYER + ALICE])
    assert not store.fold(PAYER + ALICE, 0, header(512), 512)
    assert not store.fold(PAYER + ALICE, 128, header(512), 512)
    assert store.fetch([PAYER + ALICE]) == before


def test_a_log_that_lost_records_is_not_folded(store: EntityStore) -> None:
    fill(store, ALICE, 200)
    assert not store.fold(PAYER + ALICE, 0, header(256), 256)
    assert not store.fold(PAYER + BOB, 0, header(256), 256)
    assert store.fetch([PAYER + BOB]) == [b""]


# Outcome reports ---------------------------------------------------------------------------------------------------


def test_reports_are_set_by_content(store: EntityStore) -> None:
    reports = [
        (PAYEE_REPORTS + SHOP, pack_report(10, FRAUD, 1)),
        (DEVICE_REPORTS + PHONE, pack_report(10, FRAUD, 1)),
        (PAYEE_REPORTS + SHOP, pack_report(11, FRAUD, 1)),
        (PAYEE_REPORTS + SHOP, pack_report(10, FRAUD, 1)),
    ]
    assert store.report(reports, [Origin(b"outcomes:0", 0, 4)]) == 3
    assert store.report(reports) == 0
    _, totals, logs = apply(store, reads=read(PAYEE_REPORTS, SHOP) + read(DEVICE_REPORTS, PHONE))
    assert totals == [32, 16]
    assert logs == [pack_report(10, FRAUD, 1) + pack_report(11, FRAUD, 1), pack_report(10, FRAUD, 1)]
    assert store.next_offsets([b"outcomes:0"]) == [4]
    assert store.report([]) == 0


def test_a_report_across_two_others_is_no_repetition(store: EntityStore) -> None:
    one, two = bytes(range(16)), bytes(range(100, 116))
    between = one[8:] + two[:8]
    reports = [(PAYEE_REPORTS + SHOP, report) for report in (one, two, between)]
    assert store.report(reports) == 3


def test_only_the_newest_reports_are_read(store: EntityStore) -> None:
    reports = [pack_report(number, FRAUD, number) for number in range(MAX_REPORTS + 3)]
    store.report([(PAYEE_REPORTS + SHOP, report) for report in reports])
    _, totals, logs = apply(store, reads=read(PAYEE_REPORTS, SHOP))
    assert totals == [16 * (MAX_REPORTS + 3)]
    assert logs == [b"".join(reports[3:])]


# Rebuild and identity ----------------------------------------------------------------------------------------------


def test_a_rebuild_replaces_logs_and_sets_offsets(store: EntityStore) -> None:
    fill(store, ALICE, 3)
    store.load([(PAYER + ALICE, record(7)), (PAYEE + SHOP, record(7))], {PARTITION: 5, b"transactions:1": 6})
    assert store.fetch([PAYER + ALICE, PAYEE + SHOP]) == [record(7), record(7)]
    assert store.next_offsets([PARTITION, b"transactions:1"]) == [5, 6]


def test_the_id_of_a_topic_is_kept_until_it_is_another(store: EntityStore) -> None:
    assert store.topic_id(b"transactions") is None
    store.keep_topic_id(b"transactions", b"one")
    store.keep_topic_id(b"transactions", b"two")
    assert (store.topic_id(b"transactions"), store.topic_id(b"outcomes")) == (b"one", None)


def test_a_topic_that_is_another_has_offsets_of_its_own(store: EntityStore) -> None:
    """The logs stay, and so do the offsets of topics whose names only begin alike."""
    fill(store, ALICE, 3)
    others = {b"transactions-2:0": 7, b"transactions.dead-letter:0": 8, b"outcomes:1": 9}
    store.load([], {PARTITION: 5_000, b"transactions:1": 6_000, b"transactions:11": 4, **others})
    store.keep_topic_id(b"transactions", b"one")
    store.begin_topic(b"transactions", b"two", {PARTITION: 0, b"transactions:1": 40})
    assert store.topic_id(b"transactions") == b"two"
    assert store.next_offsets([PARTITION, b"transactions:1", b"transactions:11"]) == [0, 40, None]
    assert store.next_offsets(list(others)) == list(others.values())
    assert store.fetch([PAYER + ALICE]) == [record(1) + record(2) + record(3)]
    lengths, _, _ = apply(store, entry(9, ALICE, SHOP, offset=0), origin=Origin(PARTITION, 0, 1))
    assert lengths == [128, 32, 0, 0, 0], "the new topic's first record is no old one"


def test_a_topic_begins_in_a_store_that_holds_nothing(store: EntityStore) -> None:
    store.begin_topic(b"transactions", b"one", {PARTITION: 5})
    assert store.topic_id(b"transactions") == b"one"
    assert store.next_offsets([PARTITION]) == [5]


def test_logs_of_another_identity_key_are_refused(store: EntityStore) -> None:
    store.expect_identity(b"who looks first remembers nothing")
    store.check_identity(b"one")
    store.check_identity(b"one")
    store.expect_identity(b"one")
    with pytest.raises(IdentityKeyMismatchError, match="UPIFRAUD_IDENTITY_KEY"):
        store.expect_identity(b"two")
    with pytest.raises(IdentityKeyMismatchError, match="UPIFRAUD_IDENTITY_KEY"):
        store.check_identity(b"two")


# Both at once ------------------------------------------------------------------------------------------------------

PARTIES = (ALICE, BOB, SHOP)
payments = st.tuples(
    st.integers(0, 40), st.sampled_from(PARTIES), st.sampled_from(PARTIES), st.sampled_from((NOBODY, PHONE))
)
steps = st.one_of(
    st.tuples(st.just("apply"), st.lists(payments, max_size=8), st.integers(0, 30)),
    st.tuples(st.just("fold"), st.sampled_from((PAYER + ALICE, PAYEE + SHOP)), st.integers(0, 2), st.integers(0, 4)),
    st.tuples(st.just("peek"), st.lists(st.integers(0, 9), max_size=4), st.sampled_from((0, 100, 1 << 20))),
    st.tuples(st.just("report"), st.lists(st.tuples(st.sampled_from(PARTIES), st.integers(0, 5)), max_size=4)),
)


@pytest.mark.servers
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(steps, max_size=25))
def test_both_stores_give_the_same_replies(redis_url: str, script: list[tuple]) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    memory, remote = MemoryEntityStore(), RedisEntityStore(redis_url)
    names = [kind + party for kind in (PAYER, PAYEE, PAYEE_REPORTS) for party in PARTIES] + [DEVICE + PHONE]
    for step in script:
        replies = []
        for store in (memory, remote):
            match step:
                case ("apply", entries, offset):
                    packed = [
                        entry(number, payer, payee, device, offset=offset + at)
                        for at, (number, payer, payee, device) in enumerate(entries)
                    ]
                    reads = [
                        read(name[:1], name[1:], at % 4, (UNKNOWN_LENGTH, 32 * (at // 3))[at % 2])
                        for at, name in enumerate(names)
                    ]
                    origin = Origin(PARTITION, offset, offset + len(packed))
                    replies.append(apply(store, *packed, reads=b"".join(reads), origin=origin))
                case ("peek", positions, most):
                    wanted = [single(name[:1], name[1:], position) for name in names for position in positions]
                    reads = [
                        read(name[:1], name[1:], nth % 4, (0, 32 * (nth // 3))[nth % 2])
                        for nth, name in enumerate(names)
                    ]
                    replies.append(peek(store, *wanted, reads=b"".join(reads), most=most))
                case ("fold", name, base, keep):
                    replies.append(store.fold(name, base, header(keep), keep))
                case ("report", reports):
                    packed_reports = [(PAYEE_REPORTS + who, pack_report(at, FRAUD, at)) for who, at in reports]
                    replies.append(store.report(packed_reports))
        assert replies[0] == replies[1], step
    assert memory.fetch(names) == remote.fetch(names)
    assert memory.next_offsets([PARTITION]) == remote.next_offsets([PARTITION])
    remote.close()
