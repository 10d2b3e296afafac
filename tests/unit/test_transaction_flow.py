"""No offset of the online store moves over payments that were not applied, whatever failed before."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from confluent_kafka import Message

from features.errors import StoreCorruptError
from features.identity import Identities
from features.online import OnlineFeatures
from features.schema import SCHEMA_HASH
from features.store.memory_store import MemoryEntityStore
from model.artifact import DEFAULT_DIR, load
from stream import metrics
from stream.errors import FatalError
from stream.facts import FACTS, unpack
from stream.kafka.fetch import Fetch, Slice
from stream.running.health import Health
from stream.running.lane import Lane
from stream.running.lanes import Lanes
from stream.running.retry import Retry, Server
from stream.schemas.examples import PAYMENT
from stream.sinks.dead_letters import DeadLetters
from stream.stages.feature_stage import FeatureStage
from stream.stages.judge import Judge
from stream.stages.verdict_stage import VerdictStage
from stream.steps import Step
from stream.transactions import TransactionFlow
from stream.verdict_store import MemoryVerdictStore
from stream.wire import EARLIEST_TIME_MS
from upifraud.described import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from features.store.contract import Applied, ApplyRequest
    from stream.kafka.publisher import Header
    from stream.verdict_store import StoredVerdicts


class EntityStore(MemoryEntityStore):
    fails = False

    def apply(self, request: ApplyRequest) -> Applied:
        if self.fails:
            raise StoreCorruptError("a log of 7 bytes")
        return super().apply(request)


class Verdicts(MemoryVerdictStore):
    fails = False

    def claim(self, *args: Any, **kwargs: Any) -> Any:
        if self.fails:
            raise FatalError("no such table")
        return super().claim(*args, **kwargs)


class Kept:
    """A sink that keeps what it was given; `order` hears of it."""

    def __init__(self, order: list[str]) -> None:
        self.stored: list[StoredVerdicts] = []
        self._order = order

    def deliver(self, stored: StoredVerdicts) -> None:
        self.stored.append(stored)
        self._order.append("deliver")

    def confirm(self) -> None:
        self._order.append("confirm")


class Published:
    """Stands for Kafka: keeps topic and value of what was published."""

    def __init__(self, order: list[str]) -> None:
        self.records: list[tuple[str, bytes | None]] = []
        self.source_offsets: list[int] = []
        self._order = order

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        self.records.append((topic, value))
        self.source_offsets.append(int(dict(headers)["source-offset"] or b""))

    def confirm(self, seconds: float) -> None:
        self._order.append("dead letters")


class Program:
    """The flow on in-memory stores, with a sink that keeps what stands."""

    def __init__(self, before: Program | None = None, *, earliest_ms: int = EARLIEST_TIME_MS) -> None:
        self.entities = EntityStore() if before is None else before.entities
        self.verdicts = Verdicts() if before is None else before.verdicts
        self.lanes = Lanes()
        self.order: list[str] = []
        self.sink, self.published = Kept(self.order), Published(self.order)
        artifact = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
        health, stop = Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60), threading.Event()
        self.flow = TransactionFlow(
            lanes=self.lanes,
            identities=Identities(bytes(16)),
            features=FeatureStage(
                self.entities, OnlineFeatures(self.entities, 1 << 22), Retry(Server.REDIS, health, stop)
            ),
            judge=Judge(artifact, model_key=self.verdicts.model_key(described(artifact))),
            verdicts=VerdictStage(self.verdicts, Retry(Server.POSTGRES, health, stop)),
            sinks=[self.sink],
            dead_letters=DeadLetters(self.published, Retry(Server.KAFKA, health, stop)),
            earliest_ms=earliest_ms,
        )

    def process(self, first: int) -> None:
        asyncio.run(self.flow.process(fetch(first, 4)))

    @property
    def applied_to(self) -> int | None:
        return self.entities.next_offsets([b"transactions:0"])[0]


def fetch(first: int, count: int, names: dict[int, str] | None = None, *, odd: bytes = b"", **changed: Any) -> Fetch:
    """Return so many payments, some with names of their own, the last one replaced by what is odd."""
    values = [
        msgspec.json.encode(
            msgspec.structs.replace(PAYMENT, transaction_id=(names or {}).get(offset, f"t{offset}"), **changed)
        )
        for offset in range(first, first + count)
    ]
    if odd:
        values[-1] = odd
    records = [
        Message(topic="transactions", partition=0, offset=first + index, value=value, timestamp=(1, 1_764_000_000_000))
        for index, value in enumerate(values)
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
    assert program.published.source_offsets == []
    upgraded = Program(program)
    try:
        asyncio.run(upgraded.flow.process(fetch(0, 4, **changed)))
        assert upgraded.published.source_offsets == [3]
        asyncio.run(upgraded.flow.process(fetch(4, 1, **changed)))
        assert upgraded.published.source_offsets == [3, 4]
    finally:
        upgraded.lanes.close()
    assert [upgraded.verdicts.get(f"t{offset}") is not None for offset in range(5)] == [True] * 3 + [False] * 2


def test_the_earliest_time_can_be_lowered(program: Program) -> None:
    lenient = Program(program, earliest_ms=0)
    try:
        asyncio.run(lenient.flow.process(fetch(0, 1, event_time=1_764_000_000)))
        assert lenient.published.source_offsets == []
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


def test_effects_come_in_the_order_that_makes_it_safe_to_die_anywhere(program: Program) -> None:
    for store, names in ((program.verdicts, ("claim", "insert")), (program.entities, ("apply",))):
        for name in names:
            call = getattr(store, name)
            setattr(store, name, lambda *a, name=name, call=call, **k: (program.order.append(name), call(*a, **k))[1])
    asyncio.run(program.flow.process(fetch(0, 4, odd=b"no payment")))
    assert program.order == ["claim", "apply", "insert", "deliver", "confirm", "dead letters"]
    assert program.published.records == [("transactions.dead-letter", b"no payment")]
    assert program.sink.stored[0].transaction_id == [b"t0", b"t1", b"t2"]


def test_a_sink_sees_what_stands_and_never_what_was_computed_again(program: Program) -> None:
    program.process(0)
    key = (b"t1", program.verdicts._verdicts[next(iter(program.verdicts._verdicts))].event_time)
    was = program.verdicts._verdicts[key]
    program.verdicts._verdicts[key] = replace(was, verdict=3, score=0.75, alert=b"as it was stored")
    program.process(0)
    first, again = program.sink.stored
    assert first.is_new.all()
    assert not again.is_new.any()
    assert again.verdict.tolist() == [first.verdict[0], 3, *first.verdict[2:].tolist()]
    assert again.score.tolist() == [first.score[0], 0.75, *first.score[2:].tolist()]
    assert again.alerts == [first.alerts[0], b"as it was stored", *first.alerts[2:]]
    assert again.transaction_id == first.transaction_id


def test_a_sink_that_fails_keeps_the_micro_batch_unfinished(program: Program) -> None:
    def refuse() -> None:
        raise FatalError("no such topic")

    program.sink.confirm = refuse  # type: ignore[method-assign]
    with pytest.raises(FatalError, match="no such topic"):
        program.process(0)


def test_nothing_is_applied_after_a_micro_batch_that_was_cancelled_before_its_turn(program: Program) -> None:
    """It never ran, so it claimed and applied nothing: the offsets must not move over its payments."""
    go_on = threading.Event()

    async def scene() -> None:
        before = asyncio.ensure_future(program.lanes.run(program.lanes.claim, go_on.wait, 10))
        cancelled = asyncio.ensure_future(program.flow.process(fetch(0, 4)))
        await asyncio.sleep(0)
        after = asyncio.ensure_future(program.flow.process(fetch(4, 4)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(FatalError, match="micro-batch before"):
            await after
        await before

    asyncio.run(scene())
    assert program.applied_to is None


def test_every_step_is_counted_once_a_micro_batch(program: Program) -> None:
    def counts() -> dict[Step, float]:
        name = "stage_latency_seconds_count"
        return {step: metrics.REGISTRY.get_sample_value(name, {"stage": step}) or 0 for step in Step}

    before = counts()
    program.process(0)
    assert counts() == {step: count + 1 for step, count in before.items()}


def test_lanes_are_named_for_the_steps(program: Program) -> None:
    assert {name for name, lane in vars(program.lanes).items() if isinstance(lane, Lane)} <= set(Step)


def test_facts_and_the_rrn_are_stored_with_the_verdict(program: Program) -> None:
    """Those of the first record: a duplicate among them changes nothing, and moves no facts to another row."""
    asyncio.run(program.flow.process(fetch(0, 1, rrn="532818274655")))
    other = msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id="t3", rrn="8"))
    asyncio.run(program.flow.process(fetch(1, 3, {1: "t0"}, odd=other, rrn="7")))
    asyncio.run(program.flow.process(fetch(4, 1, **dict.fromkeys(fact.name for fact in FACTS))))
    stored = [program.verdicts.get(name) for name in ("t0", "t2", "t3", "t4")]
    facts = [unpack(row.facts) for row in stored if row is not None]
    assert [row.rrn for row in stored if row is not None] == [532_818_274_655, 7, 8, None]
    assert [known.get("rrn") for known in facts] == ["532818274655", "7", "8", None]
    assert [known.get("payee_ifsc") for known in facts] == [PAYMENT.payee_ifsc] * 3 + [None]
