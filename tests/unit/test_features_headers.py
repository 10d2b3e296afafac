"""Headers of folded logs: what is written is read, and what is no header says so instead of being measured."""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.compiled import njit
from features.errors import StoreCorruptError
from features.measure.dense import take_pane
from features.measure.logs import MARKS, SUMMARY
from features.online import OnlineFeatures
from features.record import RECORD_BYTES
from features.replica.fold import MAGIC, PANE, PREFIX, Header, rows_of
from features.store.memory_store import MemoryEntityStore
from features.windows import BLOCK
from tests.fixtures.feature_deployment import Deployment
from tests.oracle import Payment

if TYPE_CHECKING:
    import random

times = st.integers(-(2**62), 2**48)


@njit()
def add_pane(rows: np.ndarray, row: int, sums: np.ndarray, registers: np.ndarray) -> None:
    """Add a row of PANE_ROW to the first of SUMMARY."""
    take_pane(rows, row, sums[0], registers)


def panes(count: int) -> np.ndarray:
    rows = np.zeros(count, dtype=PANE)
    rows["first"] = np.arange(count)
    rows["payments"] = 3
    rows["registers"][:, ::7] = 2
    return rows


def whole(header: bytes, records: int = 3) -> bytes:
    return header + bytes(records * RECORD_BYTES)


@settings(deadline=None)
@given(st.integers(1, 2**25 - 1), times, times, times, st.integers(0, 300))
def test_a_header_is_read_as_it_was_written(blocks: int, clock: int, older: int, born: int, count: int) -> None:
    header = Header(blocks * BLOCK, clock, older, born, panes(count))
    packed = header.pack()
    assert len(packed) % RECORD_BYTES == PREFIX.size == 16
    read = Header.unpack(whole(packed))
    assert (read.base, read.base_clock, read.older_clock, read.born) == (blocks * BLOCK, clock, older, born)
    assert read.panes.tobytes() == header.panes.tobytes()


@settings(deadline=None)
@given(st.lists(st.integers(0, 256), max_size=8), st.randoms(use_true_random=False))
def test_panes_in_rows_are_the_same_panes(marked: list[int], draw: random.Random) -> None:
    """However many registers one has: what goes on in further rows counts nothing twice."""
    there = panes(len(marked))
    for pane, count in zip(there, marked, strict=True):
        pane["registers"] = 0
        for register in draw.sample(range(256), count):
            pane["registers"][register] = draw.randint(1, 33)
        pane["payments"], pane["total"], pane["sq_low"] = count + 1, 7 * count, 2**63
    rows, at = rows_of(there), 0
    for pane, count in zip(there, marked, strict=True):
        sums, registers = np.zeros(1, dtype=SUMMARY), np.zeros(256, dtype=np.uint8)
        for row in range(at, at + max(1, -(-count // MARKS))):
            assert (rows["first"][row], rows["last"][row]) == (pane["first"], pane["last"])
            add_pane(rows, row, sums, registers)
            at += 1
        assert registers.tobytes() == pane["registers"].tobytes()
        for name in ("payments", "total", "largest", "sq_high", "sq_low"):
            assert sums[name][0] == pane[name]
    assert at == len(rows)


GOOD = Header(1024, 5_000, 4_000, 1_000, panes(5)).pack()
BODY = GOOD[PREFIX.size + 4 :]


def with_body(body: bytes, *, size: int | None = None, base: int = 1024) -> bytes:
    """A header with a body of one's own, its length right unless said otherwise."""
    content = struct.pack("<I", len(body) if size is None else size) + body
    content += bytes(-len(content) % RECORD_BYTES)
    return whole(PREFIX.pack(MAGIC, PREFIX.size + len(content), base) + content)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(16), id="zeros"),
        pytest.param(b"UFL1" + bytes(12), id="no length"),
        pytest.param(b"XXXX" + whole(GOOD)[4:], id="other magic"),
        pytest.param(GOOD[:40], id="cut off"),
        pytest.param(whole(PREFIX.pack(MAGIC, 2**31, 1024) + GOOD[16:]), id="longer than the log"),
        pytest.param(whole(PREFIX.pack(MAGIC, len(GOOD) - 5, 1024) + GOOD[16:]), id="records do not fit"),
        pytest.param(with_body(BODY, base=1000), id="base within a block"),
        pytest.param(with_body(BODY, base=0), id="nothing folded"),
        pytest.param(with_body(b"no zlib stream"), id="not compressed"),
        pytest.param(with_body(BODY, size=2**32 - 1), id="body beyond the log"),
        pytest.param(with_body(BODY[: len(BODY) // 2]), id="half a body"),
        pytest.param(with_body(zlib.compress(b"short")), id="body too short"),
        pytest.param(with_body(zlib.compress(struct.pack("<qqqI", 1, 1, 1, 9))), id="panes missing"),
        pytest.param(with_body(zlib.compress(struct.pack("<qqqI", 1, 1, 1, 0) + b"more")), id="more than its panes"),
    ],
)
def test_what_is_no_header_is_corrupt(log: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="rebuild-features"):
        Header.unpack(log)


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_header_is_corrupt_or_still_a_header(at: int, change: int) -> None:
    """Never another exception, whichever byte is damaged."""
    damaged = bytearray(whole(GOOD))
    damaged[at] ^= change
    with contextlib.suppress(StoreCorruptError):
        Header.unpack(bytes(damaged))


def pay(count: int) -> list[Payment]:
    return [Payment(number + 1, 1_790_000_000_000 + 1_000 * number, 100, 1, 2) for number in range(count)]


@pytest.mark.parametrize("name", [b"p" + (1).to_bytes(8, "little"), b"m" + (2).to_bytes(8, "little")])
@pytest.mark.parametrize("log", [bytes(16), b"UFL1" + bytes(76), bytes(33), bytes(32 * 200 + 7)])
def test_a_corrupt_log_stops_the_worker(name: bytes, log: bytes) -> None:
    store = MemoryEntityStore()
    store.load([(name, log)], {})
    deployment = Deployment(store, pay(2), seed=1, partitions=1)
    with pytest.raises(StoreCorruptError):
        deployment.first(0, [0])


@pytest.mark.parametrize(("kind", "party"), [(b"m", 2), (b"p", 1)])
def test_a_log_that_vanished_stops_the_worker(kind: bytes, party: int) -> None:
    """One party's log has the payment, the other's is gone, too soon to have expired: the store lost it."""
    store = MemoryEntityStore()
    deployment = Deployment(store, [*pay(2), Payment(9, 1_790_000_000_000, 100, 2, 1)], seed=1, partitions=1)
    deployment.first(0, [0, 1, 2])
    deployment.assert_repeats([0, 1], deployment.call(0, [0, 1]))
    del store.logs[kind + party.to_bytes(8, "little")]
    deployment.workers[0] = OnlineFeatures(store, 1 << 20, clock=lambda: 1_790_000_000.0 + 29 * 86_400)
    with pytest.raises(StoreCorruptError, match="rebuild-features"):
        deployment.call(0, [0, 1])
