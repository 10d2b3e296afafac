"""`upifraud settings`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from upifraud.commands.settings import command


@pytest.fixture
def run(monkeypatch):
    for name in list(__import__("os").environ):
        if name.startswith("UPIFRAUD_"):
            monkeypatch.delenv(name)

    def run(*arguments: str, **environment: str):
        return CliRunner().invoke(command, arguments, env=environment)

    return run


def test_it_lists_variable_value_default_and_sentence(run):
    result = run(UPIFRAUD_METRICS_PORT="9000")
    assert result.exit_code == 0
    assert "UPIFRAUD_METRICS_PORT = 9000 (default: 9464)\n    Port of /metrics, /healthz and /readyz;" in result.output
    assert "UPIFRAUD_CONSUMER_GROUP = upi-fraud-stream (default)" in result.output


def test_it_lists_only_what_was_changed_when_asked_to(run):
    result = run("--changed", "--json", UPIFRAUD_METRICS_PORT="9000")
    assert [one["variable"] for one in json.loads(result.stdout)] == ["UPIFRAUD_METRICS_PORT"]


def test_a_value_that_cannot_be_used_ends_with_exit_code_1_and_says_which(run):
    result = run(UPIFRAUD_METRICS_PORT="http")
    assert result.exit_code == 1
    assert "Error: UPIFRAUD_METRICS_PORT: expected a whole number from 0 to 65,535, got 'http'." in result.output


def test_warnings_go_to_stderr(run):
    result = run("--json", UPIFRAUD_METRIC_PORT="1")
    assert "did you mean UPIFRAUD_METRICS_PORT?" in result.stderr
    json.loads(result.stdout)
