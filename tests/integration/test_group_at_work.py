"""Commands that set the group back refuse while a worker is in it, on both brokers."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer

from local import kafka_admin
from local.tansu import TansuServer
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.kafka import Broker

pytestmark = pytest.mark.servers

JOIN_SECONDS = 180
SESSION_SECONDS = 6
"""A broker refuses a shorter one."""
REWIND = ["rewind", "--to", "now"]
MEMBER = """
import sys, time
from confluent_kafka import Consumer
servers, group, seconds = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "session.timeout.ms": 1000 * int(seconds)})
consumer.subscribe([group], on_assign=lambda _consumer, _partitions: print("in", flush=True))
while True:
    consumer.poll(0.1)
"""


@pytest.fixture(params=["the session's broker", "the embedded broker"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "the session's broker":
        yield request.getfixturevalue("kafka")
        return
    server = TansuServer(tmp_path / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def group(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> str:
    """A group of its own in the settings, on topics of its own that nothing was published to: both have its name."""
    name = f"at-work-{uuid.uuid4().hex[:12]}"
    kafka_admin.make_topics(broker.bootstrap_servers, {name: 2})
    monkeypatch.setenv("UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    for setting in ("CONSUMER_GROUP", "TOPIC_TRANSACTIONS", "TOPIC_OUTCOMES"):
        monkeypatch.setenv(f"UPIFRAUD_{setting}", name)
    monkeypatch.setenv("UPIFRAUD_KAFKA_SESSION_TIMEOUT_SECONDS", str(SESSION_SECONDS))
    return name


@contextmanager
def member(broker: Broker, group: str) -> Iterator[None]:
    """Be in the group, with partitions, until the block is left."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group})
    assigned: list[object] = []
    consumer.subscribe([group], on_assign=lambda _consumer, partitions: assigned.append(partitions))
    deadline = time.monotonic() + JOIN_SECONDS
    while not assigned:
        consumer.poll(0.1)
        assert time.monotonic() < deadline, "the group gave no partition"
    yield
    consumer.close()


def run(command: list[str]) -> Result:
    return CliRunner().invoke(main, command)


def test_a_worker_in_the_group_makes_them_refuse(broker: Broker, group: str) -> None:
    with member(broker, group):
        for command in (REWIND, ["accept-topic", group, "--from", "beginning"]):
            done = run(command)
            assert done.exit_code == 1, command
            assert f"workers are in group {group}: expected none" in done.output
        assert run([*REWIND, "--dry-run"]).exit_code == 0, "a look is free"
    assert run(REWIND).exit_code == 0, "the group can be set back once the worker has left"


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["the session's broker"], indirect=True)
def test_a_worker_that_died_is_waited_for(broker: Broker, group: str) -> None:
    """The embedded broker lets the dead go only when somebody joins."""
    command = [sys.executable, "-c", MEMBER, broker.bootstrap_servers, group, str(SESSION_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        said = worker.stdout.readline()
        worker.kill()
    assert said == "in\n"
    done = run(REWIND)
    assert done.exit_code == 0, done.output
    assert f"Workers are in group {group}. If they are dead, it notices within" in done.output
