"""Files obey the earliest time as the stream does: seconds for milliseconds make no vectors of 1970."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from files.source import Source
from history.message_fields import OUTCOME
from history.reading import read_outcomes, read_payments, refusals_of, source_of_payments

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = [1_764_000_000, 1_764_000_060, 1_764_000_120]


@pytest.fixture
def payments(tmp_path: Path) -> Path:
    columns = {
        "transaction_id": ["t1", "t2", "t3"],
        "event_time": SECONDS,
        "payer_vpa": ["asha@okaxis"] * 3,
        "payee_vpa": ["shop@ybl"] * 3,
        "amount_paise": [100] * 3,
    }
    pq.write_table(pa.table(columns), tmp_path / "payments.parquet")
    return tmp_path / "payments.parquet"


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    columns = {"transaction_id": ["t1", "t2", "t3"], "outcome": ["FRAUD"] * 3, "reported_at": SECONDS}
    pq.write_table(pa.table(columns), tmp_path / "outcomes.parquet")
    return tmp_path / "outcomes.parquet"


def test_seconds_in_a_file_are_refused(payments: Path, outcomes: Path) -> None:
    for source in (source_of_payments(payments), Source(outcomes, OUTCOME)):
        refusals = refusals_of(source)
        assert (refusals.rows, refusals.reasons) == (3, {"out-of-range": 3})


def test_the_setting_lets_an_old_history_be_read(
    payments: Path, outcomes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPIFRAUD_EARLIEST_TIME", "1970-01-01")
    assert read_payments(source_of_payments(payments)).event_time.tolist() == SECONDS
    assert [row.reported_at for row in read_outcomes(outcomes).rows] == SECONDS
