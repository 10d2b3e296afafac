"""Zero series: metrics that are there from the start, at zero.

A counter that first appears with the value 5 has not increased, as Prometheus sees it: the first dead letter, the first
failed commit and the first verdict of a kind would never be seen.
"""

from __future__ import annotations

from itertools import product
from typing import Final

from model.verdict import Verdict
from stream import metrics, typologies
from stream.running.retry import Server
from stream.wire import RejectionReason

COMMIT_ERRORS: Final = (
    "ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "UNKNOWN_MEMBER_ID", "NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE",
    "COORDINATOR_LOAD_IN_PROGRESS", "REQUEST_TIMED_OUT", "_TIMED_OUT", "_TRANSPORT", "_WAIT_COORD",
)  # fmt: skip
"""Kafka's names of what commits fail with most often; others appear when they occur."""


def begin_zero_series() -> None:
    """Make every series whose labels are known beforehand."""
    for reason in RejectionReason:
        metrics.DEAD_LETTERS.labels(str(reason))
    verdicts = [verdict.name for verdict in Verdict]
    for verdict in verdicts:
        metrics.FRAUD_PREDICTIONS.labels(verdict)
        metrics.ALERTS_PUBLISHED.labels(verdict)
    for outcome, verdict in product(("FRAUD", "GENUINE"), verdicts):
        metrics.OUTCOMES_STORED.labels(outcome, verdict)
    for typology, verdict in product(sorted(typologies.ALL), verdicts):
        metrics.FRAUDS_REPORTED.labels(typology, verdict)
    for action, cause in product(("RELEASE", "REJECT"), ("PERSON", "EXPIRY")):
        metrics.HOLDS_ENDED.labels(action, cause)
    for error in COMMIT_ERRORS:
        metrics.COMMIT_FAILURES.labels(error)
    for server in Server:
        metrics.SERVER_UP.labels(server).set(1)
        metrics.RETRIES.labels(server)
