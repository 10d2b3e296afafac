"""`upifraud up`, `down`, `status` and `doctor` as other programs see them: exit codes, stdout, stderr, files."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.process import ProcessId
from tests.fixtures.command_line import UPIFRAUD, variables

if TYPE_CHECKING:
    from tests.fixtures.command_line import Upifraud

pytestmark = pytest.mark.servers


def test_up_prints_settings_alone_on_stdout_and_keeps_them_in_a_file(upifraud: Upifraud, tmp_path: Path) -> None:
    done = upifraud("up")
    assert done.returncode == 0, done.stderr
    found = variables(done.stdout)
    assert set(found) == {
        "UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS",
        "UPIFRAUD_KAFKA_ASSIGNMENT",
        "UPIFRAUD_CONSUMER_GROUP",
        "UPIFRAUD_REDIS_URL",
        "UPIFRAUD_POSTGRES_URL",
    }
    assert found["UPIFRAUD_CONSUMER_GROUP"] == "upi-fraud-stream"
    env_file = tmp_path / ".upifraud" / "env"
    assert env_file.read_text() == done.stdout
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    again = upifraud("up", "--env-file", "own.env", **found)
    assert again.stdout == done.stdout
    assert (tmp_path / "own.env").read_text() == done.stdout


def test_status_and_doctor_tell_what_is_so_and_show_no_password(upifraud: Upifraud) -> None:
    password = variables(upifraud("up").stdout)["UPIFRAUD_POSTGRES_URL"].split(":")[2].split("@")[0]
    status, as_json, doctor = upifraud("status"), upifraud("status", "--json"), upifraud("doctor")
    assert (status.returncode, as_json.returncode) == (0, 0)
    assert [row["problem"] for row in json.loads(as_json.stdout)] == [None, None, None]
    assert doctor.returncode == 0, doctor.stdout
    assert "topic transactions: partitions: 12" in doctor.stdout
    assert not any(password in done.stdout + done.stderr for done in (status, as_json, doctor))
    assert upifraud("down").returncode == 0
    assert upifraud("status").returncode == 1
    findings = {row["subject"]: row for row in json.loads(upifraud("doctor", "--json").stdout)}
    assert findings["Redis"]["verdict"] == "problem"
    assert "upifraud up" in findings["Redis"]["to_do"]


def test_up_makes_the_tables(upifraud: Upifraud) -> None:
    done = upifraud("up", "--partitions", "3", "--alert-partitions", "1")
    assert done.returncode == 0, done.stderr
    assert "tables: applied 0001" in done.stderr
    findings = {row["subject"]: row["found"] for row in json.loads(upifraud("doctor", "--json").stdout)}
    assert findings["tables"] == "verdicts, outcomes"
    assert findings["topic transactions"] == "partitions: 3"
    assert findings["topic alerts"] == "partitions: 1"


def test_two_at_once_make_one_stack(upifraud: Upifraud, tmp_path: Path, bare_environment: dict[str, str]) -> None:
    root = Path(__file__).parents[2]
    both = [
        subprocess.Popen(
            [*UPIFRAUD, "up"],
            cwd=tmp_path,
            env={**bare_environment, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    (first, said), (second, said_second) = (process.communicate(timeout=200) for process in both)
    assert [process.returncode for process in both] == [0, 0], said + said_second
    assert first == second != ""


def test_interrupted_up_leaves_nothing_that_down_does_not_stop(
    upifraud: Upifraud, tmp_path: Path, bare_environment: dict[str, str]
) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [*UPIFRAUD, "up"], cwd=tmp_path, env={**bare_environment, "PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".upifraud/*/server.pid")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    started = [found for path in tmp_path.glob(".upifraud/*/server.pid") if (found := ProcessId.load(path))]
    assert started
    assert upifraud("down").returncode == 0
    assert not any(server.alive() for server in started)


def test_errors_say_what_to_do_and_set_the_exit_code(upifraud: Upifraud) -> None:
    usage = upifraud("up", "--kafka", "pulsar")
    assert usage.returncode == 2
    wrong = upifraud("up", UPIFRAUD_REDIS_URL="http://cache")
    assert wrong.returncode == 1
    assert "UPIFRAUD_REDIS_URL: expected redis://" in wrong.stderr
    assert wrong.stdout == ""
    nothing = upifraud("status")
    assert nothing.returncode == 1
    assert "Start one with `upifraud up`" in nothing.stderr
    sick = upifraud("doctor", UPIFRAUD_REDIS_URL="http://cache")
    assert sick.returncode == 1
    assert "Correct it" in sick.stdout


@pytest.mark.parametrize("command", ["up", "down", "status", "doctor"])
def test_help_has_examples(upifraud: Upifraud, command: str) -> None:
    done = upifraud(command, "--help")
    assert done.returncode == 0
    assert f"\n    upifraud {command}" in done.stdout
