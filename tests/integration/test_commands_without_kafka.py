"""Without a broker a command says so in one line; librdkafka's own words are not printed beside it."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.fixtures.deployment import UPIFRAUD

pytestmark = pytest.mark.slow

COMMANDS = [
    "alerts",
    "alerts --follow",
    "dead-letters list",
    "dead-letters replay",
    "rewind --to 2026-11-01T00:00:00Z",
    "rebuild-features",
    "simulate --seed 1 --payments 3",
]


def test_commands_without_a_broker_end_with_one_line_each() -> None:
    nowhere = {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "UPIFRAUD_REDIS_URL": "redis://127.0.0.1:1/0",
        "UPIFRAUD_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
    }
    started = {
        command: subprocess.Popen(
            [UPIFRAUD, *command.split()], env=os.environ | nowhere, stderr=subprocess.PIPE, text=True
        )
        for command in COMMANDS
    }  # beside each other: each waits for an answer as long as it should
    for command, process in started.items():
        _, said = process.communicate(timeout=120)
        assert process.returncode == 1, command
        (line,) = said.splitlines()
        assert line.startswith("Error: Kafka"), line
        assert "127.0.0.1:1" in line
