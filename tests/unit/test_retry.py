"""Retry: a retryable failure is waited out and said, everything else goes through."""

import threading
import time

import pytest

from stream.errors import FatalError, RetryableError
from stream.running.health import Health
from stream.running.retry import Retry, Server, StoppedError


@pytest.fixture
def health():
    return Health(time.monotonic, stall_seconds=60, rebalance_seconds=60)


class Flaky:
    """Fails a number of times, then answers; notes what health said meanwhile."""

    def __init__(self, health: Health, failures: int) -> None:
        self.health, self.failures, self.calls, self.waits = health, failures, 0, []

    def ask(self) -> str:
        self.calls += 1
        self.waits.append(set(self.health.ready().waiting_for))
        if self.calls <= self.failures:
            raise RetryableError("gone", server="redis")
        return "answer"


def test_a_call_is_made_again_until_it_succeeds_and_readiness_says_so(health):
    server = Flaky(health, failures=3)
    retry = Retry(Server.REDIS, health, threading.Event(), first=0.001, most=0.002)

    assert retry.until_done(server.ask) == "answer"

    assert server.calls == 4
    assert server.waits == [set(), {"redis"}, {"redis"}, {"redis"}]
    assert health.ready().waiting_for == {}


def test_a_stop_ends_the_wait(health):
    stop = threading.Event()
    retry = Retry(Server.REDIS, health, stop, first=30, most=30)
    threading.Timer(0.05, stop.set).start()

    with pytest.raises(StoppedError):
        retry.until_done(Flaky(health, failures=9).ask)


def test_a_fatal_error_goes_through_at_once(health):
    def refuse() -> None:
        raise FatalError("never")

    with pytest.raises(FatalError):
        Retry(Server.REDIS, health, threading.Event()).until_done(refuse)


def test_a_fatal_error_after_a_retryable_one_ends_the_wait(health):
    failures = iter([RetryableError("gone"), FatalError("never")])

    def fail() -> None:
        raise next(failures)

    with pytest.raises(FatalError):
        Retry(Server.REDIS, health, threading.Event(), first=0.001).until_done(fail)
    assert health.ready().waiting_for == {}
