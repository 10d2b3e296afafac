"""What verdicts keep: a release reads the form of the one before, and that of the next."""

from __future__ import annotations

import numpy as np
import pytest

from features.entities import KINDS, PAYEE, PAYER
from features.errors import StoreCorruptError
from features.measure.located import LOCATED
from features.rebuild import RebuildInput
from features.record import payment_ids
from features.store.provenance import PROVENANCE, VERSION, VERSIONED, payment_id_of, provenance_of, read_provenance
from tests.oracle import Payment, columns_of

SOME = [Payment(11, 1_790_000_000_000, 500, 7, 8, 9), Payment(12, 1_790_000_000_001, 600, 8, 7)]


def kept() -> np.ndarray:
    """What the verdicts on two payments keep."""
    located = np.zeros(len(SOME), dtype=LOCATED)
    located["at"], located["reports"] = [(3, 4, 5, 6), (0, 1, -1, 2)], [(1, 2), (0, 0)]
    return provenance_of(columns_of(SOME), located)


def versioned(rows: np.ndarray, version: int = VERSION) -> np.ndarray:
    """The same in the form with a version."""
    found = np.zeros(len(rows), dtype=VERSIONED)
    found["version"], found["kinds"] = version, len(KINDS)
    for field in rows.dtype.names:
        found[field] = rows[field]
    return found


def test_the_form_without_a_version_is_written() -> None:
    rows = kept()
    assert rows.dtype.itemsize == PROVENANCE.itemsize == 80
    assert rows["payer_at"].tolist() == [3, 0]
    assert rows["device_reports"].tolist() == [2, 0]


def test_both_forms_are_read_side_by_side() -> None:
    old, new = kept(), versioned(kept())
    mixed = [old[0].tobytes(), new[1].tobytes(), new[0].tobytes()]
    found = read_provenance(mixed)
    assert found.tobytes() == old[[0, 1, 0]].tobytes()
    assert payment_ids(found["record"]).tolist() == [payment_id_of(row) for row in mixed] == [11, 12, 11]


def test_logs_are_rebuilt_from_either_form() -> None:
    plainly, behind = RebuildInput(), RebuildInput()
    plainly.add([row.tobytes() for row in kept()])
    behind.add([row.tobytes() for row in versioned(kept())])
    logs = [log for batch in behind.batches() for log in batch]
    assert logs == [log for batch in plainly.batches() for log in batch]
    assert len(logs) == behind.count_logs() == 5
    assert {name[:1] for name, _ in logs} == {kind.letter for kind in KINDS}
    assert {PAYER.letter + (7).to_bytes(8, "little"), PAYEE.letter + (7).to_bytes(8, "little")} <= {
        name for name, _ in logs
    }


@pytest.mark.parametrize(
    "row", [bytes(79), bytes(88), versioned(kept(), 2)[0].tobytes()], ids=["short", "none", "newer"]
)
def test_what_another_release_wrote_is_refused(row: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="Run the release that wrote it"):
        read_provenance([kept()[0].tobytes(), row])
