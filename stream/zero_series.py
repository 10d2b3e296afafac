"""Series that stand at 0 before anything happened.

A counter that first appears as 1 has no rate: no rule and no panel would see a worker's first dead letter or BLOCK.
"""

from __future__ import annotations

from itertools import product
from typing import Final

from model.verdict import Verdict
from stream import metrics, typologies
from stream.wire import RejectionReason

SERVERS: Final = ("kafka", "postgres", "redis")


def start_at_zero() -> None:
    """Show every series whose labels are known beforehand, servers as up; to be called before any is counted."""
    verdicts = [verdict.name for verdict in Verdict]
    for counter in (metrics.FRAUD_PREDICTIONS, metrics.ALERTS_PUBLISHED):
        for verdict in verdicts:
            counter.labels(verdict)
    for reason in RejectionReason:
        metrics.DEAD_LETTERS.labels(str(reason))
    for outcome, verdict in product(("FRAUD", "GENUINE"), verdicts):
        metrics.OUTCOMES_STORED.labels(outcome, verdict)
    for typology, verdict in product(sorted(typologies.ALL), verdicts):
        metrics.FRAUDS_REPORTED.labels(typology, verdict)
    for server in SERVERS:
        metrics.RETRIES.labels(server)
        metrics.SERVER_UP.labels(server).set(1)
