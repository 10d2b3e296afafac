"""Lag and flow: what an SRE looks at when paged. Are we behind, since when, and which stage or server is to blame?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.board import Section, board
from deploy.grafana.panels import BAD, GOOD, WARN, heat, lines, number, states
from deploy.grafana.queries import Query, increase, mean, of, quantile, rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

DEPLOYMENT = 'deployment="upi-fraud-stream"'
SCALED = 'horizontalpodautoscaler=~"(keda-hpa-)?upi-fraud-stream"'
DONE = rate("transactions_consumed_total")


def flow() -> dashboard.Dashboard:
    """Return the dashboard of lag and flow."""
    return board(
        "flow",
        "Lag and flow",
        "Is every payment judged in time, and if not, what holds it up? Read it from the top to the bottom.",
        [_now(), _lag(), _throughput(), _latency(), _group(), _replicas()],
    )


def _now() -> Section:
    return Section(
        "Now",
        [
            number(
                "Records behind",
                "Records between the ends of all partitions and what is done. A worker commits every second, so as "
                "many as arrive in a second are normal.",
                "short",
                Query(f"sum({of('consumer_lag_records')})", "behind"),
                alerts=("LagHigh",),
            ),
            number(
                "Seconds behind",
                "Age of the newest record done in the partition that is furthest behind; 0 at the end.",
                "s",
                Query(f"max({of('consumer_lag_seconds')})", "behind"),
                steps=((None, GOOD), (5, WARN), (30, BAD)),
                alerts=("LagHigh",),
            ),
            number(
                "Records done",
                "Records of the transactions topic a second whose effects are all done, malformed ones included.",
                "cps",
                Query(DONE, "done"),
            ),
            number(
                "End to end, p99",
                "From the record's Kafka timestamp to all effects done: what the switch sees.",
                "s",
                Query(quantile(0.99, "end_to_end_latency_seconds"), "p99"),
                steps=((None, GOOD), (0.1, WARN), (1, BAD)),
                alerts=("LatencyHigh",),
            ),
            number(
                "Workers scraped",
                "Workers that Prometheus reaches. Fewer than replicas: a pod is not scraped, or is gone.",
                "none",
                Query('sum(up{job=~"$job"})', "workers"),
                steps=((None, BAD), (1, GOOD)),
                alerts=("ServiceDown",),
            ),
            number(
                "Servers waited for",
                "Kafka, Redis or Postgres that some worker has declared down. It makes the call again until it "
                "succeeds, and nothing overtakes it.",
                "none",
                Query(f"count({of('server_up')} == 0) or vector(0)", "servers"),
                steps=((None, GOOD), (1, BAD)),
            ),
        ],
    )


def _lag() -> Section:
    return Section(
        "Lag",
        [
            lines(
                "Records behind, by partition",
                "One partition above the others is a hot payer or a stuck partition: more replicas do not help it. All "
                "of them together are too few workers or a slow server.",
                "short",
                Query(f"sum by (topic, partition) ({of('consumer_lag_records')})", "{{topic}} {{partition}}"),
                alerts=("PartitionStuck",),
            ),
            lines(
                "Seconds behind",
                "How old the newest record done is, in the partition that is furthest behind. Growing by one second a "
                "second: nothing is done there at all.",
                "s",
                Query(f"max by (topic) ({of('consumer_lag_seconds')})", "{{topic}}"),
                alerts=("LagHigh",),
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
                "Partitions are paused while two micro-batches are in flight and neither gets done, mostly because a "
                "server is waited for. The worker stays in its group meanwhile.",
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
                "A micro-batch is what arrived while the last one was at work, so it grows with load; at 4,096 the "
                "worker is saturated.",
                "short",
                Query(quantile(0.5, "micro_batch_records"), "p50"),
                Query(quantile(0.99, "micro_batch_records"), "p99"),
                Query(mean("micro_batch_records"), "mean"),
            ),
            lines(
                "Micro-batches in flight",
                "At most two a topic and worker. At two all the time, the worker is never idle: it needs help.",
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


def _latency() -> Section:
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
                alerts=("LatencyHigh",),
            ),
            heat(
                "End to end, all payments",
                "Two bands are two populations: a partition that is behind beside others that are not.",
                "s",
                Query(increase("end_to_end_latency_seconds_bucket", "le"), "{{le}}"),
            ),
            lines(
                "Stages, p50",
                "Time of one stage for one micro-batch. Features is Redis, claim and store are Postgres, publish is "
                "Kafka; decode, score and explain are the worker's own.",
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
                Query(rate("stage_cpu_seconds_total", "stage"), "{{stage}}"),
                stacked=True,
            ),
            lines(
                "CPU of a payment",
                "What one record costs, by stage. It falls with larger micro-batches and rises with the length of busy "
                "entity logs and with alerts.",
                "s",
                Query(f"{rate('stage_cpu_seconds_total', 'stage')} / on () group_left () {DONE}", "{{stage}}"),
                stacked=True,
            ),
        ],
    )


def _group() -> Section:
    return Section(
        "Consumer group",
        [
            lines(
                "Partitions assigned",
                "How the topics are spread over the workers. The sum is the number of partitions; less of it belongs "
                "to nobody.",
                "short",
                Query(f"sum by (instance, topic) ({of('partitions_assigned')})", "{{instance}} {{topic}}"),
                stacked=True,
            ),
            lines(
                "Rebalances",
                "Assignments of partitions. A few with every deployment or scaling are normal; without end they are a "
                "worker that misses max.poll.interval or restarts again and again.",
                "short",
                Query(increase("rebalances_total", "instance"), "{{instance}}"),
                alerts=("RebalanceStorm",),
            ),
            lines(
                "Commits",
                "Offset commits a second. Refused ones are made again with the next; those that fail for long are "
                "redelivered after a restart.",
                "cps",
                Query(rate("commits_total"), "accepted"),
                Query(f"{rate('commit_failures_total', 'error')} or vector(0)", "refused {{error}}"),
                alerts=("CommitFailures",),
            ),
            lines(
                "Work abandoned",
                "Partitions let go of with work in flight: lost, or the drain took longer than UPIFRAUD_DRAIN_SECONDS. "
                "Their records come again.",
                "short",
                Query(increase("partitions_abandoned_total", "instance"), "{{instance}}"),
            ),
            lines(
                "Calls made again",
                "Retries a second because a server did not answer. Nothing is lost meanwhile; lag grows.",
                "cps",
                Query(rate("retries_total", "server"), "{{server}}"),
            ),
            states(
                "Servers",
                "Whether any worker waits for the server.",
                Query(f"min by (server) ({of('server_up')})", "{{server}}"),
                {1: ("up", GOOD), 0: ("waited for", BAD)},
                alerts=("ServerUnreachable",),
            ),
        ],
    )


def _replicas() -> Section:
    return Section(
        "Replicas",
        [
            lines(
                "Replicas",
                "What the autoscaler wants, what is ready, and what Prometheus reaches; the highest line is the most "
                "it may ask for. Wanted at the most while lag grows: raise it, up to the number of partitions.",
                "none",
                Query('sum(up{job=~"$job"})', "scraped"),
                Query(f"max(kube_horizontalpodautoscaler_status_desired_replicas{{{SCALED}}})", "wanted"),
                Query(f"max(kube_deployment_status_replicas_ready{{{DEPLOYMENT}}})", "ready"),
                Query(f"max(kube_horizontalpodautoscaler_spec_max_replicas{{{SCALED}}})", "at most"),
            ),
            lines(
                "CPU of the workers",
                "Cores in use, of the two that a pod may have.",
                "percentunit",
                Query(f"rate({of('process_cpu_seconds_total')}[$__rate_interval])", "{{instance}}"),
            ),
            lines(
                "Since the start",
                "Age of the processes. Many young ones are restarts or a deployment.",
                "s",
                Query(f"time() - {of('process_start_time_seconds')}", "{{instance}}"),
                log=True,
            ),
            lines(
                "Container restarts",
                "A worker restarts when it is not live: lag, nothing it waits for, and nothing finished; or when the "
                "kernel killed it for its memory.",
                "short",
                Query(
                    'sum by (pod) (increase(kube_pod_container_status_restarts_total{container="worker"}'
                    "[$__rate_interval]))",
                    "{{pod}}",
                ),
                alerts=("ServiceDown",),
            ),
        ],
    )
