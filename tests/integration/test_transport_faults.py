"""Each of Faust's hazards that the main path meets, provoked in real workers on a real broker.

The numbers H1 to H14 are those of docs/specs/transport.md.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.fixtures.transport_processes import Field, make_field, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.kafka import KafkaServer
    from tests.fixtures.servers import TopicFactory
    from tests.fixtures.transport_processes import Done, Worker

pytestmark = pytest.mark.servers

PARTITIONS = 4


@pytest.fixture
def field(kafka: KafkaServer, topic_factory: TopicFactory, tmp_path: Path) -> Iterator[Field]:
    yield from make_field(kafka, topic_factory, tmp_path, partitions=PARTITIONS)


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@contextmanager
def traffic(field: Field) -> Iterator[list[str]]:
    """Publish a little all the time, over all partitions; yields the list of what was published."""
    published: list[str] = []
    stop = threading.Event()

    def run() -> None:
        for number in itertools.count():
            values = numbered(f"{number}-", 2 * PARTITIONS)
            field.publish(values)
            published.extend(values)
            if stop.wait(0.1):
                return

    publisher = threading.Thread(target=run)
    publisher.start()
    try:
        yield published
    finally:
        stop.set()
        publisher.join()


def assert_order_kept(field: Field) -> None:
    """Offsets of a partition go up in the order in which one worker finished them."""
    spans: dict[tuple[int, str, int], list[int]] = {}
    for record in field.done():
        spans.setdefault((record.pid, record.topic, record.partition), []).append(record.offset)
    for offsets in spans.values():
        assert offsets == sorted(offsets)


# An exception in an agent ---------------------------------------------------------------------------------------------


def test_a_record_that_raises_ends_the_worker_and_comes_again(field: Field) -> None:
    """H1, H2: stock Faust acknowledges the record that raised, or restarts the agent and goes on."""
    before, after = numbered("before", 20), numbered("after", 20)
    field.publish(before, partition=0)
    worker = field.start("fail=bad")
    field.await_committed(20, worker)
    field.publish(["bad", *after], partition=0)
    assert worker.wait() == 1
    assert "cannot process bad" in worker.said()
    assert field.committed()[0] == 20
    assert field.values() == before

    healed = field.start()
    field.await_values(["bad", *after], healed)
    assert field.values() == [*before, "bad", *after]


def test_an_unfinished_head_is_never_committed_over_and_does_not_hold_the_stop(field: Field) -> None:
    """H3, H5: all behind a stuck record may be done, nothing from it on is committed, and SIGTERM still ends it."""
    field.publish(["head"], partition=0)
    worker = field.start("stick=head", "stick-thread=1", drain_seconds="0.5", micro_batches_in_flight="16")
    until(lambda: field.remark("stuck at head"), "the head is at work", worker)
    behind = numbered("behind", 30)
    field.publish(behind, partition=0)
    field.publish(["elsewhere"], partition=1)
    field.await_values([*behind, "elsewhere"], worker)
    assert worker.terminate() == 1, "a drain that was given up is no clean one"
    assert field.committed() == {0: 0, 1: 0, 2: 0, 3: 0}

    healed = field.start()
    field.await_values(["head"], healed)
    field.await_committed(32, healed)


# Workers join and leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param({}, id="the broker's own"),
        pytest.param({"UPIFRAUD_KAFKA_ASSIGNMENT": "roundrobin"}, id="eager", marks=pytest.mark.apache),
        pytest.param(
            {"UPIFRAUD_KAFKA_GROUP_PROTOCOL": "consumer"}, id="KIP-848", marks=[pytest.mark.apache, pytest.mark.slow]
        ),
    ],
)
def test_a_worker_joins_and_leaves_and_nothing_is_lost_or_repeated(field: Field, protocol: dict[str, str]) -> None:
    """H4, H10, H11: what is done but not committed when partitions move is committed then, not replayed."""
    field.settings.update(protocol)
    field.settings["UPIFRAUD_COMMIT_INTERVAL_SECONDS"] = "60"  # so only the moves themselves commit
    with traffic(field) as published:
        first = field.start("seconds=0.02")
        until(lambda: len(field.values()) > 50, "the first is at work", first)
        second = field.start("seconds=0.02")
        until(lambda: second.pid in {record.pid for record in field.done()}, "the second is at work", second)

        assert field.group in groups(field), "the consumer group is named as the setting says, with nothing added"
        for worker in (first, second):
            assert listening(worker.pid) == {worker.port()}, "a worker opens no port but the one of its metrics"
        assert second.terminate() == 0
        left_at = len(field.values())
        until(lambda: len(field.values()) > left_at + 50, "the first goes on", first)
    field.await_values(published, first)
    assert first.terminate() == 0
    counts = Counter(field.values())
    assert counts == Counter(published)
    assert_order_kept(field)
    assert sum(field.committed().values()) == len(published)


def groups(field: Field) -> set[str]:
    admin = AdminClient({"bootstrap.servers": field.kafka.bootstrap_servers})
    return {group.group_id for group in admin.list_consumer_groups().result().valid}


def listening(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}


def test_partitions_of_a_killed_worker_move_and_the_rest_never_stop(field: Field) -> None:
    """H9: nothing is lost; only what the dead one had not committed comes again, and what stays is not disturbed."""
    with traffic(field) as published:
        first = field.start("seconds=0.02")
        second = field.start("seconds=0.02")
        share = PARTITIONS // 2
        until(lambda: len(partitions_of(second, field.done())) >= share, "the second is at work on its share", second)
        second.kill()
        moved = partitions_of(second, field.done())
        killed_at = len(field.done())
        until(
            lambda: partitions_of(first, field.done()[killed_at:]) == set(range(PARTITIONS)),
            "the first has all partitions",
            first,
        )
    field.await_values(published, first)
    assert first.terminate() == 0
    assert set(field.values()) == set(published)
    counts = Counter(field.values())
    repeated = {record.partition for record in field.done() if counts[record.value] > 1}
    if field.kafka.assignment == "cooperative-sticky":
        assert repeated <= moved, "partitions that stayed were replayed"
    assert sum(field.committed().values()) == len(published)


def partitions_of(worker: Worker, done: list[Done]) -> set[int]:
    return {record.partition for record in done if record.pid == worker.pid}


def test_a_stuck_record_holds_a_rebalance_no_longer_than_the_bound(field: Field) -> None:
    """H5: Faust waits for ever; here the partition is let go of uncommitted, and its new owner has the record again."""
    field.publish(numbered("early", 8))
    stuck = field.start("stick=stone", drain_seconds="0.5")
    field.await_committed(8, stuck)
    for partition in range(PARTITIONS):
        field.publish(["stone", f"after{partition}"], partition=partition)
    until(lambda: field.remark("stuck at stone"), "the stone is at work", stuck)
    other = field.start()
    until(
        lambda: {"stone", "after0"} & {r.value for r in field.done() if r.pid == other.pid} != set(),
        "the other has it",
        other,
    )
    assert stuck.terminate() == 1
    field.await_committed(16, other)


# Servers are gone -----------------------------------------------------------------------------------------------------


def test_without_room_the_worker_pauses_says_so_and_keeps_its_partitions(field: Field, tmp_path: Path) -> None:
    """H6, H12, H13: a server that is down for longer than the session costs no partition and no record.

    What gathered meanwhile then comes as few micro-batches, not as one message a record.
    """
    hold = tmp_path / "hold"
    hold.touch()
    # Asked for the end of a log by a client that fetches ten times a second, the embedded broker tells an old one.
    fetching = {} if field.kafka.durable else {"kafka_fetch_wait_seconds": "0.5"}
    worker = field.start(
        f"hold={hold}", stall_seconds="1", micro_batches_in_flight="1", pause_after_seconds="0.2", **fetching
    )
    values = numbered("held", 400)
    field.publish(values[:100])
    until(lambda: worker.metric("consumer_paused") == 1, "it pauses", worker)
    field.publish(values[100:])
    lag = f'consumer_lag_records{{partition="0",topic="{field.transactions}"}}'
    until(lambda: worker.metric(lag) == 100, "lag grows in sight though nothing is fetched", worker)
    rebalances = worker.metric("rebalances_total")  # its two members have joined by now, one after the other
    time.sleep(6.5)  # longer than the session
    assert worker.report("/readyz")["reasons"] == ["waiting for verdict store"]
    assert worker.probe("/healthz")[0] == 200, "a restart would not bring the server back"
    assert field.values() == []
    hold.unlink()
    field.await_values(values, worker)
    assert Counter(field.values()) == Counter(values)
    assert worker.metric("rebalances_total") == rebalances
    assert worker.metric("micro_batch_records_sum") == 400
    assert worker.metric("micro_batch_records_count") <= 100
    until(worker.ready, "it is ready again", worker)
    assert worker.terminate() == 0
    assert sum(field.committed().values()) == 400


@pytest.mark.apache
def test_the_broker_stops_and_comes_back_and_the_worker_goes_on(field: Field) -> None:
    field.publish(numbered("before", 40))
    worker = field.start()
    field.await_committed(40, worker)
    field.kafka.stop()
    until(lambda: "waiting for kafka" in worker.report("/readyz")["reasons"], "it says what it waits for", worker)
    field.kafka.start()
    field.publish(numbered("after", 40))
    field.await_values(numbered("after", 40), worker)
    until(worker.ready, "it is ready again", worker)
    assert worker.running()
    assert worker.terminate() == 0
    assert Counter(field.values()) == Counter([*numbered("before", 40), *numbered("after", 40)])
    assert sum(field.committed().values()) == 80


# Where partitions start -----------------------------------------------------------------------------------------------


def test_new_partitions_wait_for_the_hook_and_may_start_earlier(field: Field, tmp_path: Path) -> None:
    """Behind a feature store that was rolled back, records are read again from where it stands."""
    values = numbered("value", 40)
    field.publish(values)
    first = field.start()
    field.await_committed(40, first)
    assert first.terminate() == 0

    down = tmp_path / "down"
    down.touch()
    second = field.start(f"hook={down}", "back=6", ready=False)
    until(lambda: "waiting for feature store" in second.report("/readyz")["reasons"], "it waits", second)
    assert second.probe("/healthz")[0] == 200
    assert len(field.values()) == 40
    down.unlink()
    until(lambda: len(field.values()) == 56, "four records of each partition come again", second)
    until(second.ready, "it is ready", second)
    assert sorted(field.values()[40:]) == sorted(values[24:])
    assert second.terminate() == 0
    assert sum(field.committed().values()) == 40


def test_a_hook_that_refuses_ends_the_worker_with_its_message(field: Field) -> None:
    worker = field.start("refuse=run rebuild-features first", ready=False)
    assert worker.wait() == 1
    assert "run rebuild-features first" in worker.said()


@pytest.mark.apache
def test_an_offset_that_is_no_longer_in_the_log_is_fatal_and_the_gap_is_named(field: Field) -> None:
    field.publish(numbered("kept", 10), partition=2)
    worker = field.start()
    field.await_committed(10, worker)
    assert worker.terminate() == 0
    field.publish(numbered("gone", 30), partition=2)
    admin = AdminClient({"bootstrap.servers": field.kafka.bootstrap_servers})
    for deleted in admin.delete_records([TopicPartition(field.transactions, 2, 25)]).values():
        deleted.result()

    late = field.start(ready=False)
    assert late.wait() == 1
    assert f"{field.transactions}[2]: expected to go on at offset 10" in late.said()
    assert "the 15 records from 10 to 24 are gone" in late.said()
    assert field.committed()[2] == 10
