"""What is counted seldom is there before it is counted, or its first time would be seen by nobody."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from prometheus_client import generate_latest
from stream import metrics
from stream.series import begin_series
begin_series()
print(generate_latest(metrics.REGISTRY).decode())
"""


def test_a_worker_that_did_nothing_shows_zeros_and_servers_that_are_up():
    page = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    for line in (
        'fraud_predictions_total{verdict="BLOCK"} 0.0',
        'alerts_published_total{verdict="REVIEW"} 0.0',
        'dead_letters_total{reason="conflicting-duplicate"} 0.0',
        'outcomes_stored_total{outcome="GENUINE",verdict="HOLD"} 0.0',
        'frauds_reported_total{typology="other",verdict="ALLOW"} 0.0',
        'retries_total{server="redis"} 0.0',
        'server_up{server="postgres"} 1.0',
    ):
        assert line in page.splitlines()
