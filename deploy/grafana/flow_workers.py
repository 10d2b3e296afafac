"""Lag and flow: the workers as members of their consumer group, and as pods of a deployment."""

from __future__ import annotations

from deploy.grafana.board import Section
from deploy.grafana.panels import BAD, GOOD, lines, states
from deploy.grafana.queries import ENVIRONMENT, RATE, Query, increase, of, rate

DEPLOYMENT = f'deployment="upi-fraud-stream", {ENVIRONMENT}'
SCALED = f'horizontalpodautoscaler=~"(keda-hpa-)?upi-fraud-stream", {ENVIRONMENT}'
RESTARTS = f'kube_pod_container_status_restarts_total{{container="worker", {ENVIRONMENT}}}'


def group() -> Section:
    """Return the section about partitions, commits and servers."""
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
                alerts=("UpiFraudPartitionsUnassigned",),
            ),
            lines(
                "Rebalances",
                "Assignments of partitions. A few with every deployment or scaling are normal; without end they are a "
                "worker that misses max.poll.interval or restarts again and again.",
                "short",
                Query(increase("rebalances_total", "instance"), "{{instance}}"),
                alerts=("UpiFraudRebalanceStorm",),
            ),
            lines(
                "Commits",
                "Offset commits a second. Refused ones are made again with the next; those that fail for long are "
                "redelivered after a restart.",
                "cps",
                Query(rate("commits_total"), "accepted"),
                Query(rate("commit_failures_total"), "refused"),
                alerts=("UpiFraudCommitFailures",),
            ),
            lines(
                "Work abandoned",
                "Partitions let go of with work in flight: lost, or the drain took longer than UPIFRAUD_DRAIN_SECONDS. "
                "Their records come again.",
                "short",
                Query(increase("partitions_abandoned_total", "instance"), "{{instance}}"),
                alerts=("UpiFraudPartitionsAbandoned",),
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
                alerts=("UpiFraudServerUnreachable",),
            ),
        ],
    )


def workers() -> Section:
    """Return the section about processes and pods."""
    return Section(
        "Workers",
        [
            lines(
                "Workers, wanted and ready",
                "What the autoscaler wants, what is ready, and what Prometheus reaches; the highest line is the most "
                "it may ask for. Wanted at the most while lag grows: raise it, up to the number of partitions.",
                "none",
                Query(f"sum({of('up')})", "scraped"),
                Query(f"max(kube_horizontalpodautoscaler_status_desired_replicas{{{SCALED}}})", "wanted"),
                Query(f"max(kube_deployment_status_replicas_ready{{{DEPLOYMENT}}})", "ready"),
                Query(f"max(kube_horizontalpodautoscaler_spec_max_replicas{{{SCALED}}})", "at most"),
            ),
            lines(
                "CPU of the workers",
                "Cores in use, of the two that a pod may have.",
                "percentunit",
                Query(f"rate({of('process_cpu_seconds_total')}[{RATE}])", "{{instance}}"),
            ),
            lines(
                "Since the start",
                "Age of the processes. Many young ones are restarts or a deployment.",
                "s",
                Query(f"time() - {of('process_start_time_seconds')}", "{{instance}}"),
            ),
            lines(
                "Container restarts",
                "A worker restarts when it is not live: lag, nothing it waits for, and nothing finished; or when the "
                "kernel killed it for its memory.",
                "short",
                Query(f"sum by (pod) (increase({RESTARTS}[{RATE}]))", "{{pod}}"),
                alerts=("UpiFraudWorkerDown",),
            ),
        ],
    )
