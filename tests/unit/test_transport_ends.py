"""Where what can be read of a partition ends: as of the last fetch, and at an open transaction."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from faust.types import TP

from stream.kafka.client import Bounds, KafkaClient
from stream.kafka.poll_thread import PollOptions, PollThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import TopicPartition

ONE = TP("transactions", 0)
UNKNOWN = -1001


class Fetched:
    """Stands for librdkafka: the log's end as the last fetch told it."""

    end = UNKNOWN

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached, "no request"
        assert TP(partition.topic, partition.partition) == ONE
        return 0, self.end


@pytest.fixture
def fetched() -> Fetched:
    return Fetched()


@pytest.fixture
def client(fetched: Fetched) -> Iterator[KafkaClient]:
    nobody = SimpleNamespace(on_kafka=lambda *, up: None, on_reading=lambda: None)
    client = KafkaClient(
        {"group.id": "a-group"}, [ONE.topic], cooperative=True, listener=nobody, bounds=Bounds(100, 100)
    )
    real, client._consumer = client._consumer, fetched
    client.positions[ONE] = 0
    yield client
    real.close()


def report(client: KafkaClient, *, stable: int, high: int) -> None:
    """Let librdkafka tell of the partition, as it does every second."""
    partition = {"ls_offset": stable, "hi_offset": high}
    client._on_statistics(json.dumps({"topics": {ONE.topic: {"partitions": {"0": partition}}}}))


def test_the_end_is_that_of_the_last_fetch_and_not_of_the_last_report(client: KafkaClient, fetched: Fetched) -> None:
    report(client, stable=40, high=40)
    fetched.end = 95
    assert client.known_end(ONE) == 95


def test_with_an_open_transaction_it_is_where_that_begins(client: KafkaClient, fetched: Fetched) -> None:
    fetched.end = 95
    report(client, stable=40, high=46)
    assert client.known_end(ONE) == 40
    report(client, stable=96, high=96)
    assert client.known_end(ONE) == 96


def test_before_the_first_report_it_is_unknown(client: KafkaClient, fetched: Fetched) -> None:
    fetched.end = 95
    assert client.known_end(ONE) is None
    report(client, stable=UNKNOWN, high=UNKNOWN)
    assert client.known_end(ONE) is None


@pytest.fixture
def thread(client: KafkaClient) -> Iterator[PollThread]:
    options = PollOptions(
        cooperative=True, micro_batch_records=1, micro_batch_bytes=1, micro_batches_in_flight=1, apart=0,
        pause_after=1, answer_within=1,
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    thread = PollThread({"group.id": "a-group"}, options, [ONE.topic], loop=loop, owner=SimpleNamespace())
    real, thread._client = thread._client, client
    yield thread
    real._consumer.close()
    loop.close()


def noted(thread: PollThread) -> int | None:
    """Note the ends, as is done ten times a second."""
    thread._note_at = 0.0
    thread._errands()
    return thread.end_offset(ONE)


def test_records_of_a_transaction_are_lag_until_the_next_report_and_no_longer(
    client: KafkaClient, fetched: Fetched, thread: PollThread
) -> None:
    report(client, stable=40, high=40)
    fetched.end = 46
    assert noted(thread) == 46
    report(client, stable=40, high=46)
    assert noted(thread) == 40
    assert thread.held_back(ONE) == 6


def test_what_was_asked_for_in_a_pause_is_not_undone_by_an_older_fetch(
    client: KafkaClient, fetched: Fetched, thread: PollThread
) -> None:
    report(client, stable=40, high=40)
    fetched.end = 40
    thread.paused = True
    thread._ends[ONE] = 70
    assert noted(thread) == 70
    thread.paused = False
    assert noted(thread) == 40
