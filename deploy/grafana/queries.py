"""PromQL as the panels use it, over the workers that are chosen above the panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENVIRONMENT: Final = 'namespace=~"$namespace"'
"""An environment is a namespace; without Kubernetes nothing has that label, and all workers are one environment."""
WORKERS: Final = f'job=~"$job", {ENVIRONMENT}, instance=~"$instance"'
RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"
FLAGGED: Final = 'verdict!="ALLOW"'


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and what its series are called."""

    expression: str
    legend: str
    instant: bool = False
    """Whether only its value now is asked for, over the whole range that is shown."""


def of(metric: str, labels: str = "") -> str:
    """Return the chosen workers' series of a metric."""
    return f"{metric}{{{WORKERS}{', ' + labels if labels else ''}}}"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Return how much a counter grows in a second, summed over workers."""
    return f"sum{_by(by)} (rate({of(metric, labels)}[{RATE}]))"


def increase(metric: str, by: str = "", labels: str = "", over: str = RATE) -> str:
    """Return how much a counter grew, summed over workers."""
    return f"sum{_by(by)} (increase({of(metric, labels)}[{over}]))"


def quantile(q: float, histogram: str, by: str = "") -> str:
    """Return a quantile of a histogram, over all workers together."""
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', f'le, {by}' if by else 'le')})"


def mean(histogram: str, by: str = "") -> str:
    """Return the mean of what a histogram observed."""
    return f"{rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)}"


def share(metric: str, part: str, whole: str = "", by: str = "") -> str:
    """Return the share of what grew in the range that is shown; nothing where nothing grew."""
    return f"{increase(metric, by, part, RANGE)} / ({increase(metric, by, whole, RANGE)} > 0)"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
