"""What every store of holds promises: the one in PostgreSQL and the one in memory run the same suite."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from stream.errors import RetryableError
from stream.holds import (
    Action,
    HoldEndedError,
    MemoryHolds,
    NoSuchHoldError,
    OtherActionError,
    Outbox,
    PostgresHolds,
    decide,
)
from stream.holds.decide import expired
from stream.verdict_store import MemoryVerdictStore, VerdictStore, migrate
from stream.wire import decode_resolution, utc_time
from tests.fixtures.holds import ALLOW, BLOCK, HOUR, NOON, REVIEW, store_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stream.holds import Decided

RELEASE, REJECT = Action
END = NOON + HOUR
BEFORE = END - 1


@dataclass
class World:
    """A verdict store, and the holds in it."""

    verdicts: VerdictStore | MemoryVerdictStore
    holds: PostgresHolds | MemoryHolds

    def decide(self, name: str, action: Action = RELEASE, *, by: str = "asha", at: int = BEFORE) -> Decided:
        return decide(self.holds, name, action, by=by, reason=f"{by} says so", at=at, expiry=RELEASE)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.servers)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Empty stores."""
    if request.param == "memory":
        memory = MemoryVerdictStore()
        yield World(memory, MemoryHolds(memory))
        return
    url = request.getfixturevalue("postgres_url")
    migrate(url)
    verdicts, holds = VerdictStore(url), PostgresHolds(url)
    yield World(verdicts, holds)
    holds.close()
    verdicts.close()


def counted(world: World, now: int = NOON) -> tuple[int, int]:
    """Open holds, and resolutions that wait."""
    counts = world.holds.counts(now)
    return counts.open, counts.waiting


class Broker:
    """Takes records, and confirms them unless told otherwise."""

    def __init__(self) -> None:
        self.topic: list[tuple[str, bytes | None, bytes | None]] = []
        self.fails = False
        self._sent: list[tuple[str, bytes | None, bytes | None]] = []

    def produce(self, topic: str, key: bytes | None, value: bytes | None, _headers: Sequence[object] = ()) -> None:
        self._sent.append((topic, key, value))

    def confirm(self, _seconds: float) -> None:
        sent, self._sent = self._sent, []
        if self.fails:
            raise RetryableError("gone", server="kafka")
        self.topic += sent


# A person decides -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [*Action])
def test_a_person_ends_a_hold(world: World, action: Action) -> None:
    store_verdicts(world.verdicts, ["a", "b"])
    decided = world.decide("a", action, at=NOON + 5)
    assert decided.is_new
    stands = decode_resolution(decided.record)
    assert (stands.transaction_id, stands.action, stands.cause, stands.by, stands.reason) == (
        *("a", action, "PERSON", "asha", "asha says so"),
    )
    assert (stands.at, stands.event_time) == (utc_time(NOON + 5), utc_time(NOON))
    assert counted(world) == (1, 1)


def test_the_same_persons_same_action_finds_what_stood_even_after_the_end(world: World) -> None:
    store_verdicts(world.verdicts, ["a"])
    first = world.decide("a", at=BEFORE)
    for at in (BEFORE + 1, END, END + HOUR):
        again = world.decide("a", at=at)
        assert (again.record, again.is_new) == (first.record, False)


@pytest.mark.parametrize(("action", "by"), [(REJECT, "asha"), (RELEASE, "ravi"), (REJECT, "ravi")])
def test_another_action_or_another_person_is_told_what_stands(world: World, action: Action, by: str) -> None:
    store_verdicts(world.verdicts, ["a"])
    first = world.decide("a")
    for at in (BEFORE, END + 1):
        with pytest.raises(OtherActionError) as told:
            world.decide("a", action, by=by, at=at)
        assert told.value.record == first.record


@pytest.mark.parametrize("verdict", [None, ALLOW, REVIEW, BLOCK])
def test_what_is_not_held_cannot_be_ended(world: World, verdict: int | None) -> None:
    if verdict is not None:
        store_verdicts(world.verdicts, ["a"], verdict=verdict)
    with pytest.raises(NoSuchHoldError) as told:
        world.decide("a")
    assert told.value.verdict == (None if verdict is None else ("ALLOW", "REVIEW", "HOLD", "BLOCK")[verdict])
    assert world.holds.counts(NOON).waiting == 0


def test_an_id_that_no_database_can_hold_is_not_found(world: World) -> None:
    with pytest.raises(NoSuchHoldError):
        world.decide("a\0b")


def test_of_an_id_that_was_used_again_the_newest_payment_is_meant(world: World) -> None:
    day = 24 * HOUR
    for days in (0, 4):
        store_verdicts(world.verdicts, ["a"], event_time=NOON + days * day, hold_until=None)
    assert decode_resolution(world.decide("a").record).event_time == utc_time(NOON + 4 * day)
    assert world.holds.counts(NOON).open == 1
    store_verdicts(world.verdicts, ["a"], event_time=NOON + 8 * day, verdict=ALLOW, hold_until=None)
    with pytest.raises(NoSuchHoldError):
        world.decide("a")


# The end of itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [END, END + HOUR])
def test_a_first_action_after_the_end_finds_the_expiry(world: World, at: int) -> None:
    store_verdicts(world.verdicts, ["a"])
    with pytest.raises(HoldEndedError) as told:
        world.decide("a", REJECT, at=at)
    stands = decode_resolution(told.value.record)
    assert (stands.action, stands.cause, stands.by, stands.reason) == ("RELEASE", "EXPIRY", None, None)
    assert stands.at == utc_time(END)
    assert world.holds.waiting(9)[0].record == told.value.record
    with pytest.raises(HoldEndedError):
        world.decide("a", RELEASE, at=BEFORE)  # whatever a clock says


def test_a_hold_without_an_end_never_expires(world: World) -> None:
    store_verdicts(world.verdicts, ["a"], hold_until=None)
    assert world.holds.due(2**45, 10) == []
    assert world.decide("a", at=2**45).is_new


def test_what_is_due_comes_soonest_first_and_not_too_early(world: World) -> None:
    for number, name in enumerate(("late", "middle", "soon", "open")):
        store_verdicts(world.verdicts, [name], hold_until=None if name == "open" else END - number)
    assert [hold.transaction_id for hold in world.holds.due(END - 1, 10)] == ["soon", "middle"]
    assert [hold.transaction_id for hold in world.holds.due(END, 2)] == ["soon", "middle"]
    assert [hold.transaction_id for hold in world.holds.due(END, 10)] == ["soon", "middle", "late"]
    world.decide("soon", at=NOON)
    assert [hold.transaction_id for hold in world.holds.due(END, 10)] == ["middle", "late"]


def test_holds_past_their_end_are_counted_until_somebody_ends_them(world: World) -> None:
    store_verdicts(world.verdicts, ["a", "b"])
    store_verdicts(world.verdicts, ["c"], hold_until=None)
    assert [world.holds.counts(now).overdue for now in (END - 1, END)] == [0, 2]
    world.decide("a")
    assert world.holds.counts(END).overdue == 1
    assert world.holds.put([expired(hold, RELEASE) for hold in world.holds.due(END, 9)]) == [True]
    assert (world.holds.counts(END).open, world.holds.counts(END).overdue) == (1, 0)


def test_what_was_put_first_stands(world: World) -> None:
    store_verdicts(world.verdicts, ["a", "b"])
    a, b = world.holds.due(END, 10)
    assert world.holds.put([expired(a, REJECT)]) == [True]
    assert world.holds.put([expired(b, RELEASE), expired(a, RELEASE)]) == [True, False]
    assert world.holds.standing(a) == expired(a, REJECT).record
    assert world.holds.put([]) == []


# The outbox -------------------------------------------------------------------------------------------------------


def outbox(world: World, broker: Broker, expiry: Action = RELEASE) -> Outbox:
    return Outbox(world.holds, broker, "resolutions", expiry=expiry)


@pytest.mark.parametrize("expiry", [*Action])
def test_a_step_ends_what_is_due_and_sends_all_that_waits_in_order(world: World, expiry: Action) -> None:
    broker = Broker()
    store_verdicts(world.verdicts, ["a", "b"], hold_until=NOON + 7)
    store_verdicts(world.verdicts, ["c"])
    decided = world.decide("c", REJECT, at=NOON + 3)
    assert outbox(world, broker, expiry).step(NOON + 6).expired == 0
    stepped = outbox(world, broker, expiry).step(NOON + 7)
    assert (stepped.expired, stepped.published) == (2, 2)
    assert [(topic, key) for topic, key, _ in broker.topic] == [("resolutions", name) for name in (b"c", b"a", b"b")]
    assert broker.topic[0][2] == decided.record
    for _, key, value in broker.topic[1:]:
        stands = decode_resolution(value or b"")
        assert (stands.transaction_id.encode(), stands.action, stands.cause) == (key, expiry, "EXPIRY")
        assert stands.at == utc_time(NOON + 7)
    assert outbox(world, broker).step(NOON + HOUR + 1).published == 0
    assert counted(world) == (0, 0)


def test_what_the_broker_did_not_confirm_goes_out_again_in_the_same_bytes(world: World) -> None:
    broker = Broker()
    store_verdicts(world.verdicts, ["a", "b"], hold_until=NOON + 7)
    record = world.decide("a", at=NOON + 3).record
    broker.fails = True
    for _ in range(2):
        with pytest.raises(RetryableError):
            outbox(world, broker).step(NOON + 8)
    assert counted(world) == (0, 2)  # ended all the same
    broker.fails = False
    assert outbox(world, broker, REJECT).step(NOON + 9).published == 2
    assert {key: value for _, key, value in broker.topic}[b"a"] == record
    assert decode_resolution({key: value for _, key, value in broker.topic}[b"b"] or b"").action == "RELEASE"


def test_one_at_a_time_gets_on(world: World) -> None:
    other = PostgresHolds(world.holds._session._url) if isinstance(world.holds, PostgresHolds) else world.holds
    store_verdicts(world.verdicts, ["a"])
    world.decide("a")
    with other.alone() as is_ours:
        assert is_ours
        stepped = outbox(world, Broker()).step(NOON)
        assert (stepped.is_ours, stepped.published) == (False, 0)
    assert outbox(world, Broker()).step(NOON).published == 1
    other.close()


def test_following_ends_when_told_and_outlasts_a_broker_that_is_gone(world: World) -> None:
    broker, stop = Broker(), threading.Event()
    broker.fails = True
    store_verdicts(world.verdicts, ["a"], hold_until=NOON + 7)
    times = iter(range(NOON, NOON + 10**9, 5_000))

    def clock() -> int:
        if (now := next(times)) >= NOON + 10_000:
            broker.fails = False
        if broker.topic:
            stop.set()
        return now

    outbox(world, broker).follow(stop, clock)
    assert [key for _, key, _ in broker.topic] == [b"a"]


# All at once ------------------------------------------------------------------------------------------------------


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Make calls at the same moment, each in a thread; return what each returned or raised."""
    start = threading.Barrier(len(calls))
    found: list[object] = [None] * len(calls)

    def make(place: int) -> None:
        start.wait()
        try:
            found[place] = calls[place]()
        except (HoldEndedError, OtherActionError) as error:
            found[place] = error

    threads = [threading.Thread(target=make, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_released_rejected_and_expired_at_once_a_hold_has_one_end(world: World) -> None:
    """By three clients, each with a session of its own, a hundred times: one action, one content."""
    url = world.holds._session._url if isinstance(world.holds, PostgresHolds) else None
    clients = [world.holds if url is None else PostgresHolds(url) for _ in range(3)]
    broker = Broker()
    ends = set()
    names = [f"T{number}" for number in range(100)]
    store_verdicts(world.verdicts, names, hold_until=NOON + 7)
    for name in names:
        (hold,) = [hold for hold in world.holds.due(NOON + 7, 1000) if hold.transaction_id == name]
        found = at_once(
            [
                lambda name=name: decide(
                    clients[0], name, RELEASE, by="asha", reason="yes", at=NOON + 6, expiry=REJECT
                ),
                lambda name=name: decide(clients[1], name, REJECT, by="ravi", reason="no", at=NOON + 6, expiry=REJECT),
                lambda hold=hold: clients[2].put([expired(hold, REJECT)]),
            ]
        )
        (waiting,) = [each for each in world.holds.waiting(1000) if each.transaction_id == name]
        record = waiting.record
        assert {each.record for each in found[:2]} == {record}  # type: ignore[attr-defined]
        stands = decode_resolution(record)
        won = {("RELEASE", "PERSON"): 0, ("REJECT", "PERSON"): 1, ("REJECT", "EXPIRY"): 2}
        assert [getattr(found[0], "is_new", False), getattr(found[1], "is_new", False), found[2] == [True]] == [
            won[stands.action, stands.cause] == place for place in range(3)
        ]
        ends.add((stands.action, stands.cause))
    assert outbox(world, broker).step(NOON + 8).published == 100
    assert len({key for _, key, _ in broker.topic}) == len(broker.topic) == 100
    assert world.holds.counts(NOON).open == 0
    if url is not None:
        for client in clients:
            client.close()


def test_many_who_ask_the_same_get_the_same(world: World) -> None:
    store_verdicts(world.verdicts, ["a"])
    found = at_once([lambda: world.decide("a")] * 8)
    assert len({each.record for each in found}) == 1  # type: ignore[attr-defined]
    assert [each.is_new for each in found].count(True) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("action", "cause"), [*product(Action, ("PERSON", "EXPIRY"))])
def test_what_a_hold_became_touches_no_outcome(world: World, action: Action, cause: str) -> None:
    store_verdicts(world.verdicts, ["a"])
    if cause == "PERSON":
        world.decide("a", action)
    else:
        outbox(world, Broker(), action).step(END)
    assert [ref for refs in world.verdicts.outcomes() for ref in refs] == []
    record = world.verdicts.get("a")
    assert record is not None
    assert (record.verdict, record.hold_until) == (2, END)
