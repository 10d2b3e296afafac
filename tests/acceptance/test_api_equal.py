"""What `/v1/score` says of a payment is what the stream then stores, bit for bit; and it keeps nothing.

UPIFRAUD_TEST_WHAT_IFS sets how many payments are compared; 10,000 is the full run.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import redis

if TYPE_CHECKING:
    from tests.fixtures.api import ApiProcess, Stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

WHAT_IFS = int(os.environ.get("UPIFRAUD_TEST_WHAT_IFS", "300"))
PATIENT = "/v1/payments?deadline_ms=10000"
MINUTE, DAY = 60_000, 86_400_000
HOT = 1_500
"""Payments of one payer to one payee before all others: their logs are folded."""
KEEP_NOTHING = {"access_log", "api_keys"}
"""The tables that a what-if may change: who asked, and when a key was last used."""


class Traffic:
    """Random payments of few parties over some weeks: dense and sparse, late, some without a device."""

    def __init__(self, many: int) -> None:
        """many: how many payments are to come, so that none lies ahead of the clock."""
        self._random = random.Random(many)
        self._now = int(time.time() * 1000) - 10 * DAY - many * 3 * MINUTE

    def hot(self) -> list[dict[str, Any]]:
        """The payments of the parties whose logs are folded: a few minutes apart."""
        made = []
        for _ in range(HOT):
            self._now += self._random.randrange(10 * MINUTE)
            made.append(self._payment("hot@okaxis", "hot@ybl", "hot"))
        return made

    def group(self, most: int) -> list[dict[str, Any]]:
        """Payments of which no two have a party in common, so that the order in which they come changes nothing."""
        r, taken, made = self._random, set[str](), []
        for _ in range(min(most, r.choice((1, 1, 2, 5, 15, 30)))):
            payer = self._party("p", 40, "hot@okaxis")
            payee = self._party("p", 40, "hot@okaxis") if r.random() < 0.3 else self._party("m", 15, "hot@ybl")
            device = "" if r.random() < 0.15 else self._party("d", 25, "hot").partition("@")[0]
            if payer == payee or {payer, payee, device} & taken:
                continue
            taken |= {payer, payee, device} - {""}
            self._now += round(r.choice((500, MINUTE, 10 * MINUTE)) * r.random())
            made.append(self._payment(payer, payee, device))
        return made

    def _party(self, letter: str, many: int, hot: str) -> str:
        if self._random.random() < 0.2:
            return hot
        return f"{letter}{min(many, int(self._random.paretovariate(0.7)))}@okaxis"

    def _payment(self, payer: str, payee: str, device: str) -> dict[str, Any]:
        r = self._random
        late = r.choice((0, 0, 0, 0, 0, 0, 4 * MINUTE, 60 * MINUTE, 3 * DAY)) if payer != payee else 0
        at = self._now - round(late * r.random())
        return {
            "transaction_id": f"EQ{uuid.UUID(int=r.getrandbits(128)).hex}",
            "event_time": at,
            "payer_vpa": payer if r.random() < 0.9 else payer.upper(),
            "payee_vpa": payee,
            "amount_paise": round(10 ** r.uniform(2, 9)),
            "flow": r.choice(("P2P", "P2M")),
            "type": r.choice(("PAY", "PAY", "COLLECT")),
            **({"device_id": device} if device else {}),
            **({"latitude": r.uniform(8, 35), "longitude": r.uniform(69, 96)} if r.random() < 0.5 else {}),
            **({"device_bound_at": at - r.randrange(90 * DAY)} if r.random() < 0.5 else {}),
            **({"rrn": f"{r.randrange(10**12):012d}", "payer_bank": "UTIB"} if r.random() < 0.3 else {}),
        }


def everything_in_redis(url: str) -> dict[bytes, tuple[bytes, int]]:
    """All keys with what they hold and when they expire."""
    with redis.Redis.from_url(url) as client:
        return {name: (client.dump(name), client.pexpiretime(name)) for name in client.scan_iter("*", count=1000)}


def everything_in_postgres(stack: Stack) -> dict[str, tuple[int, str]]:
    """All tables that have rows: how many, and a hash of their contents."""
    names = stack.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
    found = {}
    for (name,) in names:
        one = "SELECT md5(t::text) AS row FROM %s AS t" % name  # noqa: UP031 - a name out of the catalogue
        found[name] = stack.query(f"SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM ({one}) AS t")[0]
    return {name: content for name, content in found.items() if content[0] and name not in KEEP_NOTHING}


def posted(api: ApiProcess, path: str, some: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Post one payment alone, or several together; return their answers, which must be 200."""
    answer = api.call("POST", path, some if len(some) > 1 else some[0], key=key, seconds=120)
    assert answer.status == 200, answer.body
    if len(some) == 1:
        return [answer.json]
    assert {item["status"] for item in answer.json} == {200}, answer.body
    return [item["body"] for item in answer.json]


def float32(features: dict[str, float | None]) -> bytes:
    return np.array([np.nan if value is None else value for value in features.values()], dtype="<f4").tobytes()


def canonical(vector: bytes) -> bytes:
    """The same with one bit pattern for whatever is missing."""
    values = np.frombuffer(vector, dtype="<f4").copy()
    values[np.isnan(values)] = np.nan
    return values.tobytes()


def test_a_payment_gets_what_score_said_and_score_keeps_nothing(stack: Stack):
    traffic = Traffic(2 * WHAT_IFS)
    stack.start_worker()
    api = stack.start_api(UPIFRAUD_API_RATE="100000")
    hot = traffic.hot()
    for first in range(0, HOT, 500):
        posted(api, PATIENT, hot[first : first + 500], stack.key)

    said: dict[str, dict[str, Any]] = {}
    came: list[dict[str, Any]] = []
    cases: Counter[str] = Counter()
    reported_at = 0
    while len(said) < WHAT_IFS:
        some = traffic.group(WHAT_IFS - len(said))
        if not some:
            continue
        scores = posted(api, "/v1/score", some, stack.key)
        said |= {one["transaction_id"]: score for one, score in zip(some, scores, strict=True)}
        came += some
        for score, final in zip(scores, posted(api, PATIENT, some, stack.key), strict=True):
            for member in set(final) - {"decided_at", "hold_until"}:
                assert score[member] == final[member], member
            cases[final["feature_state"]] += 1
            cases[final["verdict"]] += 1
        if len(came) - reported_at > WHAT_IFS / 6:
            reported_at = len(came)
            report(stack, api, came[-20:])

    stored = dict(stack.query("SELECT transaction_id, vector FROM verdicts_by_day"))
    for transaction_id, score in said.items():
        assert float32(score["features"]) == canonical(stored[transaction_id]), transaction_id
    cases["with reports"] = sum(bool(score["features"]["payee_fraud_rate_30d"]) for score in said.values())
    print(f"{len(said)} payments got what was said before they came: {dict(cases)}")
    for case in ("FULL", "COLD", "LATE", "with reports"):
        assert cases[case] > 0, case

    stack.drain()
    url = stack.environment["UPIFRAUD_REDIS_URL"]
    before = everything_in_redis(url), everything_in_postgres(stack)
    with redis.Redis.from_url(url) as client:
        assert any(client.strlen(name) % 32 == 16 for name in client.scan_iter("[pmd]*")), "a log is folded"
    asked = 0
    while asked < WHAT_IFS:
        some = traffic.group(WHAT_IFS - asked) or came[:1]
        posted(api, "/v1/score", some + came[asked % len(came) :][:3], stack.key)
        asked += len(some)
    assert everything_in_redis(url) == before[0]
    assert everything_in_postgres(stack) == before[1]
    print(f"{len(before[0])} keys and {len(before[1])} tables are the same after {asked} what-ifs")
    assert stack.query("SELECT count(*) FROM access_log WHERE kind = 'what-if'")[0][0] > 0


def report(stack: Stack, api: ApiProcess, some: list[dict[str, Any]]) -> None:
    """Report what payments were, and wait until the logs know it."""
    outcomes = [
        {
            "transaction_id": one["transaction_id"],
            "outcome": "FRAUD" if number % 3 else "GENUINE",
            "reported_at": one["event_time"] + MINUTE,
        }
        for number, one in enumerate(some)
    ]
    answer = api.call("POST", "/v1/outcomes?wait=true", outcomes, key=stack.key)
    assert answer.status == 200, answer.body
    stack.drain()
