"""Lag and flow: how long payments take, and where."""

from __future__ import annotations

from typing import Final

from deploy.grafana.board import Section
from deploy.grafana.panels import heat, lines
from deploy.grafana.queries import ENVIRONMENT, Query, increase, quantile, rate

CPU: Final = rate("stage_cpu_seconds_total", "stage")
WINDOWS: Final = ("5m", "1h", "6h", "3d")


def latency() -> Section:
    """Return the section about latency, whole and by stage."""
    return Section(
        "Latency",
        [
            lines(
                "End to end",
                "From the record's Kafka timestamp to all effects done. It holds the waiting in Kafka, so it follows "
                "the lag.",
                "s",
                *(Query(quantile(q, "end_to_end_latency_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
                log=True,
                limit=0.1,
                alerts=("UpiFraudLatencyP95High",),
            ),
            heat(
                "End to end, all payments",
                "Two bands are two populations: a partition that is behind beside others that are not.",
                "s",
                Query(increase("end_to_end_latency_seconds_bucket", "le"), "{{le}}"),
            ),
            lines(
                "Late payments, over the windows of the objective",
                "Share of records whose effects were done later than 100 ms after Kafka had them, in all environments "
                "that this Prometheus watches, the worst of them. 1 % may be; docs/slo.md says why, and how fast the "
                "budget burns above.",
                "percentunit",
                *(
                    Query(f"max(namespace:payments_late:ratio_rate{window}{{{ENVIRONMENT}}})", window)
                    for window in WINDOWS
                ),
                limit=0.01,
                alerts=("UpiFraudLatencyBudgetBurn",),
                width=24,
            ),
            lines(
                "Stages, p50",
                "Time of one step for one micro-batch. Features is Redis; claim, store and outcomes are Postgres; "
                "publish is Kafka; decode, windows and judge are the worker's own.",
                "s",
                Query(quantile(0.5, "stage_latency_seconds", "stage"), "{{stage}}"),
                log=True,
            ),
            lines(
                "Stages, p99",
                "The same where it is slow. Compare with the CPU beside it: time without CPU is waiting for a server.",
                "s",
                Query(quantile(0.99, "stage_latency_seconds", "stage"), "{{stage}}"),
                log=True,
            ),
            lines(
                "CPU of the stages",
                "Cores in use by each stage, in its own thread. Their sum near the limit: scale out.",
                "percentunit",
                Query(CPU, "{{stage}}"),
                stacked=True,
            ),
            lines(
                "CPU of a payment",
                "What one record costs, by stage. It falls with larger micro-batches and rises with the length of busy "
                "entity logs and with alerts.",
                "s",
                Query(f"{CPU} / on () group_left () {rate('transactions_consumed_total')}", "{{stage}}"),
                stacked=True,
            ),
        ],
    )
