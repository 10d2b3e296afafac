"""What is counted of processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench import machine


@pytest.mark.slow
def test_what_an_ended_child_used_is_counted_to_its_parent() -> None:
    before, own = machine.cpu_seconds(os.getpid()), machine.own_cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    used = machine.cpu_seconds(os.getpid()) - before
    assert used > 0.4
    assert machine.own_cpu_seconds(os.getpid()) - own < used / 2


def test_a_process_that_is_gone_has_used_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert machine.cpu_seconds(child.pid) == 0.0
