"""The worker's replicas: room is given and taken back whole, logs are found, and what is not used goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.compiled import njit
from features.errors import StoreRolledBackError
from features.measure.logs import NONE
from features.online import OnlineFeatures
from features.replica import table as replica_table
from features.replica.buddies import Buddies, give, order_of, take
from features.replica.buddies import next_owner as _next_owner
from features.replica.replicas import Replicas
from features.replica.table import (
    BATCH,
    COUNT,
    FEWEST_UNITS,
    MOST_USED,
    PANE_UNIT,
    UNIT,
    allocate,
    clear,
    find,
    forget,
    take_run,
)
from features.store.contract import Origin
from features.store.memory_store import MemoryEntityStore
from features.store.messages import READING, Claims
from features.windows import DAY
from tests.fixtures.kernels import outer
from tests.oracle import Payment, columns_of

if TYPE_CHECKING:
    from features.replica.table import Table

make_room = outer(replica_table.make_room)
next_owner = outer(_next_owner)


@njit()
def find_again(table: Table, reads: np.ndarray) -> int:
    """Look for the log of the first row of READING."""
    return replica_table.find_again(table, reads[0])


PAYER = np.uint8(ord("p"))
START = 1_790_000_000_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 30)), max_size=60), st.integers(64, 127))
def test_runs_never_overlap_and_all_room_comes_back(steps: list[tuple[bool, int, int]], size: int) -> None:
    """Runs are aligned to the next power of two, and the room need not be as large as one."""
    room, held = Buddies.make(size), []
    for number, (taking, units, which) in enumerate(steps):
        if taking:
            start = take(room, units, number)
            if start == NONE:
                assert held, "an empty room has one of any of these"
            else:
                assert start % (1 << order_of(units)) == 0
                assert room.nodes["owner"][start] == number + 1
                held.append((start, units))
        elif held:
            give(room, *held.pop(which % len(held)))
        taken = [unit for start, units in held for unit in range(start, start + units)]
        assert len(taken) == len(set(taken)) == room.heads[-1]
        assert all(0 <= unit < size for unit in taken)
    for run in held:
        give(room, *run)
    assert take(room, 64, 0) == 0, "the whole of it is one run again"


@settings(deadline=None)
@given(st.lists(st.integers(-40, 20).filter(bool), max_size=60))
def test_the_hand_comes_by_every_owner_once_a_lap(steps: list[int]) -> None:
    """In order of their runs, whatever was freed and joined before."""
    room, held = Buddies.make(100), {}
    for number, step in enumerate(steps):
        if step > 0 and (start := take(room, step, number)) != NONE:
            held[start] = number, step
        elif step < 0 and held:
            start = sorted(held)[-step % len(held)]
            give(room, start, held.pop(start)[1])
        seen = []
        while len(seen) == 0 or room.heads[-2] != 0:
            seen.append(next_owner(room))
        assert [owner for owner in seen if owner != NONE] == [held[start][0] for start in sorted(held)]


@pytest.mark.parametrize(("units", "order"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7)])
def test_the_order_of_a_run(units: int, order: int) -> None:
    assert order_of(units) == order


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=120), st.sampled_from((1, 1 << 32, 1 << 57)))
def test_what_is_allocated_is_found_until_it_is_forgotten(steps: list[tuple[bool, int]], apart: int) -> None:
    """Identities far apart in their highest bits, too, and names of one identity under several kinds."""
    replicas, held = Replicas(0), {}
    table, logs = replicas.table, replicas.logs
    for placing, number in steps:
        name = np.uint8(ord("pmd"[number % 3])), np.uint64(number // 3 * apart)
        slot = find(table, *name)
        assert slot == held.get(name, NONE)
        if placing and slot == NONE:
            held[name] = allocate(table, logs, *name, 5)
        elif not placing and slot != NONE:
            forget(table, held.pop(name))
    assert {name: find(table, *name) for name in held} == held
    assert len(set(held.values())) == len(held)


def test_a_log_is_found_again_wherever_it_was_thought_to_be() -> None:
    """The slot may be another log's by now, free, of before all was forgotten, or none at all."""
    replicas = Replicas(0)
    table, logs = replicas.table, replicas.logs
    for number in range(3):
        allocate(table, logs, PAYER, np.uint64(number), 1)
    read = np.zeros(1, dtype=READING)
    read["kind"], read["identity"] = PAYER, 1
    for thought in (NONE, 0, 1, 2, 3, FEWEST_UNITS):
        read["slot"] = thought
        assert find_again(table, read) == 1
    read["slot"] = 1
    forget(table, 1)
    assert find_again(table, read) == NONE
    assert allocate(table, logs, PAYER, np.uint64(7), 1) == 1, "the slot that was given back last"
    assert find_again(table, read) == NONE
    assert allocate(table, logs, PAYER, np.uint64(1), 1) == 3
    assert find_again(table, read) == 3
    read["slot"] = 3
    clear(table)
    assert find_again(table, read) == NONE, "the slots have what they had"


def test_what_was_not_used_goes_first_and_what_is_needed_stays() -> None:
    replicas = Replicas(0)
    table, logs = replicas.table, replicas.logs
    for number in range(FEWEST_UNITS):
        assert allocate(table, logs, PAYER, np.uint64(number), UNIT) == number
    assert allocate(table, logs, PAYER, np.uint64(FEWEST_UNITS), UNIT) == NONE, (
        "all belong to the micro-batch that is measured"
    )
    table.state[BATCH] = 1
    logs.slots["used"][:10] = 1
    logs.slots["batch"][10] = 1
    assert allocate(table, logs, PAYER, np.uint64(FEWEST_UNITS), UNIT) == 11
    assert find(table, PAYER, np.uint64(11)) == NONE
    assert allocate(table, logs, PAYER, np.uint64(11), 4 * UNIT) != NONE, "as many go as it takes"
    assert all(find(table, PAYER, np.uint64(number)) == number for number in range(11))


def test_only_logs_with_panes_go_for_panes() -> None:
    """There are few of them: others would go in thousands before one that has any."""
    replicas = Replicas(0)
    table, logs = replicas.table, replicas.logs
    half = len(table.pane_room.nodes) // 2
    for number in range(100):
        allocate(table, logs, PAYER, np.uint64(number), 1)
    folded = []
    for number in (20, 40, 60):
        table.state[BATCH] += 1
        folded.append(find(table, PAYER, np.uint64(number)))
        start = take_run(table, table.pane_room, half, folded[-1])
        assert start != NONE
        log = logs.slots[folded[-1]]
        log["pane_at"], log["pane_units"] = start * PANE_UNIT, half
    assert [find(table, PAYER, np.uint64(number)) for number in (20, 40, 60)] == [NONE, *folded[1:]]
    assert table.state[COUNT] == 99
    assert take_run(table, table.pane_room, 2 * half + 1, folded[-1]) == NONE, "more than there is, and nothing goes"
    assert table.state[COUNT] == 99


def test_a_log_that_cost_more_is_passed_more_often() -> None:
    replicas = Replicas(0)
    table, logs = replicas.table, replicas.logs
    parts, records = 8, FEWEST_UNITS // 8 * 8 // 9 * UNIT + UNIT  # with an eighth more an eighth of the room
    for number in range(parts):
        assert allocate(table, logs, PAYER, np.uint64(number), records) == number
    logs.slots["used"][5] = MOST_USED
    for number in range(MOST_USED * (parts - 1)):
        table.state[BATCH] += 1
        assert allocate(table, logs, PAYER, np.uint64(parts + number), records) != NONE
        assert find(table, PAYER, np.uint64(5)) == 5, "it stays for so many laps"
    for number in range(parts):
        table.state[BATCH] += 1
        assert allocate(table, logs, PAYER, np.uint64(100 + number), records) != NONE
    assert find(table, PAYER, np.uint64(5)) == NONE


def test_slots_may_run_out_before_units_do() -> None:
    replicas = Replicas(2 << 20)
    table, logs = replicas.table, replicas.logs
    slots = len(logs.slots)
    assert slots < len(table.room.nodes), "most logs have more than one unit"
    for number in range(slots):
        assert allocate(table, logs, PAYER, np.uint64(number), 1) == number
    assert allocate(table, logs, PAYER, np.uint64(slots), 1) == NONE
    table.state[BATCH] = 1
    slot = allocate(table, logs, PAYER, np.uint64(slots), 1)
    assert slot != NONE
    assert find(table, PAYER, np.uint64(slot)) == NONE, "it was this one's before"
    assert table.state[COUNT] == slots


def test_a_cache_takes_no_more_than_it_may() -> None:
    for budget in (16 << 20, 64 << 20, 256 << 20):
        replicas = Replicas(budget)
        arrays = [*replicas.logs, *replicas.table.room, *replicas.table.pane_room, replicas.table.cells]
        assert 0.9 * budget < sum(array.nbytes for array in arrays) < 1.1 * budget


def test_a_log_that_grows_takes_its_records_along() -> None:
    replicas = Replicas(0)
    table, logs = replicas.table, replicas.logs
    slot = allocate(table, logs, PAYER, np.uint64(1), 3)
    first = int(logs.slots["at"][slot])
    logs.slots["length"][slot] = UNIT
    for number, column in enumerate((logs.event_time, logs.amount, logs.counterparty)):
        column[first : first + UNIT] = np.arange(UNIT) + 100 * number
    assert make_room(table, logs, slot, UNIT)
    assert logs.slots["at"][slot] == first
    assert make_room(table, logs, slot, UNIT + 1)
    now = int(logs.slots["at"][slot])
    assert now != first
    for number, column in enumerate((logs.event_time, logs.amount, logs.counterparty)):
        assert column[now : now + UNIT].tolist() == [100 * number + n for n in range(UNIT)]
    assert table.room.heads[-1] == 2
    assert not make_room(table, logs, slot, FEWEST_UNITS * UNIT + 1), "more than there is"


def test_a_store_that_lost_the_micro_batch_before_is_noticed_whatever_the_next_is_of() -> None:
    """The replicas were read from it: as long as they must be, its logs could hold other payments by now."""
    store = MemoryEntityStore()
    features = OnlineFeatures(store)
    pay(features, 1, b"transactions:0")
    before = {name: bytearray(log) for name, log in store.logs.items()}, dict(store.offsets)
    pay(features, 2, b"transactions:1")
    store.logs, store.offsets = before
    with pytest.raises(StoreRolledBackError):
        pay(features, 3, b"transactions:0")


def test_a_log_that_may_have_expired_is_read_again_although_it_is_as_long_as_expected() -> None:
    """Since the worker saw the shop's one payment, 31 days ago, others appended one to what was empty again."""
    store = MemoryEntityStore()
    features, other = OnlineFeatures(store), OnlineFeatures(store)
    pay(features, 1, b"transactions:0")
    store.logs.clear()
    pay(other, 31 * DAY, b"transactions:1")
    pay(features, 31 * DAY + 1, b"transactions:0")
    assert features.misses == 2, "the payer's log and the shop's"
    slot = features._replicas.slot_of(b"m" + (8).to_bytes(8, "little"))
    log = features._replicas.logs.slots[slot]
    assert log["born"] == START + 31 * DAY
    assert log["length"] == 2


def pay(features: OnlineFeatures, number: int, partition: bytes) -> None:
    claims = Claims(np.zeros(1, dtype=np.uint16), np.array([number]))
    columns = columns_of([Payment(number, START + number, 100, 7, 8)])
    features.process(columns, claims, [Origin(partition, number, number + 1)])
