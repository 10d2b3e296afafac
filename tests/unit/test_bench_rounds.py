"""The line through what micro-batches cost, and fetches like the transport's."""

from __future__ import annotations

import pytest

from bench.rounds import Rounds, line


def test_the_line_is_that_of_the_cheapest_turns():
    costs = {size: [2_000.0 + 25 * size, 4_000.0 + 30 * size, 2_000.0 + 25 * size] for size in (1, 8, 512)}
    fixed, marginal = line(costs)
    assert fixed == pytest.approx(2_000)
    assert marginal == pytest.approx(25)


def test_fetches_go_on_where_the_last_one_ended():
    rounds = Rounds(0.0)
    spans = []
    for count in (1, 6):
        fetch = rounds.fetch(iter([b"value"] * count))
        assert len(fetch) == count
        spans.append([(partition, run[0].offset(), run[-1].offset()) for partition, run in fetch.slices])
    assert spans == [[(0, 0, 0)], [(0, 1, 2), (1, 0, 1), (2, 0, 0), (3, 0, 0)]]
