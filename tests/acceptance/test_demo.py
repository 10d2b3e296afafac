"""`upifraud demo` as its spectator sees it: exit codes, what is shown, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
UPIFRAUD = [sys.executable, "-c", "from upifraud.cli import main; main()"]
SMALL = ("--payers", "300", "--warm-up", "3", "--rate", "300")
SECONDS = 200
IN_A_TERMINAL = """
import os, pty, sys
sized = ["sh", "-c", 'stty rows 24 cols 80; exec "$@"', "sh", *sys.argv[1:]]
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sized)))
"""
"""Runs a program in a terminal of its own: what is typed comes from our pipe, what is shown goes to it."""
KEPT = "UPIFRAUD_MODEL_DIR"


@pytest.fixture
def environment() -> dict[str, str]:
    """Ours, without any setting of the program but the artifact's place."""
    ours = {name: value for name, value in os.environ.items() if name == KEPT or not name.startswith("UPIFRAUD_")}
    return {**ours, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a demo in a directory of the test's own, with pipes to it, or to a terminal that it runs in."""
    begun: list[subprocess.Popen[str]] = []

    def call(*arguments: str, terminal: bool = False) -> subprocess.Popen[str]:
        command = [*UPIFRAUD, "demo", *arguments]
        demo = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, *command] if terminal else command,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",  # Ctrl-C makes a terminal throw away what it has not shown yet: half a sign may stay
        )
        begun.append(demo)
        return demo

    yield call
    for demo in begun:
        if demo.poll() is None:
            demo.terminate()
        with demo:  # closes the pipes and waits for the end
            pass


def left_in(directory: Path) -> list[str]:
    """List the processes that were started in this directory and still run."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(directory):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


def read_until(demo: subprocess.Popen[str], text: str) -> str:
    """Return what the demo printed up to the line with this text; `rest_of` has what follows."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} never came:\n{''.join(lines)}")


def rest_of(demo: subprocess.Popen[str]) -> str:
    """Return what follows a `read_until`; `communicate` would lose what that has read ahead."""
    assert demo.stdout is not None
    output = demo.stdout.read()
    demo.wait(SECONDS)
    return output


def check_whole_demo(output: str) -> None:
    assert re.search(r"  live .*/s  lag .*p50 .*ALLOW [\d,]+ REVIEW", output)
    assert re.search(r"verdicts +[\d,]+: one for each payment", output)
    assert re.search(r"first verdict +seen [\d.]+ s after the start", output)
    assert "Against the switch's truth" in output
    assert "worker         drained, exit code 0" in output


def test_without_a_terminal_it_prints_lines_and_a_summary(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    demo = start(*SMALL, "--seconds", "4", "--kafka", "embedded")
    output, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, output
    check_whole_demo(output)
    assert "\x1b" not in output
    assert left_in(tmp_path) == []
    assert not (tmp_path / ".upifraud" / "demo" / "postgres").exists()


def test_the_api_runs_beside_the_worker_and_the_call_that_is_shown_works(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The demo is long, and ended early: how soon its API answers is the machine's."""
    demo = start(*SMALL, "--seconds", "600", "--kafka", "embedded")
    said = re.search(r"API (http://\S+)/docs, try: (curl -K \S+)", read_until(demo, "api: API http"))
    assert said is not None
    called = subprocess.run(said[2].split(), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    answer = json.loads(called.stdout)
    assert answer["verdict"] in {"ALLOW", "REVIEW", "HOLD", "BLOCK"}
    assert answer["features"]["payer_count_30d"] >= 1
    call = (tmp_path / said[2].split()[-1]).read_text()
    assert (tmp_path / said[2].split()[-1]).stat().st_mode & 0o077 == 0
    key = re.search(r"Bearer (\S+)\"", call)
    assert key is not None
    request = Request(f"{said[1]}/v1/payments", b"{}", {"Authorization": f"Bearer {key[1]}"})
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=10)
    assert refused.value.code == 403, "a payment of somebody else would not be in the demo's account"
    refused.value.close()
    read_until(demo, "  live ")
    demo.send_signal(signal.SIGINT)
    output = rest_of(demo)
    assert demo.returncode == 0, output
    assert "worker         drained, exit code 0" in output
    assert left_in(tmp_path) == []


@pytest.mark.apache
def test_on_apache_kafka_it_is_the_same(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    demo = start(*SMALL, "--seconds", "4", "--kafka", "apache")
    output, _ = demo.communicate(timeout=SECONDS)
    assert demo.returncode == 0, output
    check_whole_demo(output)
    assert "servers        Apache Kafka" in output
    assert left_in(tmp_path) == []


def test_ctrl_c_in_a_terminal_ends_it_in_good_order(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """A terminal of 80 x 24, and the key itself: the whole foreground group gets the signal."""
    demo = start(*SMALL, "--seconds", "600", terminal=True)
    assert demo.stdin is not None
    assert demo.stdout is not None
    shown = ""
    while " LIVE " not in shown:
        shown += (chunk := demo.stdout.read(80))
        assert chunk, shown
    demo.stdin.write("\x03")
    demo.stdin.flush()
    shown += demo.stdout.read()
    after = shown.rpartition("\x1b[?1049l")[2]
    assert demo.wait(SECONDS) == 0, after
    assert "\x1b[?1049h" in shown
    assert "until it was ended early" in after
    assert "drained, exit code 0" in after
    assert left_in(tmp_path) == []


def test_an_interrupt_at_the_start_leaves_nothing_behind(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    demo = start(*SMALL)
    read_until(demo, "kafka: embedded")
    demo.send_signal(signal.SIGINT)
    output = rest_of(demo)
    assert demo.returncode == 0, output
    assert left_in(tmp_path) == []


def test_a_worker_that_dies_is_told_with_its_log(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    demo = start(*SMALL, "--seconds", "600")
    read_until(demo, " live ")
    worker = json.loads((tmp_path / ".upifraud" / "demo" / "worker.pid").read_text())["pid"]
    os.kill(worker, signal.SIGKILL)
    output = rest_of(demo)
    assert demo.returncode == 1, output
    assert "The worker ended by itself, with exit code -9" in output
    assert "worker.log, ends with:" in output
    assert left_in(tmp_path) == []


def test_a_second_demo_in_the_same_directory_is_refused(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start(*SMALL, "--seconds", "600")
    read_until(first, "kafka: embedded")
    second = start(*SMALL)
    output, _ = second.communicate(timeout=SECONDS)
    assert second.returncode == 1
    assert "Another demo runs in" in output
    first.send_signal(signal.SIGINT)
    output = rest_of(first)
    assert first.returncode == 0, output
    assert left_in(tmp_path) == []
