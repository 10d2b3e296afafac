"""What a micro-batch asks of the online store, byte for byte, against the same said plainly."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.exchange import Request, entries_of, provenance_of
from features.logs import NONE
from features.memory_store import MemoryEntityStore
from features.online import MAX_PAYMENTS, Claims, OnlineFeatures
from features.record import pack_records
from features.store import Origin
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
    reads = [read.tobytes() for read in request.reads]
    wanted = {
        b"p": {p.payer for p in some},
        b"m": {p.payee for p in some} | {p.payer for p in some},
        b"d": {p.device for p in some} - {0},
        b"f": {p.payee for p in some},
        b"g": {p.device for p in some} - {0},
    }
    expected = {kind + struct.pack("<QI", one, 0) for kind, identities in wanted.items() for one in identities}
    assert len(reads) == len(expected)
    assert set(reads) == expected
    assert {read[:1] for read in reads[: request.logs]} <= {b"p", b"m", b"d"}
    for row, p in enumerate(some):
        own = ((b"p", p.payer), (b"m", p.payee), (b"d", p.device), (b"m", p.payer), (b"f", p.payee), (b"g", p.device))
        for which, (kind, identity) in enumerate(own):
            read = request.of[which, row]
            assert read == NONE if identity == 0 else reads[read] == kind + struct.pack("<QI", identity, 0)


def test_the_largest_micro_batch_of_nothing_but_strangers_finds_all() -> None:
    """Identities that differ in their highest bits alone, which a table's places do not tell apart by themselves."""
    far = [n << 51 for n in range(1, MAX_PAYMENTS + 1)]
    request = Request.of_columns(columns_of([Payment(n, 1, 1, one, one + 1, one + 2) for n, one in enumerate(far)]))
    assert len(request.reads) == 6 * MAX_PAYMENTS
    assert len({read.tobytes() for read in request.reads}) == 6 * MAX_PAYMENTS


def test_what_is_known_is_said_of_entity_logs_alone() -> None:
    request = Request.of_columns(columns_of([Payment(1, 1, 1, 7, 8, 9)]))
    known = request.note_known(lambda names: [n + 70_000 for n in range(len(names) // 9)])
    assert known.tolist() == [70_000, 70_001, 70_002, 70_003]
    told = [struct.unpack("<I", read[9:].tobytes())[0] for read in request.reads]
    assert told == [70_000, 70_001, 70_002, 70_003, 0, 0]


@settings(deadline=None)
@given(st.lists(payments, min_size=1, max_size=10), st.integers(0, 2**40))
def test_entries_and_provenance_are_laid_out_as_the_specification_says(some: list[Payment], offset: int) -> None:
    columns, n = columns_of(some), len(some)
    claims = Claims(np.arange(n) % 2 == 1, np.arange(n, dtype=np.uint16), np.arange(n) + offset)
    paid, paying = pack_records(columns, columns.payee), pack_records(columns, columns.payer)
    entries = entries_of(columns, claims)
    places = np.arange(4 * n).reshape(n, 4)
    provenance = provenance_of(columns, places, (np.full(n, 5), np.full(n, 6)))
    for row, p in enumerate(some):
        identities = struct.pack("<QQQ", p.payer, p.payee, p.device)
        source = struct.pack("<BHQ", row % 2, row, row + offset)
        assert entries[99 * row : 99 * row + 99] == identities + paid[row].tobytes() + paying[row].tobytes() + source
        counts = struct.pack("<6i", *places[row], 5, 6)
        assert provenance[row].tobytes() == identities + paid[row].tobytes() + counts


def test_only_long_logs_count_as_found_or_missed() -> None:
    features = OnlineFeatures(MemoryEntityStore(), 1 << 22)
    counted = []
    for first in range(0, 400, 100):
        some = columns_of([Payment(n + 1, 1_000 * n, 100, 7, 8) for n in range(first, first + 100)])
        claims = Claims(np.zeros(100, dtype=np.bool_), np.zeros(100, dtype=np.uint16), np.arange(first, first + 100))
        features.process(some, claims, [Origin(b"transactions:0", first, first + 100)])
        counted.append((features.hits, features.misses))
    assert counted == [(0, 0), (0, 2), (2, 2), (4, 2)], "payer's and payee's, long from the second micro-batch on"
