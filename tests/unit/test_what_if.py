"""Single cases of what-ifs, each with what the stream then says."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest

from features.columns import FeatureState
from features.entities import PAYER
from features.errors import StoreCorruptError, StoreUnavailableError
from features.online import MAX_PAYMENTS
from features.replica import fold as folding
from features.schema import FEATURE_NAMES
from features.store.memory_store import MemoryEntityStore
from features.windows import BLOCK, DAY, HOUR, SECOND
from tests.fixtures.payment_streams import START
from tests.fixtures.what_ifs import Twice
from tests.oracle import Payment, columns_of

if TYPE_CHECKING:
    from features.store.contract import Peeked, PeekRequest

ALICE, BOB, SHOP, PHONE = 11, 12, 22, 33


@pytest.fixture
def twice() -> Twice:
    return Twice(MemoryEntityStore(), seed=1)


def payment(number: int, *, at: int = 0, amount: int = 100, payer: int = ALICE, payee: int = SHOP, device: int = PHONE):
    return Payment(number, START + at, amount, payer, payee, device)


def test_payments_of_unknown_parties_are_cold(twice: Twice) -> None:
    twice.check(payment(1))
    twice.check(payment(2, payer=BOB, payee=99, device=0))
    assert twice.cases["COLD"] == 2


def test_a_payment_to_oneself_counts_as_received(twice: Twice) -> None:
    for number in range(5):
        twice.check(payment(number, at=number * SECOND, payee=ALICE))
    assert twice.seen[-1][2][FEATURE_NAMES.index("payer_inbound_sum_1h")] == 500


def test_one_who_was_paid_in_the_same_call_has_received_it_in_sequence_only(twice: Twice) -> None:
    payments = [payment(1, payer=BOB, payee=ALICE), payment(2, at=1)]
    received = FEATURE_NAMES.index("payer_inbound_sum_1h")
    assert twice.ask(*payments).vectors[1, received] == 0
    assert twice.ask(*payments, sequence=True).vectors[1, received] == 100
    twice.check_sequence(payments)


@pytest.mark.parametrize("payee", [SHOP, ALICE])
def test_a_block_that_only_a_what_if_filled_leaves_nothing_behind(twice: Twice, payee: int) -> None:
    """Sums over full blocks are kept from one look to the next; those of payments that never came must not be."""
    count = 3 * BLOCK - 2
    twice.comes(*(payment(number, at=number * SECOND, payee=payee) for number in range(count)))
    never = [payment(10_000 + number, at=count * SECOND, amount=10**9, payee=payee) for number in range(5)]
    twice.ask(*never, sequence=True)
    twice.comes(*(payment(count + more, at=count * SECOND, payee=payee) for more in range(2)))
    for more in range(2, 6):
        twice.check(payment(count + more, at=count * SECOND, payee=payee))


def test_a_payment_that_was_folded_away_is_counted_again_and_said_to_be(twice: Twice) -> None:
    with patch.object(folding, "FOLD_RECORDS", BLOCK):
        twice.comes(*(payment(number, at=number * HOUR) for number in range(1, 600)))
        twice.ask(payment(0))
    said = twice.ask(payment(1, at=HOUR), payment(599, at=599 * HOUR), payment(600, at=599 * HOUR))
    assert said.located.tolist() == [False, True, False]
    assert said.perhaps_folded.tolist() == [True, False, False]


def test_among_payments_that_are_alike_the_one_of_the_same_id_is_found(twice: Twice) -> None:
    """Records of all logs that have its amount, party and time are shown a few at a time."""
    twice.comes(*(payment(number) for number in range(40)), payment(900, payer=BOB))
    with patch("features.what_if.known_logs.MOST_RECORDS", 10):
        found = [twice.ask(payment(number)) for number in (0, 17, 39)]
    assert [one.located.tolist() for one in found] == 3 * [[True]]
    assert [one.provenance["payer_at"].tolist() for one in found] == [[0], [17], [39]]
    assert [one.vectors.tobytes() for one in found] == [twice.seen[number][2].tobytes() for number in (0, 17, 39)]
    assert not twice.ask(payment(1_000)).located[0]


def test_a_late_payment_says_so(twice: Twice) -> None:
    twice.comes(*(payment(number, at=number * SECOND) for number in range(900)))
    twice.check(payment(1_000, at=10 * SECOND))
    assert twice.cases["LATE"] == 1


def test_what_expired_or_is_old_is_looked_at_closely(twice: Twice) -> None:
    """Of a log that may have expired and begun anew, as many records may be there, and be others."""
    twice.comes(payment(1), payment(2))
    twice.ask(payment(3))
    twice.store.logs.clear()
    twice.comes(payment(3, amount=500, at=40 * DAY), payment(4, amount=700, at=40 * DAY))
    twice.check(payment(5, at=40 * DAY))


def test_as_many_as_a_micro_batch_holds_may_be_asked(twice: Twice) -> None:
    with pytest.raises(ValueError, match="4097 payments"):
        twice.ask(*[payment(1)] * (MAX_PAYMENTS + 1))
    assert len(twice.ask().vectors) == 0


def test_after_a_failure_the_same_may_be_asked_again(twice: Twice) -> None:
    twice.comes(payment(1))
    twice.ask(payment(2))
    peek, failures = twice.store.peek, [StoreUnavailableError("gone")]

    def fails_once(request: PeekRequest) -> Peeked:
        if failures:
            raise failures.pop()
        return peek(request)

    with patch.object(twice.store, "peek", fails_once):
        with pytest.raises(StoreUnavailableError):
            twice.ask(payment(2))
        twice.check(payment(2))


@pytest.mark.parametrize("sequence", [False, True])
def test_a_log_that_lacks_what_another_has_is_refused_and_others_are_not(twice: Twice, *, sequence: bool) -> None:
    twice.comes(payment(1), payment(2, payer=BOB, payee=99))
    del twice.store.logs[b"m" + SHOP.to_bytes(8, "little")]
    for _ in range(2):
        with pytest.raises(StoreCorruptError, match="rebuild-features"):
            twice.ask(payment(3, payee=99), payment(1), payment(4), sequence=sequence)
    twice.check(payment(5, payer=BOB, payee=99))


def test_logs_that_never_stand_still_are_given_up(twice: Twice) -> None:
    """Each look finds something that was not there at the look before, which had been too much at once."""
    number = iter(range(10**6))
    fetch = twice.store.fetch_in_parts

    def meanwhile(name: bytes) -> bytes:
        twice.store.logs.pop(name)
        found = fetch(name)
        twice.comes(payment(next(number)))
        return found

    twice.comes(payment(next(number)))
    with (
        patch("features.what_if.known_logs.MOST_BYTES", 0),
        patch.object(twice.store, "fetch_in_parts", meanwhile),
        pytest.raises(StoreUnavailableError, match="Ask again"),
    ):
        twice.ask(payment(10**7))


def test_any_thread_may_ask_and_one_is_served_at_a_time(twice: Twice) -> None:
    twice.comes(*(payment(number, at=number * SECOND) for number in range(400)))
    probes = [payment(1_000 + number, at=number * SECOND, payer=ALICE + number % 3) for number in range(24)]
    alone = [twice.ask(probe).vectors.tobytes() for probe in probes]
    found: dict[int, bytes] = {}
    peek, inside = twice.store.peek, threading.Lock()

    def alone_inside(request: PeekRequest) -> Peeked:
        assert inside.acquire(blocking=False)
        time.sleep(0.001)
        inside.release()
        return peek(request)

    def ask(first: int) -> None:
        for number in range(first, len(probes), 4):
            twice.what_if.windows(PAYER, ALICE, START)
            found[number] = twice.what_if.measure(columns_of([probes[number]])).vectors.tobytes()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    with patch.object(twice.store, "peek", alone_inside):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found.get(number) for number in range(len(probes))] == alone


def test_what_is_asked_of_an_empty_store_leaves_it_empty(twice: Twice) -> None:
    assert twice.ask(payment(1), payment(2, payer=BOB)).state.tolist() == [FeatureState.COLD] * 2
    assert (twice.store.logs, twice.store.offsets) == ({}, {})
    assert np.isnan(twice.ask(payment(1, device=0)).vectors).any()
