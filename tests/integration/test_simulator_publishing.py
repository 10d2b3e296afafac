"""Publishing and replaying on a real broker, through the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pyarrow.parquet as pq
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from simulator.errors import DeliveryError
from simulator.kafka import Group, Outlet

if TYPE_CHECKING:
    from pathlib import Path

    from local.kafka import Broker
    from tests.fixtures.servers import TopicFactory

pytestmark = pytest.mark.servers

PARTITIONS = 3


@dataclass
class Bench:
    """Two fresh topics and a group on a broker, and the command line against them."""

    bootstrap: str
    transactions: str
    outcomes: str
    group: str

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "UPIFRAUD_TOPIC_TRANSACTIONS": self.transactions,
            "UPIFRAUD_TOPIC_OUTCOMES": self.outcomes,
            "UPIFRAUD_CONSUMER_GROUP": self.group,
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from upifraud.cli import main; main()", *map(str, arguments)],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, code: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (out, err)
        return out + err

    def read(self, topic: str, count: int) -> list[Any]:
        """The records of a topic, which must be exactly so many; within a partition in order."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"read-{self.group}"})
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
            records: list[Any] = []
            deadline = time.monotonic() + 60
            while len(records) < count and time.monotonic() < deadline:
                records += good(consumer.consume(1_000, 0.5))
            records += good(consumer.consume(1_000, 1.0))
            assert len(records) == count
            return records
        finally:
            consumer.close()


def good(records: list[Any]) -> list[Any]:
    return [record for record in records if record.error() is None]


@pytest.fixture
def bench(kafka: Broker, topic_factory: TopicFactory) -> Bench:
    transactions = topic_factory("transactions", partitions=PARTITIONS)
    outcomes = topic_factory("outcomes", partitions=PARTITIONS)
    return Bench(kafka.bootstrap_servers, transactions, outcomes, f"group-{transactions}")


def in_order(records: list[Any]) -> list[Any]:
    return sorted(records, key=lambda record: (record.partition(), record.offset()))


def test_simulate_publishes_every_payment_and_outcome_keyed_and_in_order(bench: Bench) -> None:
    before_ms = int(time.time() * 1_000)
    said = bench.run("simulate", "--seed", 3, "--payments", 3_000, "--payers", 300, "--genuine-rate", 0.2)
    assert "3000 payments" in said
    payments = in_order(bench.read(bench.transactions, 3_000))
    latest: dict[bytes, int] = {}
    partition: dict[bytes, int] = {}
    for record in payments:
        message = json.loads(record.value())
        assert record.key() == message["payer_vpa"].encode()
        assert partition.setdefault(record.key(), record.partition()) == record.partition()
        assert message["event_time"] >= latest.get(record.key(), 0)
        latest[record.key()] = message["event_time"]
        assert message["event_time"] < before_ms + 60_000
        assert record.timestamp()[1] >= before_ms
    assert len({record.partition() for record in payments}) == PARTITIONS
    count = int(re.search(r"and (\d+) outcomes", said)[1])  # type: ignore[index]
    assert count > 0
    outcomes = bench.read(bench.outcomes, count)
    ids = {json.loads(record.value())["transaction_id"] for record in payments}
    for record in outcomes:
        message = json.loads(record.value())
        assert record.key() == message["transaction_id"].encode()
        assert message["transaction_id"] in ids


def test_in_real_time_no_payment_is_ahead_of_its_record(bench: Bench) -> None:
    bench.run("simulate", "--seconds", 2, "--rate", 100, "--pace", "real", "--payers", 300)
    records = bench.read(bench.transactions, 200)
    for record in records:
        assert json.loads(record.value())["event_time"] == record.timestamp()[1]


def test_a_manifest_accounts_for_everything_delivered(bench: Bench, tmp_path: Path) -> None:
    manifest, truth = tmp_path / "manifest.jsonl", tmp_path / "truth.parquet"
    bench.run(
        *("simulate", "--payments", 2_000, "--payers", 300, "--duplicates", 0.02, "--late", 0.02, "--untidy", 0.02),
        *("--malformed", 60, "--conflicts", 20, "--manifest", manifest, "--truth", truth, "--buffered"),
    )
    notes = [json.loads(line) for line in manifest.read_text().splitlines()]
    duplicates = sum(note["kind"] == "duplicate" for note in notes)
    records = bench.read(bench.transactions, 2_000 + 60 + 20 + duplicates)
    found = Counter("" if record.value() is None else hashlib.sha256(record.value()).hexdigest() for record in records)
    assert Counter(note["sha256"] for note in notes) - found == Counter()
    assert found[""] == sum(note["kind"] == "tombstone" for note in notes) > 0
    assert pq.read_metadata(truth).num_rows == 2_000


def test_a_run_that_is_stopped_confirms_what_it_sent(bench: Bench) -> None:
    process = bench.start("simulate", "--seconds", 60, "--rate", 200, "--payers", 300)
    with Follower(bench) as follower:
        deadline = time.monotonic() + 60
        while not follower.seen and time.monotonic() < deadline:
            time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "stopped before the end" in out
    published = int(re.search(r"published (\d+) payments", out)[1])  # type: ignore[index]
    assert 0 < published < 12_000
    bench.read(bench.transactions, published)


def test_a_history_replayed_is_what_the_switch_would_have_published(bench: Bench, tmp_path: Path) -> None:
    times = ("--seed", 5, "--payments", 1_500, "--payers", 300, "--until", 1_767_205_800_000)
    bench.run("simulate", *times, "--out", tmp_path)
    bench.run("simulate", *times)
    bench.run("replay", tmp_path / "payments.parquet", "--max")
    again = Counter(
        (record.key(), json.dumps(json.loads(record.value()), sort_keys=True))
        for record in bench.read(bench.transactions, 3_000)
    )
    assert len(again) == 1_500
    assert set(again.values()) == {2}, "every payment twice, the same both times"


def test_replay_publishes_csv_with_a_map_at_a_rate(bench: Bench, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.csv"
    lines = [f"R{number},{1_767_205_800 + number},payer{number % 7}@ybl,shop@axl,{number}.50" for number in range(100)]
    foreign.write_text("\n".join(("ref,made,from,to,rupees", *lines)))
    (tmp_path / "map.toml").write_text(
        'transaction_id = "ref"\nevent_time = "made"\npayer_vpa = "from"\npayee_vpa = "to"\namount_paise = "rupees"\n'
        "[scale]\nevent_time = 1000\namount_paise = 100\n"
    )
    said = bench.run("replay", foreign, "--map", tmp_path / "map.toml", "--rate", 200)
    assert "published 100 records" in said
    records = bench.read(bench.transactions, 100)
    rows = {message["transaction_id"]: message for record in records if (message := json.loads(record.value()))}
    assert rows["R7"] == {
        "transaction_id": "R7",
        "event_time": 1_767_205_807_000,
        "payer_vpa": "payer0@ybl",
        "payee_vpa": "shop@axl",
        "amount_paise": 750,
    }
    stamps = sorted(record.timestamp()[1] for record in records)
    assert stamps[-1] - stamps[0] == pytest.approx(495, abs=15)


# In step with a group ---------------------------------------------------------------------------------------------


class Follower:
    """A consumer of both topics that commits what it has read, and notes in which order it read it."""

    def __init__(self, bench: Bench) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self._stop = threading.Event()
        self._bench = bench
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        bench = self._bench
        consumer = Consumer(
            {"bootstrap.servers": bench.bootstrap, "group.id": bench.group, "enable.auto.commit": False}
        )
        places = [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic in (bench.transactions, bench.outcomes)
            for partition in range(PARTITIONS)
        ]
        consumer.assign(places)
        while not self._stop.is_set():
            records = good(consumer.consume(500, 0.02))
            for record in records:
                kind = "payment" if record.topic() == bench.transactions else "outcome"
                self.seen.append((kind, json.loads(record.value())))
            if records:
                consumer.commit(asynchronous=False)
        consumer.close()


@pytest.fixture
def history(bench: Bench, tmp_path: Path) -> Path:
    bench.run("simulate", "--seed", 9, "--payments", 2_000, "--payers", 150, "--genuine-rate", 0.03, "--out", tmp_path)
    return tmp_path


def test_a_merged_replay_shows_every_payment_exactly_the_outcomes_of_its_past(bench: Bench, history: Path) -> None:
    with Follower(bench) as follower:
        said = bench.run(
            "replay", history / "payments.parquet", "--outcomes", history / "outcomes.parquet", "--patience", 30
        )
        deadline = time.monotonic() + 30
        outcomes = pq.read_table(history / "outcomes.parquet").to_pylist()
        while len(follower.seen) < 2_000 + len(outcomes) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert f"2000 payments and {len(outcomes)} outcomes" in said
    latest, told = 0, set()
    reported_at = {(one["transaction_id"], one["reported_at"]): one["reported_at"] for one in outcomes}
    for kind, message in follower.seen:
        if kind == "outcome":
            told.add((message["transaction_id"], message["reported_at"]))
            assert message["reported_at"] > latest
        else:
            assert {key for key, at in reported_at.items() if at <= message["event_time"]} <= told
            latest = max(latest, message["event_time"])
    assert len(told) == len(outcomes) > 20


def test_a_merged_replay_without_workers_says_so(bench: Bench, history: Path) -> None:
    said = bench.run(
        *("replay", history / "payments.parquet", "--outcomes", history / "outcomes.parquet", "--patience", 1), code=1
    )
    assert f"group {bench.group}: expected it to commit offset" in said
    assert "upifraud worker" in said


# What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.apache
def test_a_missing_topic_is_an_error(bench: Bench) -> None:
    bench.transactions = "nowhere-to-be-found"
    assert "expected a topic nowhere-to-be-found" in bench.run("simulate", "--payments", 10, code=1)


def test_a_broker_that_is_not_there_is_an_error() -> None:
    outlet = Outlet({"bootstrap.servers": "127.0.0.1:1", "socket.timeout.ms": 1_000})
    with pytest.raises(DeliveryError, match=r"expected an answer from 127\.0\.0\.1:1"):
        outlet.check(["transactions"])


def test_a_record_that_the_client_refuses_is_counted_as_failed(bench: Bench) -> None:
    outlet = Outlet({"bootstrap.servers": bench.bootstrap, "message.max.bytes": 2_000})
    outlet.send(bench.transactions, b"k", b"x" * 10_000, 1)
    outlet.send(bench.transactions, b"k", b"x", 1)
    with pytest.raises(DeliveryError, match="1 failed and 0 are unanswered"):
        outlet.finish()


def test_a_group_that_never_committed_stands_at_zero(bench: Bench) -> None:
    group = Group({"bootstrap.servers": bench.bootstrap}, bench.group)
    try:
        assert group.committed([(bench.transactions, 0)]) == {(bench.transactions, 0): 0}
        assert group.committed([]) == {}
    finally:
        group.close()
