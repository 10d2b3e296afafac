"""What a micro-batch asks of the online store, byte for byte, against the same said plainly."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.measure.located import LOCATED
from features.measure.logs import NONE
from features.online import MAX_PAYMENTS, OnlineFeatures
from features.record import pack_records, with_paid_out
from features.store.contract import Origin
from features.store.layout import NAME_BYTES, READ_BYTES, UNKNOWN_LENGTH
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims, Request, entries_of
from features.store.provenance import provenance_of
from tests.oracle import Payment, columns_of

few = st.integers(1, 6)
payments = st.builds(
    Payment,
    payment_id=st.integers(0, 2**64 - 1),
    event_time=st.integers(0, 2**48 - 1),
    amount=st.integers(1, 10**10),
    payer=few,
    payee=few,
    device=st.integers(0, 4),
)


@settings(deadline=None)
@given(st.lists(payments, min_size=1, max_size=30))
def test_every_log_is_asked_for_once_and_every_payment_knows_its_own(some: list[Payment]) -> None:
    request = Request.of_columns(columns_of(some))
    reads = asked(request)
    wanted = {
        b"p": {p.payer for p in some} | {p.payee for p in some},
        b"m": {p.payee for p in some} | {p.payer for p in some},
        b"d": {p.device for p in some} - {0},
        b"f": {p.payee for p in some},
        b"g": {p.device for p in some} - {0},
    }
    nothing = {kind: 0 if kind in (b"f", b"g") else UNKNOWN_LENGTH for kind in wanted}
    expected = {
        kind + struct.pack("<QII", one, 0, nothing[kind]) for kind, identities in wanted.items() for one in identities
    }
    assert len(reads) == len(expected)
    assert set(reads) == expected
    assert {read[:1] for read in reads[: request.logs]} <= {b"p", b"m", b"d"}
    for row, p in enumerate(some):
        own = (b"p", p.payer), (b"m", p.payee), (b"d", p.device)
        others = (b"m", p.payer), (b"p", p.payee), (b"f", p.payee), (b"g", p.device)
        for which, (kind, identity) in enumerate((*own, *others)):
            read = request.log_of[row, which]
            assert read == NONE if identity == 0 else reads[read][:9] == kind + struct.pack("<Q", identity)


def test_the_largest_micro_batch_of_nothing_but_strangers_finds_all() -> None:
    """Identities that differ in their highest bits alone, which a table's cells do not tell apart by themselves."""
    far = [n << 51 for n in range(1, MAX_PAYMENTS + 1)]
    request = Request.of_columns(columns_of([Payment(n, 1, 1, one, one + 1, one + 2) for n, one in enumerate(far)]))
    assert len(request.reads) == 7 * MAX_PAYMENTS
    assert len(set(asked(request))) == 7 * MAX_PAYMENTS


def test_what_is_known_and_expected_is_said_of_entity_logs_alone() -> None:
    features = OnlineFeatures(MemoryEntityStore(), 1 << 22)
    features.process(columns_of([Payment(1, 1, 1, 7, 8, 9)]), *source(0, 1))
    request = Request.of_columns(columns_of([Payment(2, 1, 1, 7, 8, 9), Payment(3, 1, 1, 7, 10, 9)]))
    features._replicas.expect(request, 2, 1)
    said = {
        read[:9]: struct.unpack("<II", read[9:])
        for read in asked(request)
    }  # fmt: skip
    assert said == {
        kind + struct.pack("<Q", one): numbers
        for kind, one, numbers in (
            (b"p", 7, (1, 96)), (b"p", 8, (0, 0)), (b"p", 10, (0, 0)),
            (b"m", 7, (0, 0)), (b"m", 8, (1, 64)), (b"m", 10, (0, 32)), (b"d", 9, (1, 96)),
            (b"f", 8, (0, 0)), (b"f", 10, (0, 0)), (b"g", 9, (0, 0)),
        )
    }  # fmt: skip


@settings(deadline=None)
@given(st.lists(payments, min_size=1, max_size=10), st.integers(0, 2**40))
def test_entries_and_provenance_are_laid_out_as_the_specification_says(some: list[Payment], offset: int) -> None:
    columns, n = columns_of(some), len(some)
    claims = Claims(np.arange(n, dtype=np.uint16), np.arange(n) + offset)
    paid, paying = pack_records(columns, columns.payee), pack_records(columns, columns.payer)
    paying = with_paid_out(paying, np.zeros(n, dtype=np.int32))
    entries = entries_of(columns, claims)
    located = np.zeros(n, dtype=LOCATED)
    located["at"], located["reports"] = np.arange(5 * n).reshape(n, 5), (5, 6)
    provenance = provenance_of(columns, located)
    for row, p in enumerate(some):
        identities = struct.pack("<QQQ", p.payer, p.payee, p.device)
        source = struct.pack("<HQ", row, row + offset)
        assert entries[98 * row : 98 * row + 98] == identities + paid[row].tobytes() + paying[row].tobytes() + source
        *at, paid_out = located["at"][row]
        head, counts = struct.pack("<BBHI", 1, 3, 0, paid_out + 1), struct.pack("<6i", *at, 5, 6)
        assert provenance[row].tobytes() == head + identities + paid[row].tobytes() + counts


def test_logs_that_are_read_whole_are_missed_and_all_others_found() -> None:
    store = MemoryEntityStore()
    workers = [OnlineFeatures(store, 1 << 22) for _ in range(2)]
    counted = []
    for number, worker in enumerate((0, 0, 1, 1, 0)):
        first = 100 * number
        some = columns_of([Payment(n + 1, 1_000 * n, 100, 7, 8) for n in range(first, first + 100)])
        workers[worker].process(some, *source(first, 100))
        counted.append((workers[worker].hits, workers[worker].misses))
    new, known, whole, knew, rest = counted
    assert (new, known) == ((0, 0), (2, 0)), "the payer's and the payee's; of what is new nothing is read either"
    assert (whole, knew) == ((0, 2), (2, 2)), "what the other worker appended is read whole once"
    assert rest == (4, 0), "of what is known only the rest is read"


def asked(request: Request) -> list[bytes]:
    """The reads as they go to the store, with those of logs that are taken to be not there."""
    packed, absent = request.packed()
    names = [absent[at : at + NAME_BYTES] + bytes(8) for at in range(0, len(absent), NAME_BYTES)]
    return [packed[at : at + READ_BYTES] for at in range(0, len(packed), READ_BYTES)] + names


def source(first: int, count: int) -> tuple[Claims, list[Origin]]:
    """Say that so many payments stood at these offsets."""
    claims = Claims(np.zeros(count, dtype=np.uint16), np.arange(first, first + count))
    return claims, [Origin(b"transactions:0", first, first + count)]
