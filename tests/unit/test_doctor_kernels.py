"""What the doctor says of the directory where compiled kernels are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.compiled import Directories
from local.doctor import Verdict
from upifraud.commands.doctor import kernel_finding

OURS = Path("/opt/features/__pycache__/kernels-1")
TEMPORARY = Path("/tmp/upifraud-kernels-1000/kernels-1")


@pytest.mark.parametrize(
    ("kept", "given", "verdict", "found"),
    [
        (Directories((), OURS), None, Verdict.OK, f"kept in {OURS.parent}"),
        (Directories((), Path("/k/kernels-1")), "/k", Verdict.OK, "kept in /k"),
        (Directories((OURS,), TEMPORARY), None, Verdict.OPTIONAL, "may be emptied when the machine starts"),
        (Directories((OURS,), None), None, Verdict.OPTIONAL, f"read from {OURS.parent}"),
        (Directories((), OURS), "/k", Verdict.PROBLEM, "NUMBA_CACHE_DIR names /k, where nothing can be written"),
        (Directories((), None), None, Verdict.PROBLEM, "no directory that can be written to"),
    ],
)
def test_the_doctor_says_where_kernels_are_and_what_to_do(
    kept: Directories, given: str | None, verdict: Verdict, found: str
) -> None:
    finding = kernel_finding(kept, given)
    assert finding.verdict is verdict
    assert found in finding.found
    assert ("NUMBA_CACHE_DIR" in finding.to_do) is (verdict is not Verdict.OK)
