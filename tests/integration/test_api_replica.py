"""What-ifs on a replica of the online store: it cannot be written, and it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis

from local.valkey import ValkeyServer
from tests.fixtures.api import Stack, payment
from tests.fixtures.deployment import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers


def test_a_what_if_reads_a_replica(stack: Stack, tmp_path: Path):
    replica = ValkeyServer(tmp_path / "replica")
    replica.start()
    try:
        primary = urlsplit(stack.environment["UPIFRAUD_REDIS_URL"])
        with redis.Redis.from_url(replica.url) as client:
            client.replicaof(primary.hostname, primary.port)
            until(lambda: client.info("replication").get("master_link_status") == "up", "a replica")
        api = stack.start_api(UPIFRAUD_API_REDIS_URL=replica.url)
        for _ in range(2):
            answer = api.call("POST", "/v1/score", payment(), key=stack.key)
            assert answer.status == 200, answer.body
        assert answer.json["feature_state"] == "COLD"
        with redis.Redis.from_url(replica.url) as client:
            assert client.info("replication")["role"] == "slave"
            calls = client.info("commandstats")
            assert any(name.startswith("cmdstat_fcall_ro") for name in calls), sorted(calls)
    finally:
        replica.stop()
