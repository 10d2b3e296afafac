"""How a history is cut: by how many rows it is thought to have, and by how much memory there is."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from history.reading import source_of_payments
from history.spill.plan import GB, PROCESS, Plan, estimated_rows

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 150_000


@pytest.fixture(scope="module")
def text() -> str:
    lines = (f"t{row:09},{1_767_200_000_000 + row * 977},p{row % 7_919}@a,m{row % 977}@b,{row}" for row in range(ROWS))
    return "transaction_id,event_time,payer_vpa,payee_vpa,amount_paise\n" + "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_text_are_guessed_from_the_first_ones(text: str, tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("payments.csv.gz" if packed else "payments.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert estimated_rows(source_of_payments(path)) == pytest.approx(ROWS, rel=0.1)


def test_a_small_file_is_counted(text: str, tmp_path: Path) -> None:
    path = tmp_path / "payments.csv"
    path.write_text("".join(text.splitlines(keepends=True)[:101]))
    assert estimated_rows(source_of_payments(path)) == 100


def test_a_day_of_a_bank_needs_no_more_than_it_may_have() -> None:
    """A worker's bucket fits beside the libraries of all processes, however long the history is."""
    for rows in (10_000, 2_000_000, 43_000_000, 1_000_000_000):
        plan = Plan(rows, 4 * GB, workers=2)
        room = (plan.memory - 3 * PROCESS) / 2
        buckets = plan.buckets
        assert rows * 330 / buckets.parties <= room
        assert rows * 260 / buckets.devices <= room
        assert rows * 200 / buckets.ids <= room
        assert buckets.parties >= 4, "all workers have something to do to the end"


def test_what_fits_is_measured_in_memory() -> None:
    assert Plan(1_000_000, 4 * GB, 2).fits_in_memory
    assert not Plan(4_000_000, 4 * GB, 2).fits_in_memory
    assert Plan(4_000_000, 16 * GB, 2).fits_in_memory
