"""The transport: one Faust message a fetch on confluent-kafka, or stock Faust's event by event; an empty agent."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench import transport
from bench.ablations.ablation import Ablation, Way

FETCH = (1, 500, 3)
NAMES = {"ours": "our transport, one message a fetch", "stock": "stock Faust (aiokafka), event by event"}


def measure(*, rounds: int, records: int, stock_records: int) -> Ablation:
    """Drain a topic with each, taking turns; CPU of the whole worker process, the broker's left out."""
    found: dict[str, list[Any]] = {kind: [] for kind in NAMES}
    with transport.broker(None) as bootstrap:
        topics = {
            "ours": (transport.new_topic(bootstrap), records),
            "stock": (transport.new_topic(bootstrap), stock_records),
        }
        for topic, count in topics.values():
            transport.publish(bootstrap, topic, count)
        for _ in range(rounds):
            for kind, (topic, count) in topics.items():
                found[kind].append(transport.child(kind, bootstrap, topic, count, FETCH, latency=False))
    ways = []
    for kind, name in NAMES.items():
        rate = median(run["rate"] for run in found[kind])
        ways.append(Way(name, median(run["cpu_us"] for run in found[kind]), f"{rate:,.0f} records/s", {"rate": rate}))
    return Ablation("transport, empty agent", ways)
