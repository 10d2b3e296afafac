"""The COPY buffer, read back by the letter of PostgreSQL's format."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.verdict_store import VerdictRows
from stream.verdict_store.binary import POSTGRES_EPOCH_MS, text_array, uuid_array
from stream.verdict_store.copy_rows import COLUMNS, copy_buffer
from stream.verdict_store.errors import RefusedRowsError

if TYPE_CHECKING:
    from collections.abc import Iterator

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20).map(str.encode)
int64s = st.integers(-(2**63), 2**63 - 1)
int16s = st.integers(-(2**15), 2**15 - 1)
payments = st.tuples(
    st.tuples(texts, texts, texts),
    st.tuples(int64s, int64s, int64s.filter(lambda number: number != 0)),
    st.tuples(int16s, int16s, int16s),
    st.tuples(st.floats(), st.floats()),
    st.none() | st.binary(max_size=300),
    st.none() | st.binary(max_size=40),
    st.just(-1) | st.integers(0, 10**12),
)


def fields(buffer: bytes) -> Iterator[list[bytes | None]]:
    """Yield the fields of every row, as https://www.postgresql.org/docs/current/sql-copy.html has it."""
    assert buffer[:19] == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    at = 19
    while (count := struct.unpack_from(">h", buffer, at)[0]) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", buffer, at)
            at += 4
            row.append(None if length == -1 else buffer[at : at + length])
            at += max(length, 0)
        yield row
    assert at + 2 == len(buffer)


def as_rows(drawn: list[tuple], width: int, words: np.ndarray) -> VerdictRows:
    n = len(drawn)
    text, whole, small, real, alerts, facts, rrn = zip(*drawn, strict=True) if n else [[]] * 7
    whole_numbers = np.array(whole, dtype=np.int64).reshape(n, 3)
    small_numbers = np.array(small, dtype=np.int16).reshape(n, 3)
    times = np.arange(n) * 86_399_999_999 - 10**12
    return VerdictRows.of(
        transaction_id=[one[0] for one in text],
        payer_vpa=[one[1] for one in text],
        payee_vpa=[one[2] for one in text],
        event_time=times,
        decided_at=times + 1,
        amount_paise=whole_numbers[:, 0],
        source_offset=whole_numbers[:, 1],
        source_partition=whole_numbers[:, 2].astype(np.int32),
        verdict=small_numbers[:, 0],
        feature_state=small_numbers[:, 1],
        model_key=small_numbers[:, 2],
        score=np.array([one[0] for one in real], dtype=np.float64),
        margin=np.array([one[1] for one in real], dtype=np.float64),
        vectors=words[: n * width].view(np.float32).reshape(n, width),
        provenance=words[: n * width].view(np.uint8).reshape(n, 4 * width)[:, 1:]
        if width
        else np.zeros((n, 0), np.uint8),
        alerts=list(alerts),
        facts=list(facts),
        rrn=np.array(rrn, dtype=np.int64),
        hold_until=np.where(times % 2, -1, np.abs(times) + 10**12),
    )


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(payments, max_size=6), st.integers(0, 5), st.randoms(use_true_random=False))
def test_every_field_of_every_row_is_in_the_buffer(drawn: list[tuple], width: int, random) -> None:
    words = np.array([random.getrandbits(32) for _ in range(30)], dtype=np.uint32)
    rows = as_rows(drawn, width, words)
    read = list(fields(copy_buffer(rows).tobytes()))
    assert len(read) == len(rows)
    formats = {
        **dict.fromkeys(("amount_paise", "source_offset"), ">q"),
        **dict.fromkeys(("verdict", "feature_state", "model_key"), ">h"),
        **dict.fromkeys(("score", "margin"), ">d"),
        "source_partition": ">i",
    }
    for row, cells in enumerate(read):
        cell = dict(zip(COLUMNS, cells, strict=True))
        for name in ("transaction_id", "payer_vpa", "payee_vpa"):
            assert cell[name] == getattr(rows, name)[row]
        assert cell["alert"] == rows.alerts[row]
        assert cell["facts"] == rows.facts[row]
        assert cell["rrn"] == (None if rows.rrn[row] == -1 else struct.pack(">q", rows.rrn[row]))
        end = int(rows.hold_until[row])
        assert cell["hold_until"] == (None if end == -1 else struct.pack(">q", (end - POSTGRES_EPOCH_MS) * 1000))
        assert cell["vector"] == rows.vectors[row].tobytes()
        assert cell["provenance"] == rows.provenance[row].tobytes()
        for name in ("event_time", "decided_at"):
            assert cell[name] == struct.pack(">q", (int(getattr(rows, name)[row]) - POSTGRES_EPOCH_MS) * 1000)
        for name, format_ in formats.items():
            assert cell[name] == struct.pack(format_, getattr(rows, name)[row])


@pytest.mark.parametrize("name", ["transaction_id", "payer_vpa", "payee_vpa"])
def test_the_column_and_row_of_a_text_that_cannot_be_held_are_named(name: str) -> None:
    drawn = [((b"a", b"b", b"c"), (1, 2, 3), (0, 0, 1), (0.5, 0.5), None, None, -1)] * 3
    rows = as_rows(drawn, 1, np.zeros(3, dtype=np.uint32))
    getattr(rows, name)[2] = b"secret\0"
    with pytest.raises(RefusedRowsError, match=f"{name} of row 2") as refusal:
        copy_buffer(rows)
    assert "secret" not in str(refusal.value)


def test_columns_of_different_lengths_are_refused() -> None:
    rows = as_rows(
        [((b"a", b"b", b"c"), (1, 2, 3), (0, 0, 1), (0.5, 0.5), None, None, -1)], 1, np.zeros(1, dtype=np.uint32)
    )
    with pytest.raises(ValueError, match="one length"):
        replace(rows, alerts=[])


def test_arrays_are_laid_out_as_array_recv_reads_them() -> None:
    assert text_array([b"ab", None, b""]) == (
        struct.pack(">iiIii", 1, 1, 25, 3, 1)
        + struct.pack(">i", 2)
        + b"ab"
        + struct.pack(">i", -1)
        + struct.pack(">i", 0)
    )
    ids = np.array([[1, 2**64 - 1]], dtype=np.uint64)
    assert uuid_array(ids) == struct.pack(">iiIiiiQQ", 1, 0, 2950, 1, 1, 16, 1, 2**64 - 1)
