"""The goals for rounds, rates and latency as one table: a column a rate, and another commit's beside it.

`python -m bench goals --against DIR` measures the checkout in DIR first, then this one, each on stores of its own with
the same payments in them. The other one's code is all its own (worker, switch, servers and their settings); the code
that measures is this one's, but for the cost of a round alone, which each measures by its own bench/rounds.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import results, round_cost
from bench.peers.environment import ROOT
from bench.report.goal_tables import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

ROUNDS: Final = "rounds"
"""The part that a checkout measures by its own code."""
WAIT_SECONDS: Final = 120.0
"""For a child that was asked to stop its servers."""


def other(checkout: Path, parts: Sequence[str], arguments: Iterable[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure these parts of another checkout and return them; raises RuntimeError if that fails."""
    found: dict[str, Any] = {}
    if ROUNDS in parts:
        found = as_read({ROUNDS: {DEFAULT: round_cost.measure(say, at=checkout.resolve())}})
    by_this_code = ",".join(part for part in parts if part != ROUNDS)
    if not by_this_code:
        return found
    with _mixed(checkout) as mixed:
        raw = mixed / "raw.json"
        command = [sys.executable, "-m", "bench", "goals", "--only", by_this_code, "--json", str(raw), *arguments]
        path = os.pathsep.join([str(mixed), str(checkout.resolve())])
        child = subprocess.Popen(command, cwd=mixed, env={**os.environ, "PYTHONPATH": path})
        try:
            code = child.wait()
        except BaseException:
            child.send_signal(signal.SIGINT)  # so that it stops its servers
            child.wait(WAIT_SECONDS)
            raise
        if not raw.exists():
            raise RuntimeError(f"Measuring {checkout} ended with code {code}.")
        return found | results.read(raw)["parts"]


def as_read(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return parts as JSON gives them back."""
    return dict(json.loads(json.dumps(parts, default=results.plain)))


@contextmanager
def _mixed(checkout: Path) -> Iterator[Path]:
    """Yield a directory with this bench, and the commit of the checkout; all else is found where the checkout is.

    So its compiled kernels are found, too: they are kept by the path of their module.
    """
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-mixed-") as directory:
        (Path(directory) / "bench").symlink_to(ROOT / "bench")
        (Path(directory) / ".git").symlink_to(checkout.resolve() / ".git")
        yield Path(directory)
