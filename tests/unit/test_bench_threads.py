"""Threads have their names in /proc, and what they use is added up by what they do."""

from __future__ import annotations

import subprocess
import sys

from bench.named_threads import by_kind
from bench.peers.environment import ROOT

NAMES = """
import threading
from bench.machine import thread_names, thread_seconds
from bench.named_threads import name_threads
import os
name_threads()
going = threading.Event()
threads = [threading.Thread(target=going.wait, name=name) for name in ("way-0", "poll-transactions-outcomes")]
for thread in threads:
    thread.start()
names = thread_names(os.getpid())
assert set(names) == set(thread_seconds(os.getpid())), "the same threads"
print(sorted(names[thread.native_id] for thread in threads))
going.set()
"""


def test_a_thread_tells_the_kernel_its_name() -> None:
    done = subprocess.run([sys.executable, "-c", NAMES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['poll-transactio', 'way-0']", done.stderr


def test_the_main_thread_has_the_event_loop_and_the_unknown_are_others() -> None:
    names = {1: "python", 2: "way-0", 3: "way-1", 4: "rdk:broker1", 5: "poll-transactio", 6: "rounds"}
    found = by_kind(1, names, {1: 3.0, 2: 1.0, 3: 0.5, 4: 0.25, 5: 0.125, 6: 2.0, 7: 4.0})
    assert found == {
        "event loop": 3.0, "ways": 1.5, "librdkafka": 0.25, "poll thread": 0.125, "probes": 0.0, "other": 6.0
    }  # fmt: skip
