"""What a micro-batch costs, fixed and for each payment in it: bench/rounds.py in a process of its own.

Its table is read as it is printed, so that an earlier commit's can be read, too.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.peers.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS, STOP_SECONDS = 900.0, 60.0
"""No run takes so long, and no run needs so long to stop its servers."""
ALL: Final = "all"
"""The row of the whole process."""

_HEAD: Final = re.compile(r"^\s+fixed\s+a payment((?:\s+n=\d+)+)\s*$")
_ROW: Final = re.compile(r"^(\S[^\d]*?)\s+(-?\d+)\s+(-?[\d.]+)((?:\s+\d+)+)\s*$")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one stage, or of the whole process."""

    stage: str
    fixed: float
    """Of a micro-batch, however small."""
    marginal: float
    """Of a payment more in it."""
    by_size: dict[int, float]
    """Of micro-batches of so many payments."""


def measure(
    say: Callable[[str], None], *, include_allow: bool = False, quick: bool = False, at: Path = ROOT
) -> list[Cost]:
    """Measure, with the code of the checkout `at`, and say what was found."""
    options = [*(["--include-allow"] if include_allow else []), *(["--quick"] if quick else [])]
    costs = read(_printed([sys.executable, "-m", "bench.rounds", *options], at))
    what = "an alert of every verdict" if include_allow else "alerts as they are by default"
    whole = whole_of(costs)
    say(f"  a micro-batch costs {whole.fixed:,.0f} us of CPU and {whole.marginal:.1f} us a payment in it ({what})")
    say("    of the fixed: " + ", ".join(f"{one.stage} {one.fixed:,.0f}" for one in costs if one.stage != ALL))
    return costs


def _printed(command: list[str], at: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(at)}
    child = subprocess.Popen(
        command, cwd=at, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, errors = child.communicate(timeout=SECONDS)
    except BaseException:
        child.send_signal(signal.SIGINT)  # so that it stops its servers
        try:
            child.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        raise
    if child.returncode:
        raise RuntimeError(f"bench.rounds in {at} ended with {child.returncode}: {errors.strip()[-2000:]}")
    return out


def whole_of(costs: list[Cost]) -> Cost:
    """Return the cost of the whole process."""
    return next(one for one in costs if one.stage == ALL)


def read(text: str) -> list[Cost]:
    """Read the table that bench/rounds.py prints. Raises ValueError where there is none."""
    sizes: list[int] = []
    found = []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            sizes = [int(size) for size in re.findall(r"n=(\d+)", head[1])]
        elif sizes and (row := _ROW.match(line)):
            costs = dict(zip(sizes, map(float, row[4].split()), strict=True))
            found.append(Cost(row[1].strip(), float(row[2]), float(row[3]), costs))
    if not any(one.stage == ALL for one in found):
        raise ValueError(f"Expected the table of bench.rounds, got: {text.strip()[-1000:]!r}")
    return found
