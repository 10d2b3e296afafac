"""Payments in the order of an export, whatever order they came in, and however little may wait in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from history.by_time import by_time, joined
from history.chunk import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def chunks(times: NDArray[np.int64], ids: list[bytes], size: int) -> Iterator[Chunk]:
    for start in range(0, len(times), size):
        rows = slice(start, start + size)
        row = np.arange(start, start + len(times[rows]))
        vectors = np.stack([row, -row], axis=1).astype(np.float32)
        yield Chunk(pa.array(ids[rows], pa.binary()), times[rows], vectors, (row % 4).astype(np.uint8), row)


ORDERS = {
    "in order": lambda draw, n: np.sort(draw.integers(0, n, n)),
    "a little late": lambda draw, n: np.arange(n) - 40 * (np.arange(n) % 9 == 0),
    "in no order": lambda draw, n: draw.permutation(n),
    "backwards": lambda _, n: np.arange(n)[::-1].copy(),
    "few times": lambda draw, n: draw.integers(0, 5, n),
    "one time": lambda _, n: np.full(n, 7),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("most", [0, 300, 10**9], ids=["all on disk", "some on disk", "in memory"])
def test_payments_come_by_time_and_id(tmp_path: Path, order: str, most: int) -> None:
    draw = np.random.default_rng(5)
    times = ORDERS[order](draw, 2_000).astype(np.int64)
    ids = [f"{number:x}é".encode() for number in draw.permutation(2_000)]
    found = joined(list(by_time(chunks(times, ids, 170), times, tmp_path, part=100, most=most)))
    expected = sorted(range(2_000), key=lambda row: (times[row], ids[row]))
    assert found.row.tolist() == expected
    assert found.transaction_id == [ids[row] for row in expected]
    assert found.event_time.tolist() == times[expected].tolist()
    assert found.vectors.tolist() == [[row, -row] for row in expected]
    assert found.state.tolist() == [row % 4 for row in expected]
    assert list(tmp_path.iterdir()) == []


def test_a_part_comes_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    """So that a file in order never waits."""
    times = np.arange(1_000)
    taken = []

    def counted() -> Iterator[Chunk]:
        for chunk in chunks(times, [b"%d" % at for at in times], 100):
            taken.append(len(chunk))
            yield chunk

    first = next(by_time(counted(), times, tmp_path, part=50))
    assert (len(first), sum(taken)) == (50, 100)
