"""Lag and flow: what an SRE looks at when paged. Are we behind, since when, and which stage or server is to blame?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.board import Section, board
from deploy.grafana.flow_latency import latency
from deploy.grafana.flow_workers import group, workers
from deploy.grafana.panels import BAD, GOOD, WARN, lines, number, states
from deploy.grafana.queries import Query, mean, of, quantile, rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

DONE = rate("transactions_consumed_total")


def flow() -> dashboard.Dashboard:
    """Return the dashboard of lag and flow."""
    return board(
        "flow",
        "Lag and flow",
        "Is every payment judged in time, and if not, what holds it up? Read it from the top to the bottom.",
        [_now(), _lag(), _throughput(), latency(), group(), workers()],
    )


def _now() -> Section:
    return Section(
        "Now",
        [
            number(
                "Records behind",
                "Records between the ends of all partitions and what is done. What is in "
                "flight is still behind: a micro-batch or two is normal.",
                "short",
                Query(f"sum({of('consumer_lag_records')})", "behind"),
                alerts=("UpiFraudLag",),
            ),
            number(
                "Seconds behind",
                "Age of the newest record done in the partition that is furthest behind; 0 at the end.",
                "s",
                Query(f"max({of('consumer_lag_seconds')})", "behind"),
                steps=((None, GOOD), (5, WARN), (30, BAD)),
                alerts=("UpiFraudLag",),
            ),
            number(
                "Records done",
                "Records of the transactions topic a second whose effects are all done, malformed ones included.",
                "cps",
                Query(DONE, "done"),
                alerts=("UpiFraudPaymentsStopped",),
            ),
            number(
                "End to end, p99",
                "From the record's Kafka timestamp to all effects done: what the switch sees.",
                "s",
                Query(quantile(0.99, "end_to_end_latency_seconds"), "p99"),
                steps=((None, GOOD), (0.1, WARN), (1, BAD)),
                alerts=("UpiFraudLatencyP95High", "UpiFraudLatencyBudgetBurn"),
            ),
            number(
                "Workers scraped",
                "Workers that Prometheus reaches. Fewer than wanted: a pod is not scraped, or is gone.",
                "none",
                Query(f"sum({of('up')})", "workers"),
                steps=((None, BAD), (1, GOOD)),
                alerts=("UpiFraudDown", "UpiFraudWorkerDown"),
            ),
            number(
                "Servers waited for",
                "Waits of workers for Kafka, Redis or Postgres. A worker makes the call again until it "
                "succeeds, and nothing overtakes it.",
                "none",
                Query(f"count({of('server_up')} == 0) or vector(0)", "servers"),
                steps=((None, GOOD), (1, BAD)),
                alerts=("UpiFraudServerUnreachable",),
            ),
        ],
    )


def _lag() -> Section:
    return Section(
        "Lag",
        [
            lines(
                "Records behind, by partition",
                "One partition above the others is a hot payer or a stuck partition: more workers do not help it. All "
                "of them together are too few workers or a slow server. Held back: a producer's open transaction.",
                "short",
                Query(f"sum by (topic, partition) ({of('consumer_lag_records')})", "{{topic}} {{partition}}"),
                Query(f"sum by (topic) ({of('consumer_held_back_records')})", "{{topic}}, held back"),
                alerts=("UpiFraudPartitionStuck", "UpiFraudTransactionOpen"),
            ),
            lines(
                "Seconds behind, by topic",
                "How old the newest record done is, in the partition that is furthest behind. Growing by one second a "
                "second: nothing is done there at all.",
                "s",
                Query(f"max by (topic) ({of('consumer_lag_seconds')})", "{{topic}}"),
                alerts=("UpiFraudLag",),
            ),
            lines(
                "Lag gained or lost",
                "Records a second by which the lag grows. Below zero it is worked off; the lag divided by this is the "
                "time until then.",
                "cps",
                Query(f"sum by (topic) (deriv({of('consumer_lag_records')}[5m]))", "{{topic}}"),
                signed=True,
            ),
            states(
                "Paused",
                "Partitions are paused while three micro-batches are in flight and none gets done: a server is waited "
                "for, or kernels are compiled after a start. The worker stays in its group meanwhile.",
                Query(f"max by (instance) ({of('consumer_paused')})", "{{instance}}"),
                {0: ("reading", GOOD), 1: ("paused", WARN)},
            ),
        ],
    )


def _throughput() -> Section:
    return Section(
        "Flow",
        [
            lines(
                "Records done, by worker",
                "Records of both topics. One worker far below the others has fewer partitions, or a slow node.",
                "cps",
                Query(rate("transactions_consumed_total", "instance"), "payments {{instance}}"),
                Query(rate("outcomes_consumed_total", "instance"), "outcomes {{instance}}"),
                stacked=True,
            ),
            lines(
                "Micro-batch size",
                "A micro-batch is what arrived while the last one was at work, so it grows with load; at 2,048 the "
                "worker is saturated.",
                "short",
                Query(quantile(0.5, "micro_batch_records"), "p50"),
                Query(quantile(0.99, "micro_batch_records"), "p99"),
                Query(mean("micro_batch_records"), "mean"),
            ),
            lines(
                "Micro-batches in flight",
                "At most three a topic and worker. At three all the time, the worker is never idle: it needs help.",
                "short",
                Query(f"sum by (instance) ({of('micro_batches_in_flight')})", "{{instance}}"),
            ),
            lines(
                "Delivered again",
                "Replays are records that had been worked on and came again after a rebalance or a death: harmless, "
                "their stored verdict stands. Many without either are a worker that does not get to commit.",
                "cps",
                Query(rate("replays_total", "instance"), "{{instance}}"),
            ),
        ],
    )
