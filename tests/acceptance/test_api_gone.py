"""The API among processes that die and hang: an answer in time, one row a payment, and the final verdict afterwards."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from tests.fixtures.api import SLACK_SECONDS, ApiProcess, Stack, frozen, payment
from tests.fixtures.deployment import until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

PATIENT = "/v1/payments?deadline_ms=10000"
SOON = "/v1/payments?deadline_ms=500"


def posted(api: ApiProcess, one: dict, key: str, path: str = PATIENT):
    return api.call("POST", path, one, key=key)


def posted_soon(api: ApiProcess, one: dict, key: str, status: int):
    """Post with a short deadline, again where the machine was too busy for a provisional verdict; return the answer."""
    for _ in range(10):
        answer = posted(api, one, key, SOON)
        assert answer.status == status, answer.body
        assert answer.seconds < 0.5 + SLACK_SECONDS
        if answer.json["provisional"] is not None:
            break
        assert answer.json["cause"] == "deadline", answer.body
    assert answer.json["provisional"]["verdict"] == "ALLOW"
    assert answer.json["provisional"]["model_id"]
    return answer


def is_final(api: ApiProcess, one: dict, key: str) -> bool:
    return posted(api, one, key).status == 200


def test_two_hundred_posts_of_one_payment_at_three_processes_are_one_payment(stack: Stack):
    stack.start_worker()
    apis = [stack.start_api() for _ in range(3)]
    one = payment()
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda turn: posted(apis[turn % 3], one, stack.key), range(200)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1

    assert stack.query("SELECT count(*) FROM verdicts_by_day")[0][0] == 1
    windows = apis[0].call("POST", "/v1/entities/lookup", {"kind": "payer", "id": one["payer_vpa"]}, key=stack.key).json
    assert windows["windows"]["payer_count_24h"] == 1.0
    records = stack.records("transactions")
    assert len(records) <= 3, "a process asks once, however many wait; who comes later finds the claim"

    other = {**one, "amount_paise": 1}
    conflicts = [posted(api, other, stack.key) for api in apis]
    assert [answer.status for answer in conflicts] == [409] * 3


def test_without_a_worker_there_is_a_provisional_verdict_and_the_final_one_when_it_is_back(stack: Stack):
    api = stack.start_api()
    one = payment()
    answer = posted_soon(api, one, stack.key, 202)
    said = answer.json
    assert said["status"] == "PENDING"
    assert answer.headers["location"] == said["location"] == f"/v1/verdicts/{one['transaction_id']}"
    assert api.call("GET", said["location"], key=stack.key).reason == "no-such-verdict"
    again = posted(api, one, stack.key, SOON)
    assert again.json["source"] == said["source"], "posted again it is not published again"

    stack.start_worker()
    until(lambda: is_final(api, one, stack.key), "the final verdict")
    assert api.call("GET", said["location"], key=stack.key).status == 200
    assert len(stack.records("transactions")) == 1


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_redis_it_says_why_there_is_no_provisional_verdict(api_stack: Stack, redis_server, how: str):
    stack, api = api_stack, api_stack.apis[0]
    warm, one = payment(), payment()
    until(lambda: is_final(api, warm, stack.key), "a verdict")

    def check() -> None:
        answer = posted(api, one, stack.key, SOON)
        assert answer.status == 202, answer.body
        assert answer.seconds < 0.5 + SLACK_SECONDS
        assert answer.json["provisional"] is None
        assert answer.json["cause"] in ("redis", "deadline")
        score = api.call("POST", "/v1/score", payment(), key=stack.key)
        assert (score.status, score.reason, score.json["server"]) == (503, "server-gone", "redis")
        until(lambda: "redis" in api.call("GET", "/readyz").json["waiting_for"], "readiness names it")
        assert api.call("GET", "/readyz").status == 200, "it still answers, so calls still come"

    if how == "frozen":
        with frozen(redis_server):
            check()
    else:
        redis_server.stop()
        check()
        redis_server.start()
    until(lambda: is_final(api, one, stack.key), "the final verdict")


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_postgres_payments_are_accepted_and_nobody_is_looked_up(api_stack: Stack, postgres_server, how: str):
    stack, api = api_stack, api_stack.apis[0]
    warm, one, idle = payment(), payment(), stack.make_key()
    until(lambda: is_final(api, warm, stack.key), "a verdict")

    def check() -> None:
        posted_soon(api, one, stack.key, 202)
        assert api.call("POST", "/v1/score", payment(), key=stack.key).status == 200, "scoring goes on"
        looked = api.call("POST", "/v1/entities/lookup", {"kind": "payer", "id": one["payer_vpa"]}, key=stack.key)
        assert (looked.status, looked.reason) == (503, "not-logged")
        found = api.call("POST", "/v1/verdicts/search", {"payer_vpa": one["payer_vpa"]}, key=stack.key)
        assert (found.status, found.reason, found.json["server"]) == (503, "server-gone", "postgres")
        time.sleep(1.2)
        unused = posted(api, payment(), idle, SOON)
        assert (unused.status, unused.reason) == (503, "server-gone"), "nobody can say whether it still opens"
        assert posted(api, one, stack.key, SOON).status == 202

    if how == "frozen":
        with frozen(postgres_server):
            check()
    else:
        postgres_server.stop()
        check()
        postgres_server.start()
    until(lambda: is_final(api, one, stack.key), "the final verdict")
    assert sum(one["transaction_id"].encode() in (record.value or b"") for record in stack.records("transactions")) == 1


def test_without_kafka_nothing_is_promised(api_stack: Stack, kafka):
    stack, api = api_stack, api_stack.apis[0]
    warm, one = payment(), payment()
    until(lambda: is_final(api, warm, stack.key), "a verdict")
    with frozen(kafka):
        answer = posted_soon(api, one, stack.key, 503)
        assert answer.reason == "UNCONFIRMED"
        assert posted(api, warm, stack.key, SOON).status == 200, "what is stored is answered"
    until(lambda: is_final(api, one, stack.key), "the final verdict")


def test_a_revoked_key_closes_within_a_second_and_a_process_ends_cleanly(stack: Stack):
    from stream.verdict_store.door import keys

    api = stack.start_api()
    key_id, key = stack.make_named_key("verdicts:read")
    assert api.call("GET", "/v1/verdicts/none", key=key).status == 404
    assert api.call("POST", "/v1/score", payment(), key=key).reason == "scope-missing"
    assert api.call("GET", "/v1/verdicts/none", key=stack.make_key(expires_at=1)).reason == "key-invalid"
    keys.revoke(stack.environment["UPIFRAUD_POSTGRES_URL"], key_id)
    time.sleep(1)
    assert api.call("GET", "/v1/verdicts/none", key=key).reason == "key-invalid"
    assert all(key.encode() not in str(row).encode() for row in stack.query("SELECT * FROM api_keys"))

    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(posted, api, payment(), stack.key, "/v1/payments?deadline_ms=3000")
        time.sleep(0.5)
        assert api.terminate() == 0, api.said()
        assert pending.result().status == 202, "what was begun is answered"


def test_several_processes_end_when_their_supervisor_is_killed(stack: Stack):
    api = stack.start_api("--workers", "2")
    workers = psutil.Process(api.process.pid).children()
    try:
        with ThreadPoolExecutor(1) as threads:
            pending = threads.submit(posted, api, payment(), stack.key, "/v1/payments?deadline_ms=3000")
            time.sleep(0.5)
            api.end()
            assert pending.result().status == 202, "what was begun is answered"
        until(lambda: not any(one.is_running() for one in workers), "the port is free", 60)
    finally:
        for one in workers:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    assert stack.start_api("--port", str(api.port)).ready()
