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
from features.online import OnlineFeatures
from features.schema import SCHEMA_HASH
from features.store.memory_store import MemoryEntityStore
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
from upifraud.worker import described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from features.store.contract import Applied, ApplyRequest


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
    """The flow on in-memory stores; nothing is published."""

    def __init__(self) -> None:
        self.entities, self.verdicts, self.lanes = EntityStore(), Claims(), Lanes()
        artifact = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
        patience = Patience(Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60), threading.Event())
        published: Any = SimpleNamespace(alert=lambda *_: None, dead_letter=lambda *_: None, confirm=lambda: None)
        store: Any = self.verdicts
        self.flow = TransactionFlow(
            lanes=self.lanes,
            identities=Identities(bytes(16)),
            features=FeatureStage(self.entities, OnlineFeatures(self.entities, 1 << 22), patience),
            judge=Judge(artifact, model_key=self.verdicts.model_key(described(artifact)), include_allow=False),
            store=store,
            outbox=published,
            patience=patience,
        )

    def process(self, first: int) -> None:
        asyncio.run(self.flow.process(fetch(first, 4)))

    @property
    def applied_to(self) -> int | None:
        return self.entities.next_offsets([b"transactions:0"])[0]


def fetch(first: int, count: int, names: dict[int, str] | None = None) -> Fetch:
    records: list[Any] = [
        SimpleNamespace(
            value=lambda offset=offset: msgspec.json.encode(
                msgspec.structs.replace(PAYMENT, transaction_id=(names or {}).get(offset, f"t{offset}"))
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
