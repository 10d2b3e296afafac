"""What verdicts keep: a release reads the form of the one before, which reads this one's in turn."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from features.entities import KINDS, PAYEE, PAYER
from features.errors import StoreCorruptError
from features.measure.located import LOCATED
from features.rebuild import RebuildInput
from features.record import payment_ids
from features.store.provenance import WRITTEN, payment_id_of, provenance_of, read_provenance
from tests.oracle import Payment, columns_of

SOME = [Payment(11, 1_790_000_000_000, 500, 7, 8, 9), Payment(12, 1_790_000_000_001, 600, 8, 7)]


def kept() -> list[bytes]:
    """What the verdicts on two payments keep."""
    located = np.zeros(len(SOME), dtype=LOCATED)
    located["at"], located["reports"] = [(3, 4, 5, 6, 7), (0, 1, -1, 2, 0)], [(1, 2), (0, 0)]
    return [row.tobytes() for row in provenance_of(columns_of(SOME), located)]


def of_before(row: bytes) -> bytes:
    """What the release of 2026-11 and those before it kept of the same payment."""
    return row[8:]


def as_read_before(row: bytes) -> tuple[int, ...]:
    """What the release of 2026-11 finds in a row of 88 bytes; what it does not look at is left out."""
    version, kinds = struct.unpack_from("<BB", row)
    assert (len(row), version, kinds) == (88, 1, 3)
    return struct.unpack_from("<3Q32x6i", row, 8)


def test_a_form_is_written_that_the_release_before_reads() -> None:
    """So one can go back to it, and rebuild with it."""
    rows = kept()
    assert [as_read_before(row) for row in rows] == [(7, 8, 9, 3, 4, 5, 6, 1, 2), (8, 7, 0, 0, 1, -1, 2, 0, 0)]
    assert all(as_read_before(row) == struct.unpack("<3Q32x6i", of_before(row)) for row in rows)
    found = read_provenance(rows)
    assert found["outbound_upto"].tolist() == [7, 0]
    assert found["device_reports"].tolist() == [2, 0]


def test_both_forms_are_read_side_by_side() -> None:
    """A row of the release before does not say what was paid out; nor does the second form, as it was announced."""
    new = kept()
    announced = new[1][:4] + bytes(4) + new[1][8:]
    mixed = [of_before(new[0]), new[1], new[0], of_before(new[1]), announced]
    found = read_provenance(mixed)
    assert found["outbound_upto"].tolist() == [-1, 0, 7, -1, -1]
    found["outbound_upto"] = read_provenance(new)["outbound_upto"][[0, 1, 0, 1, 1]]
    assert found.tobytes() == read_provenance(new)[[0, 1, 0, 1, 1]].tobytes()
    assert payment_ids(found["record"]).tolist() == [payment_id_of(row) for row in mixed] == [11, 12, 11, 12, 12]


def test_what_is_not_known_is_kept_as_not_known() -> None:
    located = np.zeros(len(SOME), dtype=LOCATED)
    located["at"][:, -1] = [-1, 3]
    rows = [row.tobytes() for row in provenance_of(columns_of(SOME), located)]
    assert read_provenance(rows)["outbound_upto"].tolist() == [-1, 3]


def test_logs_are_rebuilt_from_either_form() -> None:
    """Of a row of before, the payee's record says no more than it did then."""
    before, now = RebuildInput(), RebuildInput()
    before.add([of_before(row) for row in kept()])
    now.add(kept())
    logs = dict(log for batch in now.batches() for log in batch)
    logs_before = dict(log for batch in before.batches() for log in batch)
    assert list(logs) == list(logs_before)
    assert len(logs) == now.count_logs() == 5
    assert {name[:1] for name in logs} == {kind.letter for kind in KINDS}
    for name, log in logs.items():
        place_and_kind, since = logs_before[name][24:], log[24:]
        assert log[:24] == logs_before[name][:24]
        if name[:1] == PAYER.letter:
            assert since == place_and_kind
        else:
            paid_out = 0 if name == PAYEE.letter + (7).to_bytes(8, "little") else 7
            assert place_and_kind == struct.pack("<II", 0, 2)
            assert since == struct.pack("<II", paid_out, 2 | 1 << 31)


@pytest.mark.parametrize("row", [bytes(79), bytes(88), b"\x02" + kept()[0][1:]], ids=["short", "none", "newer"])
def test_what_another_release_wrote_is_refused(row: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="Run the release that wrote it"):
        read_provenance([kept()[0], row])


def test_what_is_written_has_the_length_that_devices_are_searched_by() -> None:
    """`device_hash` of the verdict store tells the forms apart by it."""
    assert WRITTEN.itemsize == 88
    assert int.from_bytes(kept()[0][24:32], "little") == SOME[0].device
