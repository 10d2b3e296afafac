"""Publishing and replaying on a real broker, through the command line."""

from __future__ import annotations

import csv
import gzip
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from simulator.errors import DeliveryError
from simulator.kafka import Group, Outlet

if TYPE_CHECKING:
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


FILES = Path(__file__).parents[1] / "fixtures/files"


def test_a_file_of_which_every_row_is_refused_fails_without_a_worker_too(bench: Bench) -> None:
    said = bench.run("replay", FILES / "payments-float-amounts.parquet", code=1)
    assert "published 3 records" in said
    assert f"not known yet: no worker is in group {bench.group}" in said
    assert "3 rows, 3 refused: 3 wrong-type (first row 1: amount_paise: " in said
    assert "expected rows that can be used, but all were refused" in said
    bench.read(bench.transactions, 3)


def test_a_row_with_too_many_cells_is_not_published(bench: Bench, tmp_path: Path) -> None:
    said = bench.run("replay", FILES / "csv-unquoted-thousands.csv", "--map", FILES / "csv-thousands.map.toml", code=1)
    assert "rows that could not be published: 1 too-many-cells (row 1: line 2: expected at most 5 cells" in said
    mixed = tmp_path / "mixed.csv"
    head, row = "transaction_id,event_time,payer_vpa,payee_vpa,amount_paise", "x,1767200000000,a@bank,b@bank"
    mixed.write_text(f"{head}\n{row},1,234\n{row},100\n")
    said = bench.run("replay", mixed)
    assert "1 too-many-cells" in said
    assert "2 rows, 1 refused" in said
    (record,) = bench.read(bench.transactions, 1)
    assert json.loads(record.value())["amount_paise"] == 100


def test_a_file_that_turns_out_to_be_damaged_says_what_was_published_before(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "damaged.csv"
    rows = [f"p-{number},1767200000000,payer@bank,shop@bank,{number + 1}" for number in range(5_000)]
    file.write_text("\n".join(("transaction_id,event_time,payer_vpa,payee_vpa,amount_paise", *rows, '"p-5000,1')))
    said = bench.run("replay", file, code=1)
    assert "in row 5001, which begins in line 5002" in said
    found = re.search(r"\(([0-9,]+) records were published before, all acknowledged\)", said)
    assert found is not None
    assert len(said.strip().splitlines()) == 1, "one line"
    published = int(found[1].replace(",", ""))
    assert 0 < published <= 5_000
    bench.read(bench.transactions, published)


def test_local_times_are_published_in_their_zone(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "local.parquet"
    table = pq.read_table(FILES / "payments-integer-ids.parquet")
    local = table["event_time"].cast(pa.timestamp("ms"))
    pq.write_table(table.set_column(table.schema.get_field_index("event_time"), "event_time", local), file)
    assert "without a zone; say which it is with --zone" in bench.run("replay", file, code=1)
    bench.run("replay", file, "--zone", "Asia/Kolkata")
    times = sorted(json.loads(record.value())["event_time"] for record in bench.read(bench.transactions, 3))
    assert times == [at - 19_800_000 for at in table["event_time"].to_pylist()]


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
        partitions = [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic in (bench.transactions, bench.outcomes)
            for partition in range(PARTITIONS)
        ]
        consumer.assign(partitions)
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


def test_outcomes_in_the_payments_own_file_are_merged_in(bench: Bench, tmp_path: Path) -> None:
    file, columns, refused = tmp_path / "a.csv.gz", tmp_path / "map.toml", tmp_path / "refused.csv"
    lines = [f"{hour};Asha {hour % 3};Shop;{hour},50;{('no', 'yes', '')[hour % 3]}" for hour in range(1, 301)]
    text = "\n".join(("step;who;whom;rupees;fraud", *lines, "301;Asha;Shop;1.2.3;no", ""))
    file.write_bytes(gzip.compress(text.encode()))
    columns.write_text(
        'transaction_id = { row_number = "R" }\n'
        'event_time = { column = "step", epoch = 2026-01-01T00:00:00+05:30, step = "1h" }\n'
        'payer_vpa = { column = "who", handle = "people" }\n'
        'payee_vpa = { column = "whom", handle = "shops" }\n'
        'amount_paise = { column = "rupees", unit = "rupees", decimal = "," }\n'
        'outcome = { column = "fraud", fraud = ["yes"], genuine = ["no"] }\n'
        'reported_at = { after = "event_time", delay = "2d" }\n'
    )
    with Follower(bench) as follower:
        said = bench.run("replay", file, "--map", columns, "--patience", 30, "--refused", refused)
        deadline = time.monotonic() + 30
        while len(follower.seen) < 500 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert "300 payments and 201 outcomes" in said
    told: set[str] = set()
    for kind, message in follower.seen:
        if kind == "outcome":
            told.add(message["transaction_id"])
        else:
            hour = int(message["transaction_id"].removeprefix("R"))
            assert told == {f"R{before}" for before in range(1, hour - 48) if before % 3 < 2}
    with refused.open(encoding="utf-8", newline="") as rows:
        (row,) = csv.DictReader(rows)
    assert (row["of"], row["row"], row["column"]) == ("payments", "301", "rupees")
    only = bench.run("replay", file, "--map", columns, "--topic", "transactions")
    assert "published 300 records" in only


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
