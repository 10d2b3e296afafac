"""Records/s drained with an EMPTY agent, stock Faust beside our transport: `python bench/transport.py`.

Starts Apache Kafka for it, or measures on the broker of `--bootstrap`, in topics of its own. Each figure is from a
worker process of its own that drains a topic published before; the two kinds take turns, the median round is printed.
CPU is that of the whole worker process, librdkafka's threads included, from its first record to its last.
`--open-loop RATE` adds the latency at a steady rate, with several fetch settings: from the producer's timestamp to the
agent, so it includes the broker.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from bench import machine
from local import kafka_admin
from local.kafka_jvm import JvmKafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = bytes(500)
PARTITIONS = 12
RESULT = "RESULT "
FETCH_SETTINGS = {  # fetch.min.bytes, fetch.wait.max.ms, least ms between starts of small micro-batches
    "min 1 B, pace 0": (1, 100, 0),
    "min 1 B, pace 8 ms": (1, 100, 8),
    "min 100 kB, wait 3 ms, pace 5 ms": (100_000, 3, 5),
    "min 100 kB, wait 3 ms, pace 8 ms": (100_000, 3, 8),
}


# The workers, each in a process of its own ----------------------------------------------------------------------------


class Meter:
    """Counts records and, at the last one, prints what they took, the first `skip` left out, and ends the process."""

    def __init__(self, wanted: int, skip: int = 0) -> None:
        self._wanted = wanted
        self._skip = skip
        self._seen = self._first = 0
        self._latencies: list[float] = []

    def saw(self, count: int, timestamps: list[int] | None = None) -> None:
        """Note records that have reached the agent, with their epoch ms where latency is wanted."""
        self._seen += count
        if not self._first:
            if self._seen > self._skip:
                # What is here already was fetched before the clock starts.
                self._began, self._cpu, self._first = time.perf_counter(), time.process_time(), self._seen
        elif timestamps:
            now = time.time() * 1000
            self._latencies += [now - timestamp for timestamp in timestamps]
        if self._seen >= self._wanted:
            self._finish()

    def _finish(self) -> None:
        records = self._seen - self._first
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        found = {"rate": records / seconds, "cpu_us": cpu / records * 1e6}
        if self._latencies:
            ordered = sorted(self._latencies)
            found |= {f"p{share}": ordered[len(ordered) * share // 100] for share in (50, 99)}
        os.write(1, f"\n{RESULT}{json.dumps(found)}\n".encode())  # Faust has put something else in place of stdout
        os._exit(0)


def run_stock(bootstrap: str, topic: str, wanted: int) -> None:
    """Stock Faust on its aiokafka driver, event by event, as its documentation has it."""
    import faust

    meter = Meter(wanted)
    app = faust.App(
        f"bench-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{bootstrap}",
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        datadir=tempfile.mkdtemp(prefix="upifraud-bench-faust-"),
    )

    @app.agent(app.topic(topic, value_type=bytes))
    async def agent(stream: Any) -> None:
        async for _ in stream:
            meter.saw(1)

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


def run_ours(bootstrap: str, topic: str, wanted: int, fetch: tuple[int, int, int], *, latency: bool) -> None:
    """The transport, one message a fetch."""
    from stream.faust_app.app import make_app, run_worker
    from stream.settings import Settings

    min_bytes, wait_ms, pace_ms = fetch
    meter = Meter(wanted, skip=wanted // 2 if latency else 0)

    async def process(fetched: Any) -> None:
        fetched.passed.set()
        timestamps = [record.timestamp()[1] for _, records in fetched.slices for record in records] if latency else None
        meter.saw(len(fetched), timestamps)

    settings = Settings(
        kafka_bootstrap_servers=bootstrap,
        consumer_group=f"bench-{uuid.uuid4().hex[:8]}",
        topic_transactions=topic,
        topic_outcomes=f"{topic}-none",
        kafka_fetch_min_bytes=min_bytes,
        kafka_fetch_wait_seconds=wait_ms / 1000,
        pace_seconds=pace_ms / 1000,
    )
    sys.exit(run_worker(make_app(settings, process, process)))


# What is measured -----------------------------------------------------------------------------------------------------


def publish(bootstrap: str, topic: str, count: int) -> None:
    """Publish so many records, spread over the partitions."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    for number in range(count):
        producer.produce(topic, VALUE, partition=number % PARTITIONS)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush(120)


def publish_steadily(bootstrap: str, topic: str, rate: int, stop: threading.Event) -> None:
    """Publish at a rate, open loop, in steps of 5 ms."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "queue.buffering.max.messages": 1_000_000})
    began, sent = time.perf_counter(), 0
    while not stop.is_set():
        due = int((time.perf_counter() - began) * rate)
        for number in range(sent, due):
            producer.produce(topic, VALUE, partition=number % PARTITIONS)
        sent = due
        producer.poll(0)
        time.sleep(0.005)
    producer.flush(30)


def child(kind: str, bootstrap: str, topic: str, wanted: int, fetch: tuple[int, int, int], *, latency: bool) -> Any:
    """Run one worker in a process of its own and return what it found."""
    arguments = [kind, bootstrap, topic, str(wanted), json.dumps(fetch), json.dumps(latency)]
    done = subprocess.run(
        [sys.executable, __file__, "--child", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        sys.exit(f"The {kind} worker failed:\n{done.stderr[-4000:]}")
    result = next(line for line in done.stdout.splitlines() if line.startswith(RESULT))
    return json.loads(result.removeprefix(RESULT))


def measure_drain(bootstrap: str, records: int, stock_records: int, rounds: int) -> None:
    """Print what each kind of worker drains."""
    topics = {"stock": (new_topic(bootstrap), stock_records), "ours": (new_topic(bootstrap), records)}
    for topic, count in topics.values():
        publish(bootstrap, topic, count)
    found: dict[str, list[Any]] = {kind: [] for kind in topics}
    for _ in range(rounds):
        for kind, (topic, count) in topics.items():
            found[kind].append(child(kind, bootstrap, topic, count, (1, 100, 0), latency=False))
    names = {"stock": "stock Faust (aiokafka), event by event", "ours": "our transport, one message a fetch"}
    print(f"{'drained, empty agent':50} {'records/s':>12} {'CPU us a record':>16}")
    for kind, runs in found.items():
        rate, cpu = (median(run[name] for run in runs) for name in ("rate", "cpu_us"))
        print(f"{names[kind]:50} {rate:12,.0f} {cpu:16.2f}")
    print(f"ratio {median(r['rate'] for r in found['ours']) / median(r['rate'] for r in found['stock']):.0f}")


def measure_latency(bootstrap: str, rate: int, seconds: int) -> None:
    """Print latency and cost at a steady rate with several fetch settings."""
    print(f"{f'open loop, {rate:,}/s':50} {'p50 ms':>12} {'p99 ms':>16} {'CPU us a record':>16}")
    first = next(iter(FETCH_SETTINGS))
    for name in (None, *FETCH_SETTINGS):  # once for nothing: a broker that has just started is slow
        fetch = FETCH_SETTINGS[name or first]
        topic, stop = new_topic(bootstrap), threading.Event()
        publisher = threading.Thread(target=publish_steadily, args=(bootstrap, topic, rate, stop))
        publisher.start()
        try:  # the first half goes by while the worker starts and catches up
            run = child("ours", bootstrap, topic, 2 * rate * seconds, fetch, latency=True)
        finally:
            stop.set()
            publisher.join()
        if name is None:
            continue
        print(f"{name:50} {run['p50']:12.0f} {run['p99']:16.0f} {run['cpu_us']:16.1f}", flush=True)


def new_topic(bootstrap: str) -> str:
    """Make a topic of its own, and the empty one that our app has beside it."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    kafka_admin.make_topics(bootstrap, {topic: PARTITIONS, f"{topic}-none": 1})
    return topic


@contextlib.contextmanager
def broker(bootstrap: str | None) -> Iterator[str]:
    """Yield the broker given, or Apache Kafka started for this."""
    if bootstrap is not None:
        yield bootstrap
        return
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        server = JvmKafkaServer(Path(directory))
        server.start()
        try:
            yield server.bootstrap_servers
        finally:
            server.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", help="a Kafka of yours instead of one started for this")
    parser.add_argument("--records", type=int, default=1_000_000, help="records that our transport drains")
    parser.add_argument("--stock-records", type=int, default=40_000, help="records that stock Faust drains")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--open-loop", type=int, metavar="RATE", help="measure latency at so many records/s too")
    parser.add_argument("--seconds", type=int, default=8, help="of the open loop, for each fetch setting")
    options = parser.parse_args()
    print(f"machine-speed index {machine.index():.2f} s, load average {os.getloadavg()[0]:.1f}")
    with broker(options.bootstrap) as bootstrap:
        measure_drain(bootstrap, options.records, options.stock_records, options.rounds)
        if options.open_loop:
            measure_latency(bootstrap, options.open_loop, options.seconds)
    print(f"machine-speed index {machine.index():.2f} s, load average {os.getloadavg()[0]:.1f}")


def child_main(kind: str, bootstrap: str, topic: str, wanted: str, fetch: str, latency: str) -> None:
    """Be one of the workers."""
    if kind == "stock":
        run_stock(bootstrap, topic, int(wanted))
    else:
        run_ours(bootstrap, topic, int(wanted), tuple(json.loads(fetch)), latency=json.loads(latency))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child_main(*sys.argv[2:])
    else:
        main()
