"""A source topic is deleted and made anew under its name: workers refuse it, and an operator's command takes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import redis

from features.store import layout
from local import kafka_admin
from stream.settings import read_settings
from tests.acceptance.test_read_again import logs, payment, publish, vector
from tests.fixtures.deployment import until
from upifraud.group import set_back

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.timeout(600)]

START = int(time.time() * 1000) - 600_000
TOPIC = "transactions"


def renew(deployment: Deployment, partitions: int = 12) -> None:
    address = deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    kafka_admin.delete_topics(address, [TOPIC])
    kafka_admin.make_topics(address, {TOPIC: partitions})


def refuses(deployment: Deployment, advice: str = "accept-topic") -> str:
    """Start a worker that must end with one line on its standard error; return it."""
    worker = deployment.start_waiting_worker()
    until(lambda: not worker.running(), "the worker refuses the topic")
    said = worker.said()
    assert "NoneType" not in said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if f"run `upifraud {advice}" in line]
    assert len(lines) == 1, said
    return lines[0]


@pytest.mark.parametrize("more", [0, 60])
def test_a_topic_made_anew_is_refused_until_it_is_accepted(deployment: Deployment, more: int) -> None:
    """Whether its log is shorter than the earlier one's, or longer."""
    worker = deployment.start_worker()
    publish(deployment, [payment(f"old-{n}", START + n * 1_000) for n in range(40)])
    deployment.drain()
    assert worker.terminate() == 0
    held = logs(deployment)

    renew(deployment)
    publish(deployment, [payment(f"new-{n}", START + (40 + n) * 1_000) for n in range(20 + more)])
    assert "was made anew" in refuses(deployment)
    assert logs(deployment) == held
    assert deployment.verdicts() == 40

    told = deployment.upifraud("accept-topic", TOPIC, "--from", "beginning", "--dry-run")
    assert f"{20 + more} records are there" in told
    refuses(deployment)
    deployment.upifraud("accept-topic", TOPIC, "--from", "beginning")
    deployment.start_worker()
    deployment.drain()
    assert deployment.verdicts() == 60 + more
    assert vector(deployment, f"new-{19 + more}")["payer_count_24h"] == 60 + more
    deployment.workers[-1].terminate()
    deployment.refused("accept-topic", TOPIC, "--from", "beginning", because="nothing to accept")


def test_a_rebuild_knows_the_verdicts_of_the_earlier_topic_from_those_of_the_new_one(deployment: Deployment) -> None:
    """Their offsets must not hide what the new topic still has to be read."""
    worker = deployment.start_worker()
    publish(deployment, [payment(f"old-{n}", START + n * 1_000) for n in range(40)])
    deployment.drain()
    assert worker.terminate() == 0
    renew(deployment)
    publish(deployment, [payment(f"new-{n}", START + (40 + n) * 1_000) for n in range(20)])
    refuses(deployment)

    deployment.upifraud("rebuild-features", "--force")
    worker = deployment.start_worker()
    deployment.drain()
    assert deployment.verdicts() == 60
    assert vector(deployment, "new-19")["payer_count_24h"] == 60

    # And again with verdicts of both, of which the group has committed less than it judged.
    assert worker.terminate() == 0
    deployment.upifraud("rewind", "--to", "2020-01-01T00:00:00Z")
    publish(deployment, [payment(f"new-{20 + n}", START + (60 + n) * 1_000) for n in range(30)])
    deployment.upifraud("rebuild-features", "--force")
    deployment.start_worker()
    deployment.drain()
    assert deployment.verdicts() == 90
    assert vector(deployment, "new-49")["payer_count_24h"] == 90


def test_a_topic_that_lost_records_is_gone_on_with_behind_what_was_judged_of_it(deployment: Deployment) -> None:
    """What was written since stands at offsets of which Redis and the group believe that they were worked on."""
    worker = deployment.start_worker()
    publish(deployment, [payment(f"old-{n}", START + n * 1_000) for n in range(40)])
    deployment.drain()
    assert worker.terminate() == 0
    (partition,) = {record.partition for record in deployment.records(TOPIC)}
    with redis.Redis.from_url(deployment.environment["UPIFRAUD_REDIS_URL"]) as client:
        client.set(layout.offset_key(f"{TOPIC}:{partition}".encode()), 140)
    settings = read_settings(deployment.environment)
    set_back(settings, {(TOPIC, partition): 140})
    publish(deployment, [payment(f"new-{n}", START + (40 + n) * 1_000) for n in range(5)])

    assert "lost records" in refuses(deployment, "rebuild-features --force")
    deployment.refused("accept-topic", TOPIC, "--from", "beginning", because="rebuild-features --force")
    deployment.upifraud("rebuild-features", "--force")
    deployment.start_worker()
    deployment.drain()
    assert deployment.verdicts() == 45
    assert vector(deployment, "new-4")["payer_count_24h"] == 45
