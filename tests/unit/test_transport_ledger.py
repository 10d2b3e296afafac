"""The ledger: which offset of each partition may be committed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from stream.kafka.fetch import Fetch, Slice
from stream.kafka.ledger import Ledger

NOW = 1_764_000_000_000
A, B = TP("transactions", 0), TP("transactions", 1)


@dataclass
class Record:
    """The part of Kafka's message that the ledger reads."""

    at: int
    time_ms: int = 0

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return (1, self.time_ms) if self.time_ms else (0, -1)


def fetch(*spans: tuple[TP, range]) -> Fetch:
    return Fetch(spans[0][0].topic, [Slice(tp.partition, [Record(at) for at in offsets]) for tp, offsets in spans])


def owning(*tps: TP, start: int | None = None, committed: int | None = None) -> Ledger:
    ledger = Ledger()
    for tp in tps:
        ledger.own(tp, start=start, committed=committed, now_ms=1000)
    return ledger


def test_nothing_is_committable_before_the_first_fetch_is_done():
    ledger = owning(A)
    ledger.hand_over(fetch((A, range(3))))
    assert ledger.committable() == {}


def test_a_fetch_that_is_done_moves_every_partition_in_it_behind_its_last_record():
    ledger = owning(A, B)
    ledger.done(ledger.hand_over(fetch((A, range(3)), (B, range(5)))))
    assert ledger.committable() == {A: 3, B: 5}


def test_a_watermark_does_not_move_over_a_fetch_that_is_not_done():
    """0    3    6
    A  |  ....|done|       nothing may be committed
    """
    ledger = owning(A)
    head = ledger.hand_over(fetch((A, range(3))))
    ledger.done(ledger.hand_over(fetch((A, range(3, 6)))))
    assert ledger.committable() == {}
    ledger.done(head)
    assert ledger.committable() == {A: 6}


def test_what_was_accepted_is_not_committed_again_and_a_refusal_is():
    ledger = owning(A)
    ledger.done(ledger.hand_over(fetch((A, range(3)))))
    assert ledger.committable() == {A: 3}, "asked once, the answer got lost"
    ledger.committed({A: 3})
    assert ledger.committable() == {}


def test_a_start_moved_back_commits_nothing_before_it_is_beyond_the_old_commit():
    ledger = owning(A, start=4, committed=10)
    ledger.done(ledger.hand_over(fetch((A, range(4, 8)))))
    assert ledger.committable() == {}
    ledger.done(ledger.hand_over(fetch((A, range(8, 12)))))
    assert ledger.committable() == {A: 12}


def test_work_of_a_partition_that_left_and_came_back_counts_for_nothing():
    ledger = owning(A)
    old = ledger.hand_over(fetch((A, range(100))))
    assert ledger.release([A]) == {A}
    ledger.own(A, start=10, committed=10, now_ms=0)
    assert not ledger.busy([A]), "the new owner waits for nothing of the old one's"
    ledger.done(old)
    assert ledger.committable() == {}
    assert ledger.next_offset(A) == 10


def test_busy_is_only_who_has_unfinished_work():
    ledger = owning(A, B)
    ticket = ledger.hand_over(fetch((A, range(3))))
    assert ledger.busy([A])
    assert not ledger.busy([B])
    assert ledger.busy()
    ledger.done(ticket)
    assert not ledger.busy()


def test_forgotten_work_is_not_waited_for_and_not_committed_over():
    ledger = owning(A)
    begun = ledger.hand_over(fetch((A, range(3))))
    cleared = ledger.hand_over(fetch((A, range(3, 6))))
    ledger.forget(lambda ticket: ticket is cleared)
    assert ledger.forgot(cleared.fetch)
    assert not ledger.forgot(begun.fetch)
    assert ledger.busy()
    ledger.done(begun)
    assert not ledger.busy()
    later = ledger.hand_over(fetch((A, range(6, 9))))
    ledger.done(later)
    assert ledger.committable() == {A: 3}


def test_the_newest_timestamp_is_that_of_the_last_record_done():
    ledger = owning(A)
    assert ledger.newest_ms(A) == 1000, "since when the worker has it"
    records = [Record(0, NOW + 5000), Record(1, NOW + 7000), Record(2, NOW + 6000)]
    ledger.done(ledger.hand_over(Fetch(A.topic, [Slice(0, records)])))
    assert ledger.newest_ms(A) == NOW + 6000
    for at, nothing in ((3, 0), (4, 1), (5, NOW // 1000)):  # none, or one that no broker ever gave
        ledger.done(ledger.hand_over(Fetch(A.topic, [Slice(0, [Record(at, nothing)])])))
        assert ledger.newest_ms(A) == NOW + 6000


@pytest.mark.slow
@given(st.data())
def test_the_watermark_is_the_first_record_not_done_whatever_finishes_first(data):
    """Against the definition: of all records handed over in offset order, the first one that is not done."""
    ledger = owning(A, B)
    ends = {A: 0, B: 0}
    tickets, spans = [], []
    for _ in range(data.draw(st.integers(1, 8))):
        parts = data.draw(
            st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 4)), min_size=1, unique_by=lambda p: p[0])
        )
        span = [(tp, range(ends[tp], ends[tp] + count)) for tp, count in parts]
        ends.update({tp: offsets.stop for tp, offsets in span})
        tickets.append(ledger.hand_over(fetch(*span)))
        spans.append(span)
    done: set[int] = set()
    for number in data.draw(st.permutations(range(len(tickets)))):
        ledger.done(tickets[number])
        done.add(number)
        # Fetches of a topic are acknowledged in order, so a fetch counts once all before it are done.
        whole = next((n for n in range(len(tickets)) if n not in done), len(tickets))
        counted = {tp: offsets.stop for span in spans[:whole] for tp, offsets in span}
        assert ledger.committable() == counted


def test_marks_move_the_watermark_after_all_records_before_them():
    """0    3     5
    A  |  ....|marks|      nothing may be committed before the records are done
    """
    ledger = owning(A)
    records = ledger.hand_over(fetch((A, range(3))))
    ledger.done(ledger.hand_over(Fetch(A.topic, [Slice(0, [])], {0: 5})))
    assert ledger.committable() == {}
    ledger.done(records)
    assert ledger.committable() == {A: 5}
    assert ledger.newest_ms(A) == 1000
