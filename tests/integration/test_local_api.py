"""`upifraud up --api`: the API as a server of the local stack, with a key and a call that work."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from local.ports import HOST, free_port, is_free
from local.process import ProcessId
from stream.verdict_store.door import keys
from tests.fixtures.command_line import variables
from upifraud.local_api.key import development_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.command_line import Upifraud

pytestmark = pytest.mark.servers


def api_process(directory: Path) -> ProcessId:
    found = ProcessId.load(directory / ".upifraud" / "api" / "server.pid")
    assert found is not None
    return found


def call_as_shown(said: str, directory: Path) -> tuple[int, dict[str, object]]:
    """Make the call that `up` shows; its status and answer."""
    shown = next(line for line in said.splitlines() if "try: curl" in line).partition("try: ")[2].split()
    done = subprocess.run(
        [*shown, "--write-out", "\n%{http_code}"], cwd=directory, capture_output=True, text=True, timeout=30, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def rows(upifraud: Upifraud, *command: str) -> list[dict[str, str | None]]:
    return json.loads(upifraud(*command, "--json").stdout)


def test_the_api_is_one_more_server_of_the_stack(upifraud: Upifraud, tmp_path: Path) -> None:
    port = free_port()
    first = upifraud("up", "--api", UPIFRAUD_API_PORT=str(port))
    assert first.returncode == 0, first.stderr
    assert f"api: http://{HOST}:{port}" in first.stderr
    assert "a worker must run for final verdicts" in first.stderr
    settings = variables(first.stdout)
    assert settings["UPIFRAUD_API_PORT"] == str(port)
    assert (tmp_path / ".upifraud" / "env").read_text() == first.stdout
    own = tmp_path / ".upifraud" / "api"
    assert {stat.S_IMODE((own / name).stat().st_mode) for name in ("key", "curl")} == {0o600}

    status, answer = call_as_shown(first.stderr, tmp_path)
    assert (status, answer["status"]) == (202, "PENDING"), "no worker runs"

    process, key = api_process(tmp_path), (own / "key").read_text()
    assert key not in first.stdout + first.stderr
    plain, again = upifraud("up", **settings), upifraud("up", "--api", **settings)
    assert plain.stdout == again.stdout == first.stdout
    assert "api: runs already" in again.stderr
    assert (api_process(tmp_path), (own / "key").read_text()) == (process, key)
    assert call_as_shown(again.stderr, tmp_path)[0] == 202

    listed = {row["name"]: row for row in rows(upifraud, "status")}
    assert listed["api"] == {
        "name": "api",
        "kind": "program",
        "address": f"http://{HOST}:{port}",
        "condition": f"pid {process.pid}",
        "problem": None,
    }
    assert {row["subject"]: row["verdict"] for row in rows(upifraud, "doctor")}["API"] == "ok"

    down = upifraud("down")
    assert down.returncode == 0, down.stderr
    assert "stopped: api, kafka, redis, postgres" in down.stderr
    assert "The API has ended." in (own / "server.log").read_text(), "it was to drain, not to be killed"
    assert not process.alive()
    assert is_free(port)
    assert "api" not in {row["name"] for row in rows(upifraud, "status")}, "a stack without it is whole"


def test_a_crash_is_seen_and_the_next_start_takes_a_free_port_and_the_same_key(
    upifraud: Upifraud, tmp_path: Path
) -> None:
    with socket.create_server((HOST, 0)) as somebody:
        taken = {"UPIFRAUD_API_PORT": str(somebody.getsockname()[1])}
        first = upifraud("up", "--api", **taken)
        assert first.returncode == 0, first.stderr
        port = variables(first.stdout)["UPIFRAUD_API_PORT"]
        assert f"somebody else has port {taken['UPIFRAUD_API_PORT']}, so it has {port}" in first.stderr
        key = (tmp_path / ".upifraud" / "api" / "key").read_text()
        api_process(tmp_path).send(signal.SIGKILL)
        assert api_process(tmp_path).wait(30)

        status = upifraud("status")
        assert status.returncode == 1
        assert "api: program" in status.stdout
        assert "upifraud up --api" in status.stderr
        findings = {row["subject"]: row for row in rows(upifraud, "doctor")}
        assert findings["API"]["verdict"] == "problem"
        assert "UPIFRAUD_API_PORT" not in variables(upifraud("up", **taken).stdout)
        assert upifraud("status").returncode == 1, "`up` alone starts no API"

        again = upifraud("up", "--api", **taken)
        assert variables(again.stdout)["UPIFRAUD_API_PORT"] == port, "it comes back where it was"
        assert (tmp_path / ".upifraud" / "api" / "key").read_text() == key
        assert call_as_shown(again.stderr, tmp_path)[0] == 202


def test_the_key_for_development_is_made_once_and_anew_where_it_opens_no_more(
    postgres_url: str, tmp_path: Path
) -> None:
    from stream.verdict_store.migrations import migrate

    migrate(postgres_url)
    path = tmp_path / "key"
    key = development_key(path, postgres_url)
    assert development_key(path, postgres_url) == key
    (row,) = keys.listed(postgres_url)
    assert set(row.scopes) == set(keys.SCOPES)
    keys.revoke(postgres_url, row.key_id)
    renewed = development_key(path, postgres_url)
    assert renewed != key
    assert path.read_text() == f"{renewed}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(keys.listed(postgres_url)) == 2
