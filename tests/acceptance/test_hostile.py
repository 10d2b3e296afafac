"""Records that are written to hurt, beside honest payments: probes are answered, verdicts come, and memory is bounded.

UPIFRAUD_TEST_HOSTILE_RECORDS sets how many inflated records are worked off in each shape; 48000 is the full run.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from tests.fixtures.hostile_batches import RawProducer, gzip_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.deployment import Deployment, WorkerProcess

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

PARTITIONS = 12
INFLATED = 48_000
WORKED_OFF = int(os.environ.get("UPIFRAUD_TEST_HOSTILE_RECORDS", "9000"))
LIMIT_MIB = {1_000: 768, 8_000: 1152}
"""By records in a batch: an answer of 256 KiB has three of the small ones, and a large one, 0.5 GiB, comes alone.

What is promised is 1.5 GiB for all of them; these are tighter, so that a second large batch in memory is seen.
"""
BLANKS = b" " * 65_002
OPEN_STRING = b"[" * 257 + b'"' + b'\\"' * 32_600
RATE, SECONDS = 2_000, 8
CPU_SECONDS = 5.0
"""What 574 hostile records may cost in all, and so the most by which they delay a probe or a verdict."""


def until_counted(deployment: Deployment, worker: WorkerProcess, name: str, count: int, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while worker.metric(name) < count:
        assert worker.running(), worker.said()[-3000:]
        assert time.monotonic() < deadline, f"{name} is {worker.metric(name)}, wanted {count}"
        time.sleep(1)  # a page of metrics takes a while to read


@pytest.mark.parametrize("in_a_batch", LIMIT_MIB)
def test_compressed_batches_that_inflate_a_thousandfold_do_not_fill_the_memory(
    deployment: Deployment, in_a_batch: int
) -> None:
    """48,000 records of 65 KB, 3 GB, wait as 3.5 MB when the worker starts."""
    publish_inflated(deployment, in_a_batch)
    worker = deployment.start_worker(UPIFRAUD_PAUSE_AFTER_SECONDS="60")  # a pause would empty the queue meanwhile
    until_counted(deployment, worker, "transactions_consumed_total", WORKED_OFF)
    print(f"{in_a_batch} in a batch: at most {worker.peak_memory() / 2**20:.0f} MiB resident")
    assert worker.peak_memory() < LIMIT_MIB[in_a_batch] * 2**20
    assert worker.metric("dead_letters_total", reason="not-json") >= WORKED_OFF
    assert worker.live()


def publish_inflated(deployment: Deployment, in_a_batch: int) -> None:
    producer = RawProducer(deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"])
    batch = gzip_batch(BLANKS, in_a_batch)
    for number in range(INFLATED // in_a_batch):
        producer.append("transactions", number % PARTITIONS, batch)
    producer.close()


@contextmanager
def probing(worker: WorkerProcess) -> Iterator[None]:
    """Ask the probes all the time, as the kubelet and Prometheus do; each must be answered."""
    failed: list[AssertionError] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.1):
            for path in ("healthz", "readyz", "metrics"):
                try:
                    worker.must_answer(path)
                except AssertionError as error:
                    failed.append(error)

    prober = threading.Thread(target=run)
    prober.start()
    try:
        yield
    finally:
        stop.set()
        prober.join()
    assert not failed, failed[0]


def honest(deployment: Deployment, seed: int) -> None:
    """Publish payments at the rate, in real time, and wait for the generator."""
    switch = deployment.begin(
        "simulate", "--seed", str(seed), "--seconds", str(SECONDS), "--rate", str(RATE), "--pace", "real"
    )
    assert switch.wait(180) == 0, (deployment.directory / "simulate.log").read_text()


def publish_hostile(deployment: Deployment) -> None:
    """Publish what is in no way a payment or an outcome, over all partitions: 74 open strings, 500 times blanks."""
    servers = deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    open_strings = Producer({"bootstrap.servers": servers, "acks": "all"})
    for number in range(60):
        open_strings.produce("transactions", OPEN_STRING, partition=number % PARTITIONS)
    for _ in range(14):
        open_strings.produce("outcomes", OPEN_STRING)
    assert open_strings.flush(60) == 0
    raw, batch = RawProducer(servers), gzip_batch(BLANKS, 250)
    for partition in (0, 5):
        raw.append("transactions", partition, batch)
    raw.close()


def cost(deployment: Deployment, worker: WorkerProcess, seed: int, *, hostile: bool) -> float:
    """Publish honest payments, and hostile records among them after two seconds if told so; return the CPU seconds."""
    before, judged = worker.cpu_seconds(), deployment.verdicts()
    attack = threading.Timer(2, lambda: publish_hostile(deployment))
    with probing(worker):
        if hostile:
            attack.start()
        honest(deployment, seed)
        if hostile:
            attack.join()
        deployment.drain()
    assert deployment.verdicts() - judged >= RATE * SECONDS
    return worker.cpu_seconds() - before


def test_hostile_records_beside_honest_payments_delay_neither_probes_nor_verdicts(deployment: Deployment) -> None:
    """Judged by what they cost and not by the clock: a machine that is busy delays everything."""
    worker = deployment.start_worker()
    calm = cost(deployment, worker, 1, hostile=False)
    hostile = cost(deployment, worker, 2, hostile=True)
    print(f"{hostile:.1f} s of CPU, {calm:.1f} s in the calm")
    # Twice: how large micro-batches become differs from one time to the other, and with it what they cost.
    assert hostile < 2 * calm + CPU_SECONDS, f"{hostile:.1f} s of CPU, {calm:.1f} s in the calm"
    letters = [*deployment.records("transactions.dead-letter"), *deployment.records("outcomes.dead-letter")]
    assert Counter(letter.value for letter in letters) == {OPEN_STRING: 74, BLANKS: 500}
