"""HOLDs from a real worker end of themselves, and the switch hears of each what the alert had promised."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

HOLDS = """
SELECT transaction_id, round(extract(epoch FROM decided_at) * 1000)::bigint,
       round(extract(epoch FROM hold_until) * 1000)::bigint
FROM verdicts_by_day WHERE verdict = 2
"""


def test_every_hold_ends_as_its_alert_promised(deployment: Deployment) -> None:
    worker = deployment.start_worker(UPIFRAUD_HOLD_FOR="7s")
    ends = deployment.begin("holds", "expire", "--follow")
    try:
        deployment.upifraud(
            "simulate", "--seed", "5", "--payments", "12000", "--rate", "3000", "--payers", "600", seconds=600
        )
        deployment.drain(600)
        holds = {name: (decided_at, hold_until) for name, decided_at, hold_until in deployment.query(HOLDS)}
        assert len(holds) > 3
        assert all(hold_until == decided_at + 7_000 for decided_at, hold_until in holds.values())
        until(lambda: deployment.query("SELECT count(*) FROM open_holds") == [(0,)], "all holds ended")
        until(
            lambda: deployment.query("SELECT count(*) FROM resolutions WHERE published_at IS NULL") == [(0,)],
            "all resolutions sent",
        )
        until(lambda: worker.metric("holds_open") == worker.metric("holds_overdue") == 0, "the worker sees it")
    finally:
        ends.terminate()
        assert ends.wait(60) == 0

    alerts = [json.loads(record.value or b"") for record in deployment.records("alerts")]
    assert {alert["transaction_id"] for alert in alerts if alert["verdict"] == "HOLD"} == holds.keys()
    promised = {alert["transaction_id"]: alert["hold_until"] for alert in alerts}
    for name, end in promised.items():
        if name in holds:
            since_1970 = datetime.fromisoformat(end) - datetime.fromisoformat("1970-01-01T00:00:00Z")
            assert since_1970 == timedelta(milliseconds=holds[name][1])
        else:
            assert end is None
    resolutions = deployment.records("resolutions")
    assert {(record.key or b"").decode() for record in resolutions} == holds.keys()
    for record in resolutions:
        said = json.loads(record.value or b"")
        assert said["transaction_id"] == (record.key or b"").decode()
        assert (said["action"], said["cause"], said["by"]) == ("RELEASE", "EXPIRY", None)
        assert said["at"] == promised[said["transaction_id"]]
    assert deployment.query("SELECT count(*) FROM outcomes WHERE source = 'resolutions'") == [(0,)]
