"""`upifraud api` says what is missing, and which port is taken."""

from __future__ import annotations

import builtins
import socket
from typing import TYPE_CHECKING

from click.testing import CliRunner

from upifraud.asked_to_stop import runs_until_told
from upifraud.cli import main

if TYPE_CHECKING:
    import pytest


def test_without_its_packages_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name, *more):
        if name == "service.server":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    done = CliRunner().invoke(main, ["api"])
    assert done.exit_code == 1
    assert "upi-fraud-stream[api]" in done.output


def test_a_port_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("UPIFRAUD_API_HOST", "127.0.0.1")
        done = CliRunner().invoke(main, ["api", "--port", str(taken.getsockname()[1])])
    assert done.exit_code == 1
    assert "UPIFRAUD_API_PORT" in done.output


def test_to_be_told_to_stop_is_how_it_ends():
    assert runs_until_told(["api", "--port", "0"])


def test_its_help_has_examples():
    done = CliRunner().invoke(main, ["api", "--help"])
    assert done.exit_code == 0
    assert "Examples:" in done.output
