"""Kafka's retention passes what was not read yet: the worker stops, and the command that it names gets it going."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.timeout(600)]


def test_what_kafka_has_lost_is_named_and_passed_over(deployment: Deployment) -> None:
    worker = deployment.start_worker()
    deployment.upifraud("simulate", "--payments", "300", "--payers", "60", "--seed", "1")
    deployment.drain()
    assert worker.terminate() == 0
    scored = deployment.verdicts()
    deployment.upifraud("simulate", "--payments", "300", "--payers", "60", "--seed", "2")
    last = max(record.offset for record in deployment.records("transactions") if record.partition == 0)
    admin = AdminClient({"bootstrap.servers": deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]})
    for future in admin.delete_records([TopicPartition("transactions", 0, last)]).values():
        future.result(30)

    refused = deployment.start_waiting_worker()
    until(lambda: not refused.running(), "the worker does not skip records by itself")
    assert deployment.verdicts() <= scored + 300
    said = refused.said()
    assert "run `upifraud rewind --to now --margin 0`" in said
    assert "NoneType" not in said

    done = deployment.run("rewind", "--to", "now", "--margin", "0")
    assert done.returncode == 0, done.stderr
    assert f"to {last - 1} are not in Kafka any more" in done.stderr
    assert "transactions:0" in done.stderr
    assert "-" not in done.stdout.replace("transactions", ""), "no number of records is negative"
    deployment.start_worker()
    deployment.drain()
    stored = deployment.query(
        "SELECT count(*) FROM verdicts_by_day WHERE source_partition = 0 AND source_offset = %s", last
    )
    assert stored == [(1,)], "what is left of the partition was not judged"
