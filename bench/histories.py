"""`python -m bench.histories` measures `features` and `train` over long simulated histories: time, CPU, memory, disk.

A history is written as the simulator makes it. 2 million payments need 2 GB of disk in all, 40 million 35 GB; `--sizes
2e6 8e6 40e6` is the whole scale. Figures are of all processes of a command, memory that they share counted once.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import machine
from bench.parts import Part, measure, say

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYMENTS_A_MONTH: Final = 75
"""Of a payer of the simulator: a history of any size spans a month, as one of more payers."""
_LOOK_S: Final = 0.5
MEMORY: Final = {"features": "4GB", "train": "8GB"}


@dataclass(frozen=True, slots=True)
class Used:
    """What a command took."""

    command: str
    payments: int
    seconds: float
    cpu_seconds: float
    memory_bytes: int
    """At the peak, by looks every half a second."""
    disk_bytes: int
    """At the peak, of what lay beside the output and of the output."""
    memory: str
    """What it was told it might use."""


def part(command: str, payments: int, directory: Path, memory: str) -> Used:
    """Run one command over a history of so many payments, which is made where it is not there yet."""
    history = _history(payments, directory)
    with tempfile.TemporaryDirectory(dir=directory, prefix="out-") as folder:
        out = Path(folder) / ("vectors.parquet" if command == "features" else "model")
        files = ["--payments", history / "payments.parquet", "--outcomes", history / "outcomes.parquet"]
        used = watched(command, [command, *files, "--memory", memory, "--out", out], Path(folder), payments, memory)
    say(
        f"{command}, {payments:,} payments: {used.seconds:.0f} s ({1e6 * used.seconds / payments:.1f} us a payment), "
        f"CPU {1e6 * used.cpu_seconds / payments:.1f} us, memory {used.memory_bytes / 1e9:.2f} GB, disk "
        f"{used.disk_bytes / 1e9:.1f} GB"
    )
    return used


def watched(command: str, arguments: list[object], folder: Path, payments: int, memory: str) -> Used:
    """Run `upifraud` and look at its processes and its directory until it ends."""
    began = time.monotonic()
    work = subprocess.Popen([sys.executable, "-m", "upifraud", *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    cpu = peak = disk = 0.0
    try:
        while work.poll() is None:
            cpu = max(cpu, machine.cpu_seconds(work.pid))
            peak = max(peak, machine.pss_bytes(work.pid))
            disk = max(disk, sum(_sizes(folder)))
            time.sleep(_LOOK_S)
    finally:
        work.terminate()
        said = work.communicate()[0]
    if work.returncode:
        raise RuntimeError(f"{command}: expected exit code 0, got {work.returncode}: {said}")
    return Used(command, payments, time.monotonic() - began, cpu, int(peak), int(disk), memory)


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size
        except OSError:  # it was there a moment ago
            continue


def _history(payments: int, directory: Path) -> Path:
    """Return a history of that size, which stays for the next command."""
    history = directory / f"history-{payments}"
    if not (history / "outcomes.parquet").exists():
        say(f"simulating {payments:,} payments")
        payers = max(250, payments // PAYMENTS_A_MONTH)
        arguments = ["simulate", "--seed", 7, "--payments", payments, "--payers", payers, "--out", history]
        subprocess.run([sys.executable, "-m", "upifraud", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return history


def parts(sizes: list[int], commands: list[str], directory: Path) -> list[Part]:
    """Return what is to be measured."""
    return [
        Part(
            f"histories, {command} {payments}",
            f"{command} --memory {MEMORY[command]} over {payments:,} payments",
            lambda command=command, payments=payments: part(command, payments, directory, MEMORY[command]),
        )
        for payments in sizes
        for command in commands
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.histories", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=lambda text: int(float(text)), default=[2_000_000, 8_000_000])
    parser.add_argument("--commands", nargs="+", choices=MEMORY, default=list(MEMORY))
    parser.add_argument("--directory", type=Path, help="for histories, kept there  [default: one for the time]")
    parser.add_argument("--json", type=Path, help="write the raw results there, one by one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = options.directory or Path(tempfile.mkdtemp(prefix="bench-histories-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        code = measure(parts(options.sizes, options.commands, directory), options.json)
    finally:
        if options.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
