"""Who waits for which payment, without servers: shared, bounded, published once, and answered by the row alone."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from features.identity import Identities
from features.schema import SCHEMA_HASH
from model.artifact import DEFAULT_DIR, load
from service.door.problems import Problem
from service.servers import Servers
from service.waiting import asked as asked_module
from service.waiting import looking
from service.waiting import waiters as waiters_module
from service.waiting.asked import Taking, take_apart
from service.waiting.looking import Looking
from service.waiting.pace import MOST, Pace
from service.waiting.records import Records
from service.waiting.waiter import Answer, Waiter
from service.waiting.waiters import Waiters
from stream.errors import RetryableError
from stream.kafka.receipts import Receipt
from stream.verdict_store import Model, VerdictRecord
from stream.verdict_store.artifacts import ArtifactGoneError
from stream.verdict_store.door import ClaimOf
from stream.verdict_store.errors import UnavailableError
from stream.wire import EARLIEST_TIME_MS

NOW = int(time.time() * 1000)
ARTIFACT = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
MODEL = Model(ARTIFACT.model_id, ARTIFACT.schema_hash, ARTIFACT.base_value, ARTIFACT.feature_names)


def asked(name: str = "T", *, amount: int = 5, event_time: int = NOW):
    value = {"transaction_id": name, "event_time": event_time, "payer_vpa": "a@b", "payee_vpa": "c@d"}
    values = [json.dumps({**value, "amount_paise": amount}).encode()]
    (one,), rejections = take_apart(values, NOW, Identities(bytes(16)), EARLIEST_TIME_MS)
    assert not rejections
    return one


def row_of(one, model: Model = MODEL) -> VerdictRecord:
    return VerdictRecord(
        one.transaction_id.decode(), one.event_time, one.event_time + 9, one.payer_vpa.decode(),
        one.payee_vpa.decode(), one.amount_paise, 0, 0.01, -5.0, 0, model,
        np.zeros(len(model.features), dtype=np.float32), b"", 0, 0, None, None, None, None,
    )  # fmt: skip


class Broker:
    """Confirms when told to."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.waiting: list = []
        self.full = False

    def send(self, topic, key, value, told) -> None:
        if self.full:
            raise RetryableError("full", server="kafka")
        self.sent.append(value)
        self.waiting.append(told)

    def poll(self) -> None:
        """What is known was told already."""

    def confirm(self) -> None:
        for offset, told in enumerate(self.waiting):
            told(Receipt(3, offset))
        self.waiting = []


class Rows:
    """Stands for the store; `gone` is Postgres that does not answer."""

    def __init__(self) -> None:
        self.claimed: dict[bytes, int] = {}
        self.rows: dict[tuple[bytes, int], VerdictRecord] = {}
        self.gone = False

    def make_ready(self) -> None:
        if self.gone:
            raise UnavailableError("gone")

    def claims(self, ids):
        if self.gone:
            raise UnavailableError("gone")
        found = {index: self.claimed.get(one.tobytes()) for index, one in enumerate(ids)}
        return {index: ClaimOf(one, 0, 0) for index, one in found.items() if one is not None}

    def stored(self, keys):
        if self.gone:
            raise UnavailableError("gone")
        return {key: self.rows[key] for key in keys if key in self.rows}

    def claim(self, one) -> None:
        self.claimed[one.id128] = one.fingerprint

    def store(self, one, model: Model = MODEL) -> None:
        self.claim(one)
        self.rows[one.transaction_id, one.event_time] = row_of(one, model)


class Scene:
    """Waiters on a broker and a store, in the event loop of a test."""

    def __init__(self, most: int = 10) -> None:
        self.broker, self.rows, self.servers = Broker(), Rows(), Servers()
        self.waiters = Waiters(asyncio.get_running_loop(), self.broker, "transactions", most)

        def gone(_model: Model):
            raise ArtifactGoneError("nowhere")

        self.records = Records(gone, ARTIFACT)
        self.looking = Looking(self.waiters, self.rows, self.records, self.servers)

    async def until(self, condition, what: str) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, what
            await asyncio.sleep(0.002)

    def close(self) -> None:
        if self.looking.is_alive():
            self.looking.stop()
        self.records.close()


def with_scene(play, **settings):
    async def run() -> None:
        scene = Scene(**settings)
        try:
            await play(scene)
        finally:
            scene.close()

    asyncio.run(run())


def test_calls_for_one_payment_wait_together_and_it_is_published_once():
    async def play(scene: Scene) -> None:
        joined = [scene.waiters.join([asked()]) for _ in range(5)]
        assert len({id(waiter) for _, (waiter,) in joined}) == len(scene.waiters) == 1
        for _, waiters in joined:
            scene.waiters.publish(waiters)
        assert len(scene.broker.sent) == 1
        (waiter,) = joined[0][1]
        assert not waiter.is_accepted
        scene.broker.confirm()
        assert (waiter.receipt, waiter.is_accepted) == (Receipt(3, 0), True)
        scene.waiters.answer([(waiter, Answer(200, b"{}"))])
        assert all(call.done.done() for call, _ in joined)
        assert len(scene.waiters) == 0

    with_scene(play)


def test_who_leaves_takes_nobody_else_s_place():
    async def play(scene: Scene) -> None:
        call, old = scene.waiters.join([asked()])
        scene.waiters.answer([(old[0], Answer(200, b"{}"))])
        other, new = scene.waiters.join([asked()])
        scene.waiters.leave(call, old)
        assert len(scene.waiters) == 1
        assert new[0] is not old[0]
        scene.waiters.leave(other, new)
        assert len(scene.waiters) == 0

    with_scene(play)


def test_more_than_can_be_waited_for_are_refused_whole():
    async def play(scene: Scene) -> None:
        scene.waiters.join([asked("1"), asked("2")])
        with pytest.raises(Problem) as refused:
            scene.waiters.join([asked("3"), asked("4")])
        assert refused.value.status == 503
        assert len(scene.waiters) == 2

    with_scene(play, most=3)


def test_what_the_broker_has_confirmed_is_not_published_again():
    async def play(scene: Scene) -> None:
        call, first = scene.waiters.join([asked()])
        scene.waiters.publish(first)
        scene.broker.confirm()
        scene.waiters.leave(call, first)
        _, again = scene.waiters.join([asked()])
        scene.waiters.publish(again)
        assert len(scene.broker.sent) == 1
        assert again[0].is_accepted

    with_scene(play)


def test_what_could_not_be_published_is_tried_again():
    async def play(scene: Scene) -> None:
        scene.broker.full = True
        _, waiters = scene.waiters.join([asked()])
        scene.waiters.publish(waiters)
        assert not waiters[0].is_accepted
        assert waiters[0].failure
        scene.broker.full = False
        scene.waiters.publish(waiters)
        assert len(scene.broker.sent) == 1

    with_scene(play)


def test_a_free_id_is_published_and_its_row_is_the_answer():
    async def play(scene: Scene) -> None:
        scene.looking.start()
        call, waiters = scene.waiters.join([asked()])
        await scene.until(lambda: scene.broker.sent, "published")
        scene.rows.store(asked())
        await asyncio.wait_for(call.done, 20)
        answer = waiters[0].answer
        assert answer.status == 200
        assert json.loads(answer.body)["transaction_id"] == "T"
        call, again = scene.waiters.join([asked()])
        await asyncio.wait_for(call.done, 20)
        assert again[0].answer == answer, "the same bytes"
        assert len(scene.broker.sent) == 1, "a claimed id is not published"

    with_scene(play)


def test_payments_that_come_together_are_taken_apart_together_each_with_its_own_answer(monkeypatch):
    calls, real = [], asked_module.take_apart

    def counted(values, *more):
        calls.append(len(values))
        return real(values, *more)

    monkeypatch.setattr(asked_module, "take_apart", counted)

    async def play() -> list:
        taking = Taking(Identities(bytes(16)), EARLIEST_TIME_MS)
        values = [asked(name).value for name in ("1", "2")]
        return await asyncio.gather(taking.one(values[0]), taking.one(b"{"), taking.one(values[1]))

    first, bad, second = asyncio.run(play())
    assert calls == [3]
    assert (first.transaction_id, second.transaction_id) == (b"1", b"2")
    assert (first.index, second.index, second.row) == (0, 0, 1)
    assert second.decoded.payments.event_time[second.row] == NOW
    assert bad.reason == "not-json"


def test_an_id_of_another_payment_is_a_conflict_and_is_not_published():
    async def play(scene: Scene) -> None:
        scene.looking.start()
        scene.rows.claim(asked(amount=6))
        call, waiters = scene.waiters.join([asked(amount=5)])
        await asyncio.wait_for(call.done, 20)
        assert waiters[0].answer == looking.CONFLICT
        assert scene.broker.sent == []

    with_scene(play)


def test_who_loses_a_race_for_an_id_hears_of_it():
    async def play(scene: Scene) -> None:
        scene.looking.start()
        call, waiters = scene.waiters.join([asked(event_time=NOW - 1)])
        await scene.until(lambda: scene.broker.sent, "published")
        scene.rows.store(asked(event_time=NOW - 2))
        await asyncio.wait_for(call.done, 20)
        assert waiters[0].answer == looking.CONFLICT

    with_scene(play)


def test_an_old_payment_whose_claim_is_forgotten_is_not_published_again():
    async def play(scene: Scene) -> None:
        scene.looking.start()
        old = asked(event_time=NOW - 5 * 86_400_000)
        scene.rows.store(old)
        scene.rows.claimed.clear()
        call, waiters = scene.waiters.join([old])
        await asyncio.wait_for(call.done, 20)
        assert waiters[0].answer.status == 200
        assert scene.broker.sent == [], "it would count twice"

    with_scene(play)


def test_a_store_that_is_gone_is_said_and_looked_at_again():
    async def play(scene: Scene) -> None:
        scene.rows.gone = True
        scene.looking.start()
        call, _ = scene.waiters.join([asked()])
        await scene.until(lambda: "postgres" in scene.servers.waiting_for(), "said to be gone")
        scene.rows.gone = False
        scene.rows.store(asked())
        await asyncio.wait_for(call.done, 20)
        assert scene.servers.waiting_for() == {}

    with_scene(play)


def test_a_row_whose_artifact_is_nowhere_fails_alone():
    async def play(scene: Scene) -> None:
        scene.looking.start()
        scene.rows.store(asked("lost"), replace(MODEL, model_id="another"))
        scene.rows.store(asked("good"))
        call, waiters = scene.waiters.join([asked("lost"), asked("good")])
        await asyncio.wait_for(call.done, 20)
        assert [waiter.answer.status for waiter in waiters] == [500, 200]

    with_scene(play)


def test_a_row_is_looked_for_when_the_stream_may_have_decided_and_not_before():
    async def play(scene: Scene) -> None:
        for _ in range(200):
            scene.looking._pace.took(60.0)  # the first look comes after MOST
        looks: list[float] = []
        stored = scene.rows.stored

        def noted(keys):
            looks.append(time.perf_counter())
            return stored(keys)

        scene.rows.stored = noted
        scene.looking.start()
        call, (waiter,) = scene.waiters.join([asked()])
        await scene.until(lambda: scene.broker.sent, "published")
        scene.rows.rows[b"T", NOW] = row_of(asked())
        await asyncio.wait_for(call.done, 20)
        assert waiter.answer.status == 200
        assert min(looks) >= waiter.published_at + MOST

    with_scene(play)


def test_a_row_that_is_there_already_is_not_waited_for():
    async def play(scene: Scene) -> None:
        for _ in range(200):
            scene.looking._pace.took(60.0)
        scene.rows.store(asked())
        scene.looking.start()
        call, (waiter,) = scene.waiters.join([asked()])
        await asyncio.wait_for(call.done, 20)
        assert (waiter.answer.status, waiter.published_at) == (200, None), "its claim says so"

    with_scene(play)


def test_the_first_look_follows_the_fastest_of_what_the_stream_took_lately():
    pace = Pace()
    assert pace.first == 0.0, "nothing is known yet"
    for number in range(500):
        pace.took(0.02 if number % 10 == 0 else 0.1)
    assert 0.01 < pace.first < 0.05
    for _ in range(20):
        pace.took(0.004)
    assert pace.first == pytest.approx(0.003, rel=0.05), "a stream that is faster is believed soon"
    for _ in range(500):
        pace.took(3.0)
    assert pace.first == MOST


def test_receipts_may_be_told_in_several_threads_at_once(monkeypatch):
    """The looking thread hears what the broker confirmed, and so does the event loop."""
    monkeypatch.setattr(waiters_module, "RECENT", 20)
    waiters, one = Waiters(None, Broker(), "t", 10), asked()  # type: ignore[arg-type] - nothing waits here
    names = [f"{number:016}".encode() for number in range(60_000)]

    def tell(part: int) -> None:
        for name in names[part::3]:
            waiters.told(Waiter(replace(one, id128=name)), Receipt(0, 0))

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(tell, range(3)))
    finally:
        sys.setswitchinterval(often)


def test_looking_goes_on_where_the_broker_cannot_be_heard():
    async def play(scene: Scene) -> None:
        def fails() -> None:
            raise ValueError("a callback failed")

        scene.looking.start()
        call, _ = scene.waiters.join([asked()])
        scene.broker.poll = fails  # type: ignore[method-assign]
        await asyncio.sleep(0.05)
        assert scene.looking.is_alive()
        del scene.broker.poll
        scene.rows.store(asked())
        await asyncio.wait_for(call.done, 20)

    with_scene(play)
