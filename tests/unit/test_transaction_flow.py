"""No offset of the online store moves over payments that were not applied, whatever failed before."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from features.errors import StoreCorruptError
from features.identity import Identities
from features.memory_store import MemoryEntityStore
from features.online import OnlineFeatures
from features.schema import SCHEMA_HASH
from model.artifact import DEFAULT_DIR, load
from stream.errors import FatalError
from stream.feature_stage import FeatureStage
from stream.health import Health
from stream.judge import Judge
from stream.lanes import Lanes
from stream.retry import Patience
from stream.schemas.examples import PAYMENT
from stream.transactions import TransactionFlow
from stream.transport.fetch import Fetch, Slice
from stream.verdict_store import MemoryVerdictStore
from stream.wire import EARLIEST_TIME_MS
from upifraud.worker import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from features.store import Applied, ApplyRequest
    from stream.decode import Rejection


class EntityStore(MemoryEntityStore):
    fails = False

    def apply(self, request: ApplyRequest) -> Applied:
        if self.fails:
            raise StoreCorruptError("a log of 7 bytes")
        return super().apply(request)


class Claims(MemoryVerdictStore):
    fails = False

    def claim(self, *args: Any, **kwargs: Any) -> Any:
        if self.fails:
            raise FatalError("no such table")
        return super().claim(*args, **kwargs)


class Program:
    """The flow on in-memory stores; nothing is published, dead letters are kept with their offsets."""

    def __init__(self, before: Program | None = None, *, earliest_ms: int = EARLIEST_TIME_MS) -> None:
        self.entities = EntityStore() if before is None else before.entities
        self.verdicts = Claims() if before is None else before.verdicts
        self.lanes = Lanes()
        artifact = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
        patience = Patience(Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60), threading.Event())
        self.dead_letters: list[tuple[int, Rejection]] = []
        published: Any = SimpleNamespace(
            alert=lambda *_: None,
            dead_letter=lambda record, rejection: self.dead_letters.append((record.offset(), rejection)),
            confirm=lambda: None,
        )
        store: Any = self.verdicts
        self.flow = TransactionFlow(
            lanes=self.lanes,
            identities=Identities(bytes(16)),
            features=FeatureStage(self.entities, OnlineFeatures(self.entities, 1 << 22), patience),
            judge=Judge(artifact, model_key=self.verdicts.model_key(described(artifact)), include_allow=False),
            store=store,
            outbox=published,
            patience=patience,
            earliest_ms=earliest_ms,
        )

    def process(self, first: int) -> None:
        asyncio.run(self.flow.process(fetch(first, 4)))

    @property
    def applied_to(self) -> int | None:
        return self.entities.next_offsets([b"transactions:0"])[0]


def fetch(first: int, count: int, names: dict[int, str] | None = None, **changed: Any) -> Fetch:
    records: list[Any] = [
        SimpleNamespace(
            value=lambda offset=offset: msgspec.json.encode(
                msgspec.structs.replace(PAYMENT, transaction_id=(names or {}).get(offset, f"t{offset}"), **changed)
            ),
            offset=lambda offset=offset: offset,
            timestamp=lambda: (1, 1_764_000_000_000),
        )
        for offset in range(first, first + count)
    ]
    return Fetch("transactions", [Slice(0, records)])


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.lanes.close()


def test_micro_batches_move_the_offset_one_after_the_other(program: Program) -> None:
    for first in (0, 4, 8):
        program.process(first)
    assert program.applied_to == 12
    assert program.verdicts.get("t11") is not None


def test_a_repetition_that_is_read_again_without_its_original_changes_nothing(program: Program) -> None:
    """Its id is forgotten, so it claims it: the row of the original stands, and the logs are what they were."""
    names = {1: "t0"}
    asyncio.run(program.flow.process(fetch(0, 2, names)))
    logs = {name: bytes(log) for name, log in program.entities.logs.items()}
    row = program.verdicts.get("t0")
    assert program.verdicts.forget_ids(2**31) == 1
    asyncio.run(program.flow.process(fetch(1, 1, names)))
    assert {name: bytes(log) for name, log in program.entities.logs.items()} == logs
    assert program.verdicts.get("t0") == row
    assert program.applied_to == 2
    asyncio.run(program.flow.process(fetch(2, 1)))
    assert {len(log) for log in program.entities.logs.values()} == {64}


def test_what_is_no_record_moves_the_stores_offset_too(program: Program) -> None:
    """Else the next start would lie before the commit, and retention could take what is there."""
    program.process(0)
    asyncio.run(program.flow.process(Fetch("transactions", [Slice(0, []), Slice(1, [])], {0: 6, 1: 9})))
    assert program.applied_to == 6
    assert program.entities.next_offsets([b"transactions:1"]) == [9]
    program.process(6)
    assert program.applied_to == 10
    assert program.verdicts.get("t9") is not None


@pytest.mark.parametrize("failing", ["entities", "verdicts"])
def test_nothing_is_applied_after_a_micro_batch_that_was_not(program: Program, failing: str) -> None:
    program.process(0)
    store = getattr(program, failing)
    store.fails = True
    with pytest.raises(FatalError, match=r"7 bytes|no such table"):
        program.process(4)
    store.fails = False
    with pytest.raises(FatalError, match="micro-batch before"):
        program.process(8)
    assert program.applied_to == 4


@pytest.mark.parametrize(
    "changed", [{"event_time": 1_764_000_000}, {"payer_vpa": "@okaxis"}, {"payee_vpa": "sh\u200bop@ybl"}]
)
def test_what_an_older_version_judged_is_judged_again_and_what_is_new_is_a_dead_letter(
    program: Program, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version stored three of these and died; all come to this one, and a fourth that is new."""
    with monkeypatch.context() as older:
        older.setattr("stream.decode.payments.refused", lambda _payment, _earliest_ms: None)
        asyncio.run(program.flow.process(fetch(0, 3, **changed)))
    assert program.dead_letters == []
    upgraded = Program(program)
    try:
        asyncio.run(upgraded.flow.process(fetch(0, 4, **changed)))
        assert [offset for offset, _ in upgraded.dead_letters] == [3]
        asyncio.run(upgraded.flow.process(fetch(4, 1, **changed)))
        assert [offset for offset, _ in upgraded.dead_letters] == [3, 4]
    finally:
        upgraded.lanes.close()
    assert [upgraded.verdicts.get(f"t{offset}") is not None for offset in range(5)] == [True] * 3 + [False] * 2


def test_the_earliest_time_can_be_lowered(program: Program) -> None:
    lenient = Program(program, earliest_ms=0)
    try:
        asyncio.run(lenient.flow.process(fetch(0, 1, event_time=1_764_000_000)))
        assert lenient.dead_letters == []
    finally:
        lenient.lanes.close()


def test_the_next_micro_batch_may_be_formed_when_the_store_is_asked(program: Program) -> None:
    """What paces them: under load a micro-batch is ready when the one before leaves its slowest step."""
    first = fetch(0, 4)
    passed = []
    apply = program.entities.apply

    def asked(request: ApplyRequest) -> Applied:
        passed.append(first.passed.is_set())
        return apply(request)

    program.entities.apply = asked  # type: ignore[method-assign]
    admit = program.verdicts.claim

    def claimed(*args: Any) -> Any:
        passed.append(first.passed.is_set())
        return admit(*args)

    program.verdicts.claim = claimed  # type: ignore[method-assign]
    asyncio.run(program.flow.process(first))
    assert passed == [False, True]
