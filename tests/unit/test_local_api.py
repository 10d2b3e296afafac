"""What the API of the local stack is started with, where it listens, and the call that is shown for it."""

from __future__ import annotations

import shlex
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from local.ports import HOST, free_port
from upifraud.local_api.call import command_of, write_call
from upifraud.local_api.offer import port_for
from upifraud.local_api.server import ApiServer

if TYPE_CHECKING:
    import pytest

ADDRESSES = {"UPIFRAUD_POSTGRES_URL": "postgresql://here", "UPIFRAUD_REDIS_URL": "redis://here"}


def test_the_first_port_that_is_free_is_taken() -> None:
    first, second = free_port(), free_port()
    assert port_for(first, second) == first
    with socket.create_server((HOST, first)):
        assert port_for(first, second) == second
        assert port_for(first) not in {first, 0}
    assert port_for(0, None) > 0


def test_it_is_started_on_the_servers_of_the_stack_with_all_other_settings_as_they_are(tmp_path: Path) -> None:
    environ = {
        "UPIFRAUD_POSTGRES_URL_FILE": "/run/secrets/elsewhere",
        "UPIFRAUD_REDIS_URL": "redis://elsewhere",
        "UPIFRAUD_IDENTITY_KEY_FILE": "/run/secrets/identity-key",
        "UPIFRAUD_API_HOST": "0.0.0.0",
    }
    api = ApiServer(tmp_path, ADDRESSES, environ)
    api._port = 4711
    assert api._environment() == {
        **ADDRESSES,
        "UPIFRAUD_IDENTITY_KEY_FILE": "/run/secrets/identity-key",
        "UPIFRAUD_API_HOST": HOST,
        "UPIFRAUD_API_PORT": "4711",
    }


def test_one_that_runs_is_on_others_only_where_the_addresses_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiServer, "running", True)
    api = ApiServer(tmp_path, ADDRESSES)
    assert api.is_on_others, "nobody knows where it is"
    api._port = 4711
    api._prepare()
    assert not api.is_on_others
    assert ApiServer(tmp_path, {**ADDRESSES, "UPIFRAUD_REDIS_URL": "redis://there"}).is_on_others
    monkeypatch.setattr(ApiServer, "running", False)
    assert not ApiServer(tmp_path, {}).is_on_others


def test_the_call_is_for_its_owner_alone_and_its_command_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "my call"
    write_call(path, "http://127.0.0.1:1/v1/score", "ufs_secret", {"remarks": 'a "b" \\ c'})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert 'header = "Authorization: Bearer ufs_secret"' in path.read_text()
    assert r'data = "{\"remarks\":\"a \\\"b\\\" \\\\ c\"}"' in path.read_text()
    command, option, name = shlex.split(command_of(path))
    assert (command, option) == ("curl", "-K")
    assert Path(name).resolve() == path
