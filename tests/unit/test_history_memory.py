"""The work stays within the memory it was given, counted over all of its processes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from bench import machine
from tests.fixtures.histories import simulated

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
def test_a_history_that_would_need_more_is_measured_within_memory(tmp_path: Path) -> None:
    """Measured in memory, 1.6 million payments took 2.8 GB, so 2 GB mean disk."""
    files = simulated(tmp_path / "history", 1_600_000, 21_000)
    out = tmp_path / "vectors.parquet"
    command = ["features", "--payments", files.payments, "--outcomes", files.outcomes, "--memory", "2GB", "--out", out]
    said, peak = tmp_path / "said.txt", 0
    with said.open("w") as stderr:
        work = subprocess.Popen([sys.executable, "-m", "upifraud", *map(str, command)], stderr=stderr)
        while work.poll() is None:
            peak = max(peak, machine.pss_bytes(work.pid))
            time.sleep(0.2)
    assert work.returncode == 0, said.read_text()
    assert "while they are measured" in said.read_text()
    assert peak < 2_000_000_000
