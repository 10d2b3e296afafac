"""`upifraud load --http` against a server that answers as the API does: what is posted, counted, kept and missed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from features.identity import Identities
from stream.decode import decode_payments
from upifraud.cli import main
from upifraud.load.over_http import HttpMeasured
from upifraud.load.thresholds import Thresholds, http_checks

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "upf_secret_key"


class Api:
    """Notes what is posted, and answers as it is told, from a thread of its own."""

    def __init__(self) -> None:
        self.status: list[int] = [200]
        self.pause = 0.0
        self.bodies: list[bytes] = []
        self.seen: Counter[str] = Counter()
        self.most_open = 0
        self._open = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_post("/v1/payments", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _answer(self, request: web.Request) -> web.Response:
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        self.bodies.append(await request.read())
        status = self.status[len(self.bodies) % len(self.status)]
        self.seen[f"{request.headers['Authorization']} {request.headers['Content-Type']} {request.query_string}"] += 1
        await asyncio.sleep(self.pause)
        self._open -= 1
        return web.json_response({}, status=status)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.close()


def load(port: int, *args: str) -> Result:
    where = ["load", "--http", f"http://127.0.0.1:{port}", "--key-env", "KEY", "--payers", "200"]
    return CliRunner().invoke(main, [*where, "--seconds", "1", "--warm-up", "0", *args], env={"KEY": KEY})


def told(result: Result) -> dict[str, Any]:
    assert result.output.startswith("{"), result.output
    return dict(json.JSONDecoder().raw_decode(result.output)[0]["measured"])


@pytest.mark.slow
def test_payments_are_posted_at_the_rate_that_was_asked_for(api: Api):
    measured = told(load(api.port, "--rate", "50", "--json", "--deadline-ms", "700", "--warm-up", "0.2"))
    assert (len(api.bodies), measured["posted"], measured["statuses"]) == (60, 50, {"200": 50})
    assert api.seen == {f"Bearer {KEY} application/json deadline_ms=700": 60}
    assert measured["p50_ms"] <= measured["p95_ms"] <= measured["p99_ms"] <= measured["most_ms"]
    decoded = decode_payments(list(api.bodies), int(time.time() * 1000), Identities(bytes(16)))
    assert not decoded.rejections
    assert len(set(decoded.transaction_id)) == 60
    assert min(decoded.payments.event_time) > (time.time() - 60) * 1000, "each is made when it is posted"
    assert measured["late_p99_ms"] is not None


@pytest.mark.slow
def test_on_schedule_what_waits_behind_slow_answers_counts(api: Api):
    api.pause = 0.4
    measured = told(load(api.port, "--rate", "40", "--json"))
    assert measured["posted"] == 40
    assert measured["p50_ms"] >= 400
    assert api.most_open > 10


@pytest.mark.slow
def test_callers_in_a_loop_have_one_post_open_each(api: Api):
    api.pause = 0.02
    measured = told(load(api.port, "--vus", "7", "--json"))
    assert api.most_open == 7
    assert measured["late_p99_ms"] is None
    assert 7 < measured["posted"] == sum(measured["statuses"].values())


@pytest.mark.slow
def test_other_answers_than_200_and_202_are_counted_and_missed(api: Api):
    api.status = [200, 202, 503, 429]
    result = load(api.port, "--rate", "40")
    assert result.exit_code == 1
    assert "10 200, 10 202, 10 429, 10 503" in result.output
    assert "neither 200 nor 202: expected at most 0 posts, came 20 posts" in result.output
    assert KEY not in result.output


@pytest.mark.slow
def test_all_kept_is_exit_code_0(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("upifraud.load.thresholds.LATE_MS", 1e9)  # this machine may be busy
    done = load(api.port, "--rate", "20", "--p95-ms", "60000")
    assert done.exit_code == 0, done.output
    assert load(api.port, "--rate", "20", "--p95-ms", "0.0001").exit_code == 1


@pytest.mark.slow
def test_nobody_there_is_no_answer():
    with socket.socket() as taken:  # bound, so that nobody else gets it, and not listening
        taken.bind(("127.0.0.1", 0))
        result = load(taken.getsockname()[1], "--vus", "2", "--json")
    assert result.exit_code == 1
    assert set(told(result)["statuses"]) == {"no answer"}
    assert told(result)["p50_ms"] is None


@pytest.mark.parametrize(
    ("args", "about"),
    [
        ([], "one of --rate and --vus"),
        (["--rate", "1", "--vus", "1"], "one of --rate and --vus"),
        (["--rate", "5001"], "at most 5,000 a second"),
        (["--rate", "1", "--max-lag", "0"], "--max-lag: expected not with --http"),
        (["--rate", "1", "--metrics", "http://a/"], "--metrics: expected not with --http"),
        (["--rate", "1", "--http", "http://10.1.2.3:8000"], "--allow-remote"),
        (["--rate", "1", "--http", "https://api.example.com"], "--allow-remote"),
        (["--rate", "1", "--http", "ftp://127.0.0.1"], "expected an address"),
        (["--rate", "1", "--key-env", "NONE"], "--key-env NONE: expected a key in this variable"),
    ],
)
def test_wrong_options_are_told_and_exit_with_2(args: list[str], about: str):
    result = load(1, *args)
    assert result.exit_code == 2
    assert about in " ".join(result.output.split())
    assert KEY not in result.output


def test_what_belongs_to_http_is_refused_without_it():
    result = CliRunner().invoke(main, ["load", "--vus", "1", "--seconds", "1", "--p95-ms", "1"])
    assert result.exit_code == 2
    assert "--vus, --p95-ms: expected only with --http" in result.output


def test_a_threshold_that_was_not_measured_is_not_kept():
    nothing = HttpMeasured(None, 1, 0.0, 0, {}, None, None, None, None, None)
    kept = {check.name: check.kept for check in http_checks(nothing, Thresholds(p95_ms=100.0))}
    assert kept == {"run to its end": True, "posts": False, "neither 200 nor 202": True, "time (p95)": False}


@pytest.mark.parametrize(("late", "kept"), [(99.0, True), (101.0, False)])
def test_a_client_that_is_late_says_nothing_of_the_api(late: float, kept: bool):
    measured = HttpMeasured(10.0, None, 10.0, 10, {"200": 10}, 1.0, 1.0, 1.0, 1.0, late)
    assert [check.kept for check in http_checks(measured, Thresholds()) if "late" in check.name] == [kept]
