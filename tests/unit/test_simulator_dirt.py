"""Every piece of dirt is where the manifest says, is what it says, and gets the reason it says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from features.identity import Identities
from simulator.conflicts import KINDS as CONFLICTS
from simulator.dirt import Dirt, Note, Soiler
from simulator.errors import ParameterError
from simulator.malformed import KINDS as MALFORMED
from simulator.parameters import Parameters
from simulator.records import OUTCOMES, TRANSACTIONS, Records, encoded
from simulator.span import HISTORY_END_MS, ending
from simulator.switch import Switch
from simulator.timeline import DAY_MS
from simulator.traffic import Traffic
from simulator.untidy import KINDS as UNTIDY
from stream.decode import decode_payments

IDENTITIES = Identities(bytes(16))
PAYMENTS = 6_000
PARAMETERS = Parameters(seed=41, payers=600)
SPAN_MS = int(PAYMENTS / PARAMETERS.payments_a_day * DAY_MS)
DIRT = Dirt(
    duplicates=0.005, status_updates=0.005, late=0.01, late_minutes=30, untidy=0.02, malformed=200, conflicts=80
)
REASONS = {
    "not-json",
    "not-an-object",
    "missing-field",
    "wrong-type",
    "out-of-range",
    "bad-vpa",
    "bad-time",
    "time-in-future",
    "null-value",
    "too-large",
}


@cache
def clean() -> list[Records]:
    switch = Switch(PARAMETERS)
    return list(encoded(Traffic(switch, ending(switch, HISTORY_END_MS, PAYMENTS)), switch.directory))


@cache
def soiled() -> tuple[list[tuple[bytes | None, bytes | None, int]], list[Note], list[Records]]:
    """The records of the transactions topic in order of delivery, the notes about them, and the runs."""
    notes: list[Note] = []
    runs = list(Soiler(DIRT, PARAMETERS.run_key, PAYMENTS, SPAN_MS, notes.append).soil(clean()))
    delivered = [
        (key, value, due)
        for run in runs
        for topic, key, value, due in zip(run.topic.tolist(), run.keys, run.values, run.due.tolist(), strict=True)
        if topic == TRANSACTIONS
    ]
    return delivered, notes, runs


def object_in(value: bytes | None) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(value or b"")
    return decoded


def identity(value: bytes | None) -> tuple[Any, ...]:
    """What makes two records the same payment: id, time, amount, parties."""
    fields = object_in(value)
    return tuple(fields[name] for name in ("transaction_id", "event_time", "amount_paise", "payer_vpa", "payee_vpa"))


def reason_given(value: bytes | None) -> str:
    """The reason for which the stream rejects this record; '' if it takes it."""
    rejections = decode_payments([value], HISTORY_END_MS + DAY_MS, IDENTITIES).rejections
    return str(rejections[0].reason) if rejections else ""


def test_every_note_points_at_its_record() -> None:
    delivered, notes, _ = soiled()
    for note in notes:
        value = delivered[note.position][1]
        assert note.sha256 == ("" if value is None else hashlib.sha256(value).hexdigest())
    assert [note.position for note in notes] == sorted(note.position for note in notes)
    assert len({note.position for note in notes}) == len(notes)


def test_what_has_no_note_is_a_clean_payment_and_all_of_them_are_delivered() -> None:
    delivered, notes, _ = soiled()
    noted = {note.position for note in notes}
    originals = [value for run in clean() for value, topic in zip(run.values, run.topic, strict=True) if topic == 0]
    untouched = [record[1] for position, record in enumerate(delivered) if position not in noted]
    changed_in_place = {kind.name for kind in UNTIDY}
    late = [delivered[note.position][1] for note in notes if note.kind == "late"]
    untidy = [note.transaction_id for note in notes if note.kind in changed_in_place]
    assert len(untouched) + len(late) + len(untidy) == len(originals) == PAYMENTS
    assert Counter(untouched) + Counter(late) <= Counter(originals)


def test_counts_are_as_asked() -> None:
    _, notes, _ = soiled()
    kinds = Counter(note.kind for note in notes)
    reasons = Counter(note.reason for note in notes)
    assert sum(kinds[kind.name] for kind in MALFORMED) == 200
    assert reasons["conflicting-duplicate"] == sum(kinds[kind.name] for kind in CONFLICTS) == 80
    assert kinds["duplicate"] == pytest.approx(0.005 * PAYMENTS, rel=0.5)
    assert kinds["status-update"] == pytest.approx(0.005 * PAYMENTS, rel=0.5)
    assert kinds["late"] == pytest.approx(0.01 * PAYMENTS, rel=0.4)
    assert sum(kinds[kind.name] for kind in UNTIDY) == pytest.approx(0.02 * PAYMENTS, rel=0.4)


def test_every_kind_of_malformed_record_occurs_and_every_reason() -> None:
    _, notes, _ = soiled()
    assert {note.kind for note in notes} >= {kind.name for kind in (*MALFORMED, *CONFLICTS, *UNTIDY)}
    assert {kind.reason for kind in MALFORMED} == REASONS
    assert len(MALFORMED) >= 12
    assert len({kind.name for kind in (*MALFORMED, *CONFLICTS, *UNTIDY)}) == len(MALFORMED) + len(CONFLICTS) + len(
        UNTIDY
    )


def test_the_stream_rejects_malformed_records_for_the_reason_in_the_manifest_and_takes_the_others() -> None:
    delivered, notes, _ = soiled()
    expected = {note.position: note.reason for note in notes if note.reason != "conflicting-duplicate"}
    for position, (_, value, _) in enumerate(delivered):
        assert reason_given(value) == expected.get(position, ""), (value or b"")[:200]


def test_a_duplicate_comes_after_its_original_byte_for_byte() -> None:
    delivered, notes, _ = soiled()
    for note in notes:
        if note.kind == "duplicate":
            key, value, _ = delivered[note.position]
            assert any(record[:2] == (key, value) for record in delivered[: note.position])


def test_a_status_update_is_the_same_payment_with_another_status() -> None:
    delivered, notes, _ = soiled()
    originals = {
        identity(value): value
        for run in clean()
        for value, topic in zip(run.values, run.topic, strict=True)
        if topic == TRANSACTIONS
    }
    updates = [note for note in notes if note.kind == "status-update"]
    assert updates
    for note in updates:
        value = delivered[note.position][1]
        assert object_in(value) == object_in(originals[identity(value)]) | {"status": "REVERSED"}


def test_late_payments_are_delivered_out_of_order_by_at_most_the_minutes_asked() -> None:
    delivered, notes, _ = soiled()
    behind = 0
    for note in notes:
        if note.kind == "late":
            _, value, due = delivered[note.position]
            assert 0 < due - object_in(value)["event_time"] <= 30 * 60_000 + 1
            just_before = [at for _, _, at in delivered[max(0, note.position - 5) : note.position]]
            behind += any(at > object_in(value)["event_time"] for at in just_before)
    assert behind > 20


def test_a_conflict_comes_well_after_its_original_and_differs_in_one_thing() -> None:
    delivered, notes, _ = soiled()
    conflicting = {note.position for note in notes if note.reason}
    first: dict[str, int] = {}
    for position, (_, value, _) in enumerate(delivered):
        if position not in conflicting:
            first.setdefault(object_in(value)["transaction_id"], position)
    changed: Counter[str] = Counter()
    for note in notes:
        if note.reason == "conflicting-duplicate":
            key, value, _ = delivered[note.position]
            original = first[note.transaction_id]
            assert note.position - original > PAYMENTS // 10
            before, after = object_in(delivered[original][1]), object_in(value)
            assert key == after["payer_vpa"].encode()
            if isinstance(before["event_time"], str) or before["payer_vpa"].isupper():
                continue  # the original was written untidily
            differing = {name for name in after if before.get(name, after[name]) != after[name]}
            differing &= {"event_time", "amount_paise", "payer_vpa", "payee_vpa"}
            assert len(differing) == 1
            changed[differing.pop()] += 1
    assert set(changed) == {"event_time", "amount_paise", "payer_vpa", "payee_vpa"}


def test_outcomes_are_left_as_they_are() -> None:
    _, _, runs = soiled()
    before = [value for run in clean() for value, topic in zip(run.values, run.topic, strict=True) if topic == OUTCOMES]
    after = [value for run in runs for value, topic in zip(run.values, run.topic, strict=True) if topic == OUTCOMES]
    assert before == after


def test_delivery_never_goes_back_in_due_times() -> None:
    _, _, runs = soiled()
    due = np.concatenate([run.due for run in runs])
    assert (np.diff(due) >= 0).all()


def test_the_same_key_gives_the_same_dirt() -> None:
    again: list[Note] = []
    list(Soiler(DIRT, PARAMETERS.run_key, PAYMENTS, SPAN_MS, again.append).soil(clean()))
    assert again == soiled()[1]


@pytest.mark.parametrize("wrong", [{"duplicates": 1.5}, {"late": -0.1}, {"malformed": -1}, {"late_minutes": -2.0}])
def test_dirt_outside_its_bounds_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="expected"):
        Dirt(**wrong)  # type: ignore[arg-type]


def test_more_dirt_than_payments_is_refused() -> None:
    with pytest.raises(ParameterError, match="fewer than the 100 payments"):
        Soiler(Dirt(conflicts=90), 1, 100, 1_000)
