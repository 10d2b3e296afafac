"""CPU by kind of thread, as the kernel tells it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stream.running.thread_cpu import ThreadCpu

if TYPE_CHECKING:
    from pathlib import Path


def task(tasks: Path, number: int, command: str, nanoseconds: int) -> None:
    directory = tasks / str(number)
    directory.mkdir(exist_ok=True)
    (directory / "comm").write_text(command + "\n")
    (directory / "schedstat").write_text(f"{nanoseconds} 7 9\n")


def shown(cpu: ThreadCpu) -> dict[str, float]:
    return {sample.labels["thread"]: sample.value for family in cpu.collect() for sample in family.samples}


def test_threads_are_told_apart_by_their_names(tmp_path: Path) -> None:
    stop = threading.Event()
    way, poll = (threading.Thread(target=stop.wait, name=name) for name in ("way-0", "poll-transactions"))
    for thread in (way, poll):
        thread.start()
    numbers = {"event-loop": threading.main_thread(), "ways": way, "poll": poll}
    for seconds, thread in enumerate(numbers.values(), 1):
        task(tmp_path, thread.native_id or 0, "python", seconds * 10**9)
    task(tmp_path, 1, "rdk:broker1", 5 * 10**8)
    task(tmp_path, 2, "rdk:main", 10**8)
    task(tmp_path, 3, "python", 4 * 10**9)
    found = shown(ThreadCpu(tmp_path))
    stop.set()
    assert found == {"event-loop": 1.0, "ways": 2.0, "poll": 3.0, "librdkafka": 0.6, "rest": 4.0}


def test_what_a_thread_took_is_kept_when_it_ends(tmp_path: Path) -> None:
    cpu = ThreadCpu(tmp_path)
    task(tmp_path, 1, "rdk:broker1", 10**9)
    assert shown(cpu) == {"librdkafka": 1.0}
    (tmp_path / "1" / "schedstat").unlink()
    assert shown(cpu) == {"librdkafka": 1.0}


def test_where_the_kernel_tells_nothing_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert shown(ThreadCpu(tmp_path / "none")) == {}


def test_the_process_itself_is_read_where_there_is_linux() -> None:
    assert set(shown(ThreadCpu())) <= {"event-loop", "ways", "poll", "librdkafka", "rest"}
