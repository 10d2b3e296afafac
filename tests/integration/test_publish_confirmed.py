"""Against a real broker: what `confirm` returns for is on the topic, and what is not is said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from local import kafka_admin
from stream.decode import Rejection
from stream.errors import RetryableError
from stream.kafka.publisher import Publisher, TooLargeError
from stream.sinks import dead_letters
from stream.wire import RejectionReason, dead_letter_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers


@pytest.fixture
def publisher(kafka: Broker) -> Iterator[Publisher]:
    publisher = Publisher({"bootstrap.servers": kafka.bootstrap_servers})
    yield publisher
    publisher.close()


def everything(kafka: Broker, topic: str, expected: int) -> list[Message]:
    """Read a topic of one partition until `expected` records have come, and a little longer."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    records: list[Message] = []
    deadline = time.monotonic() + 30
    while len(records) < expected and time.monotonic() < deadline:
        records += consumer.consume(1000, 0.2)
    records += consumer.consume(1000, 0.5)
    consumer.close()
    return records


def test_confirmed_records_are_on_the_topic_in_order_with_key_and_headers(
    kafka: Broker, topic_factory: TopicFactory, publisher: Publisher
) -> None:
    topic = topic_factory("alerts")
    headers = [("a", b"\x00\xff"), ("a", b"twice"), ("none", None)]
    for number in range(500):
        publisher.produce(topic, b"k%d" % number, b"v%d" % number, headers)
    publisher.produce(topic, None, None)
    publisher.confirm(30)
    records = everything(kafka, topic, 501)
    assert [record.value() for record in records] == [*(b"v%d" % number for number in range(500)), None]
    assert records[7].key() == b"k7"
    assert records[7].headers() == headers
    assert records[500].key() is None


def test_confirming_nothing_returns_at_once(publisher: Publisher) -> None:
    publisher.confirm(0)


def test_what_the_client_never_sends_is_refused_at_once(topic_factory: TopicFactory, publisher: Publisher) -> None:
    with pytest.raises(TooLargeError):
        publisher.produce(topic_factory(), None, b"x" * (17 << 20))
    publisher.confirm(5)


@pytest.mark.apache
def test_what_the_broker_refuses_as_too_large_is_said_and_holds_nothing_up(
    kafka: Broker, topic_factory: TopicFactory, publisher: Publisher
) -> None:
    topic = topic_factory()
    publisher.produce(topic, None, b"x" * 2_000_000)
    with pytest.raises(TooLargeError, match=r"max\.message\.bytes"):
        publisher.confirm(30)
    publisher.produce(topic, None, b"small")
    publisher.confirm(30)
    assert [record.value() for record in everything(kafka, topic, 1)] == [b"small"]


@pytest.mark.apache  # the embedded broker makes any topic that is asked for
def test_an_unknown_topic_is_worth_another_try(publisher: Publisher) -> None:
    """Whoever deploys makes the topics, perhaps a moment after the workers start."""
    publisher.produce("no-such-topic-was-ever-made", None, b"x")
    with pytest.raises(RetryableError):
        publisher.confirm(1)


@pytest.mark.apache  # the embedded broker forgets its topics when it stops
def test_while_the_broker_is_gone_nothing_is_confirmed_and_afterwards_a_repeat_is(
    kafka: Broker, topic_factory: TopicFactory, publisher: Publisher
) -> None:
    """Late reports of a batch that was given up must not count for the next one."""
    topic = topic_factory()
    publisher.produce(topic, None, b"before")
    publisher.confirm(30)
    kafka.stop()
    for _ in range(3):
        publisher.produce(topic, None, b"during")
        with pytest.raises(RetryableError):
            publisher.confirm(0.5)
    kafka.start()
    publisher.produce(topic, None, b"during")
    publisher.produce(topic, None, b"after")
    deadline = time.monotonic() + 60
    while True:
        try:
            publisher.confirm(10)
            break
        except RetryableError:
            assert time.monotonic() < deadline
            publisher.produce(topic, None, b"during")
            publisher.produce(topic, None, b"after")
    values = [record.value() for record in everything(kafka, topic, 3)]
    assert values[0] == b"before"
    assert values[-2:] == [b"during", b"after"]


NO_UTF_8 = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class Name(str):
    def encode(self, *_):
        return bytes([255, 254])

async def send():
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1]) as producer:
        await producer.send_and_wait(sys.argv[2], b"no payment", headers=[("fine", b"1"), (Name("odd"), b"2")])

asyncio.run(send())
"""


def test_a_header_whose_name_is_not_utf_8_does_not_stop_a_partition(
    kafka: Broker, topic_factory: TopicFactory, publisher: Publisher
) -> None:
    """The client cannot read such headers; a worker that fails on them would fail on them for ever."""
    topic = topic_factory("transactions")
    buried = dead_letter_topic(topic)
    kafka_admin.make_topics(kafka.bootstrap_servers, {buried: 1})
    # Only aiokafka's Python code can be talked into it, and only before its compiled code is imported.
    environment = {**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"}
    subprocess.run([sys.executable, "-c", NO_UTF_8, kafka.bootstrap_servers, topic], env=environment, check=True)
    (record,) = everything(kafka, topic, 1)
    publisher.produce(buried, None, b"ordinary")
    publisher.confirm(30)
    (ordinary,) = everything(kafka, buried, 1)
    for _ in range(100):  # the interpreter calls a method in another way where it has called it often
        assert dead_letters.headers_of(ordinary) == []
    letter = dead_letters.of(record, Rejection(0, RejectionReason.NOT_JSON, "expected JSON"))
    publisher.produce(letter.topic, letter.key, letter.value, letter.headers)
    publisher.confirm(30)
    _, found = everything(kafka, buried, 2)
    assert found.value() == b"no payment"
    original, ours = dead_letters.read_headers(dead_letters.headers_of(found) or [])
    assert original == []
    assert ours.reason == RejectionReason.NOT_JSON
    assert "not UTF-8" in ours.detail
