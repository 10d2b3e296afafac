"""The bench's own counting of calls over HTTP: by status of each payment, from the schedule, without the warm-up."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from bench.over_http import beside, posts
from bench.over_http.payments import bodies
from bench.over_http.posts import Answered, Used

FIRST = Used(at=10.0, answered=2, cpu={"api": 1.0, "redis": 5.0})
LAST = Used(at=14.0, answered=6, cpu={"api": 1.4, "redis": 5.1})


def counted(*answers: Answered) -> posts.Posted:
    return posts.counted(answers, [0.001], 10.0, FIRST, LAST)


def test_calls_that_were_due_in_the_warm_up_are_left_out() -> None:
    found = counted(Answered(9.9, 5.0, ["200"]), Answered(10.0, 0.02, ["200"]), Answered(11.0, 0.04, ["202"]))
    assert (found.calls, found.payments, found.statuses) == (2, 2, {"200": 1, "202": 1})
    assert found.ms["max"] == pytest.approx(40)


def test_only_calls_of_which_every_payment_is_final_count_as_final() -> None:
    found = counted(Answered(10.0, 0.02, ["200", "200"]), Answered(10.5, 0.5, ["200", "202"]))
    assert found.final_ms["max"] == pytest.approx(20)
    assert found.final_share == pytest.approx(3 / 4)


def test_what_was_never_answered_is_counted_and_has_no_time() -> None:
    found = counted(Answered(10.0, 15.0, [posts.NO_ANSWER]), Answered(10.5, 0.03, ["503"]))
    assert found.statuses == {"503": 1, posts.NO_ANSWER: 1}
    assert found.ms["max"] == pytest.approx(30)
    assert found.final_ms == {}


def test_cost_is_that_of_the_calls_answered_between_two_looks() -> None:
    found = counted(Answered(10.0, 0.02, ["200"]))
    assert found.us == pytest.approx({"api": 100_000, "redis": 25_000})
    assert found.cores == pytest.approx({"api": 0.1, "redis": 0.025})


def test_an_array_is_counted_by_its_items() -> None:
    body = json.dumps([{"status": 200, "body": {}}, {"status": 422, "body": {}}]).encode()
    assert posts.statuses_of(200, body, 2) == ["200", "422"]
    assert posts.statuses_of(429, b"{}", 2) == ["429", "429"], "refused as a whole"
    assert posts.statuses_of(200, b'[{"verdict": "ALLOW"}]', 2) == ["200"], "the plain handler says no status"
    assert posts.statuses_of(200, b"{}", 1) == ["200"]


def test_what_servers_use_while_idle_is_told_apart() -> None:
    posted = posts.counted([Answered(10.0, 0.02, ["200"])] * 4, [], 10.0, FIRST, LAST)
    row = beside.row_of("api", posts.Plan("http://127.0.0.1", rate=1.0), posted, {"api": 0.05, "redis": 0.0})
    assert row["us"]["api"] == pytest.approx(100_000)
    assert row["net_us"] == pytest.approx({"api": 50_000, "redis": 25_000}), "0.05 cores over a second a call"


def test_rounds_become_medians_and_statuses_sums() -> None:
    rows = [
        {"who": "api", "size": 1, "calls a second": 50, "statuses": {"200": 3}, "ms": {"p50": ms}, "us": {"api": ms},
         "net_us": {"api": ms}, "idle_cores": {"api": 0.0}}
        for ms in (10.0, 30.0, 20.0)
    ]  # fmt: skip
    (one,) = beside.medians(rows)
    assert (one["ms"], one["statuses"]) == ({"p50": 20.0}, {"200": 9})


def test_every_payment_that_is_posted_has_an_id_of_its_own() -> None:
    pool = [{"payer_vpa": "a@x"}, {"payer_vpa": "b@x"}]
    singles = [json.loads(body) for body in islice(bodies(pool, 1), 5)]
    arrays = [json.loads(body) for body in islice(bodies(pool, 3), 2)]
    assert [one["payer_vpa"] for one in singles] == ["a@x", "b@x", "a@x", "b@x", "a@x"]
    assert [len(array) for array in arrays] == [3, 3]
    every = [*singles, *(one for array in arrays for one in array)]
    assert len({one["transaction_id"] for one in every}) == 11
    assert all(one["event_time"] > 0 for one in every)
