"""A history measured on disk, bucket by bucket, is the one that is measured in memory: every bit, label and word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from history.measured import measure
from history.spill.place import Buckets
from tests.fixtures.histories import ANY, Files, assert_same, hostile, on_disk

if TYPE_CHECKING:
    from pathlib import Path

    from files.source import Refused
    from history.measured import Measured

pytestmark = pytest.mark.slow

Notes = list[tuple[str, "Refused"]]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return hostile(tmp_path_factory.mktemp("history"), payments=4_000, payers=60)


@pytest.fixture(scope="module")
def in_memory(history: Files) -> tuple[Measured, Notes]:
    notes: Notes = []
    return measure(*history, limits=ANY, note=lambda what, refused: notes.append((what, refused))), notes


@pytest.mark.parametrize(
    ("buckets", "piece"),
    [
        (Buckets(1, 1, 1), 65_536),
        (Buckets(3, 7, 2), 256),
        (Buckets(2, 200, 150), 1_000),  # most buckets have nobody
    ],
)
def test_the_cut_changes_nothing(
    history: Files, in_memory: tuple[Measured, Notes], tmp_path: Path, buckets: Buckets, piece: int
) -> None:
    expected, expected_notes = in_memory
    notes: Notes = []
    found = on_disk(history, tmp_path / "spill", buckets, piece, notes)
    assert_same(found, expected)
    assert sorted(notes) == sorted(expected_notes)
    asked = np.flatnonzero(np.arange(len(expected)) % 3 > 0)
    for before in (None, int(np.median(expected.event_time)), 0):
        ours, theirs = (one.labels(asked, before) for one in (found, expected))
        assert ours.fraud.tolist() == theirs.fraud.tolist()
        assert ours.typology == theirs.typology
        assert ours.fraud_reported_at.tolist() == theirs.fraud_reported_at.tolist()
        assert ours.reported == theirs.reported


def test_the_history_has_what_could_differ(in_memory: tuple[Measured, Notes]) -> None:
    """A test that compares two histories sees only what is in them."""
    measured, notes = in_memory
    assert set(np.unique(measured.state)) == {0, 1, 2}
    assert measured.refusals.duplicates > 50
    assert measured.refusals.reasons["conflicting-duplicate"] > 20
    assert measured.reported is not None
    assert measured.reported.refusals.unmatched > 5
    assert {what for what, _ in notes} == {"payments", "outcomes"}
    assert len(measured.reported.rows) > 100
