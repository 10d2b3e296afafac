"""Laws of the switch and of replay, for any stretch of time, any file and any mixture of payments and outcomes."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files.source import Message, Source
from history.message_fields import PAYMENT
from simulator.dirt import Dirt, Note, Soiler
from simulator.parameters import Parameters
from simulator.payments import Payments
from simulator.records import TRANSACTIONS, Records, encoded
from simulator.replay import Merger
from simulator.schedule import AtOnce
from simulator.span import HISTORY_END_MS, Span
from simulator.switch import Switch
from simulator.timeline import DAY_MS
from simulator.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable

START = HISTORY_END_MS - 2 * DAY_MS


@cache
def switch() -> Switch:
    return Switch(Parameters(seed=61, payers=60, fraud_rate=0.1, genuine_rate=0.2))


def rows(payments: Payments) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(payments, one.name).tolist() for one in fields(Payments)), strict=True))


def payments_in(start: int, until: int) -> list[tuple[Any, ...]]:
    return [row for payments in switch().payments(start, until) for row in rows(payments)]


@cache
def two_days() -> list[tuple[Any, ...]]:
    return payments_in(START, HISTORY_END_MS)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(cut=st.integers(START, HISTORY_END_MS))
def test_any_two_stretches_that_meet_are_the_whole(cut: int) -> None:
    assert payments_in(START, cut) + payments_in(cut, HISTORY_END_MS) == two_days()


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(skip=st.integers(0, 300), count=st.integers(1, 300))
def test_a_span_takes_payments_out_of_the_middle(skip: int, count: int) -> None:
    taken = [row for run in Span(START, HISTORY_END_MS, skip, count).payments(switch()) for row in rows(run)]
    assert taken == two_days()[skip : skip + count]


def ids_in(runs: Iterable[Records]) -> set[str]:
    """The transaction ids of all records that are JSON objects and have one that is text."""
    found = set()
    for run in runs:
        for value in run.values:
            try:
                decoded = json.loads(value or b"")
            except ValueError:
                continue
            if isinstance(decoded, dict) and isinstance(decoded.get("transaction_id"), str):
                found.add(decoded["transaction_id"])
    return found


@cache
def clean_runs() -> list[Records]:
    return list(encoded(Traffic(switch(), Span(START, HISTORY_END_MS)), switch().directory))


share = st.floats(0, 0.4)


@settings(max_examples=25, deadline=None)
@given(
    dirt=st.builds(
        Dirt,
        duplicates=share,
        status_updates=share,
        late=share,
        late_minutes=st.floats(0, 600),
        untidy=share,
        malformed=st.integers(0, 60),
        conflicts=st.integers(0, 60),
    ),
    key=st.integers(0, 2**63),
)
def test_dirt_loses_nothing_and_notes_everything(dirt: Dirt, key: int) -> None:
    clean = clean_runs()
    count = sum(int((run.topic == TRANSACTIONS).sum()) for run in clean)
    notes: list[Note] = []
    runs = list(Soiler(dirt, key, count, 2 * DAY_MS, notes.append).soil(clean))
    delivered = sum(int((run.topic == TRANSACTIONS).sum()) for run in runs)
    assert sum(len(run) for run in runs) - delivered == sum(len(run) for run in clean) - count, "outcomes"
    repeated = sum(note.kind in {"duplicate", "status-update"} for note in notes)
    assert delivered == count + repeated + dirt.malformed + dirt.conflicts
    assert sum(bool(note.reason) for note in notes) == dirt.malformed + dirt.conflicts
    assert ids_in(runs) >= ids_in(clean)
    due = [time for run in runs for time in run.due.tolist()]
    assert due == sorted(due)


# Files ------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters='"'), min_size=1, max_size=12)
payment_rows = st.fixed_dictionaries(
    {
        "transaction_id": texts,
        "event_time": st.integers(0, 2**45),
        "payer_vpa": texts.map(lambda name: f"{name}@ybl"),
        "payee_vpa": texts.map(lambda name: f"{name}@axl"),
        "amount_paise": st.integers(-5, 10**11),
    },
    optional={"flow": st.sampled_from(["P2P", "P2M"]), "device_bound_at": st.integers(0, 2**45), "rrn": texts},
)
NAMES = ["transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise", "flow", "device_bound_at", "rrn"]


def replayed(path: Path) -> list[tuple[bytes | None, dict[str, Any]]]:
    return [(message.key, json.loads(message.value)) for message in Source(path, PAYMENT).messages()]


@settings(max_examples=40, deadline=None)
@given(table=st.lists(payment_rows, min_size=1, max_size=8))
def test_the_three_formats_say_the_same(table: list[dict[str, Any]]) -> None:
    expected = [(row["payer_vpa"].encode(), row) for row in table]
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        columns = {name: [row.get(name) for row in table] for name in NAMES}
        types = {"event_time": pa.int64(), "amount_paise": pa.int64(), "device_bound_at": pa.int64()}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in NAMES])
        pq.write_table(pa.table(columns, schema=schema), folder / "a.parquet")
        with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, NAMES)
            writer.writeheader()
            writer.writerows(table)
        (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
        for name in ("a.parquet", "a.csv", "a.jsonl"):
            assert replayed(folder / name) == expected, name


# Merging ----------------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """A broker and a group that is always there; remembers what had been committed when each record came."""

    name: str = "group"
    failed: int = 0
    records: list[tuple[str, int | None, int]] = field(default_factory=list)
    """Topic, moment, and how many records were committed before it was sent."""
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    committed_count: int = 0

    def send(self, topic: str, _key: bytes | None, value: bytes, _timestamp_ms: int) -> None:
        moment = None if value == b"None" else int(value)
        self.records.append((topic, moment, self.committed_count))
        self.ends[topic, 0] = self.ends.get((topic, 0), 0) + 1

    def poll(self) -> None:
        """Nothing to report."""

    def finish(self) -> None:
        """Acknowledged at once."""

    def committed(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        self.committed_count = len(self.records)
        return dict.fromkeys(partitions, 10**9)


@settings(max_examples=200, deadline=None)
@given(
    payments=st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=25),
    outcomes=st.lists(st.integers(0, 32), max_size=25),
)
def test_every_payment_sees_exactly_the_outcomes_of_its_past(payments: list[int | None], outcomes: list[int]) -> None:
    """Whatever the order of the file: at the first payment with event_time > reported_at the outcome is committed,
    and no payment ahead of the outcome in the merged order is uncommitted when the outcome goes out.
    """
    wire = Wire()
    Merger(wire, wire, ("pay", "out"), 1.0).replay(  # type: ignore[arg-type]
        [Message(None, str(moment).encode(), moment) for moment in payments],
        [Message(None, str(moment).encode(), moment) for moment in outcomes],
        AtOnce(),
    )
    assert [moment for topic, moment, _ in wire.records if topic == "pay"] == payments
    assert [moment for topic, moment, _ in wire.records if topic == "out"] == sorted(outcomes)
    highest = -1
    for position, (topic, moment, committed) in enumerate(wire.records):
        before = wire.records[:position]
        if topic == "out":
            assert moment is not None
            assert moment >= highest or highest < 0, "not before the first payment that may know it"
            payments_before = [index for index, record in enumerate(before) if record[0] == "pay"]
            assert all(index < committed for index in payments_before)
        else:
            outcomes_before = [index for index, record in enumerate(before) if record[0] == "out"]
            assert all(index < committed for index in outcomes_before)
            if moment is not None:
                due = sorted(one for one in outcomes if one < moment)
                assert [record[1] for record in before if record[0] == "out"][: len(due)] == due
                highest = max(highest, moment)
