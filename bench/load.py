"""The switch as a process beside the worker, and how punctual it was: a late one measures itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UPIFRAUD = Path(sys.executable).with_name("upifraud")
LATE_MS = 100.0
"""A switch whose p99 of lateness is more than this did not give the load that was asked for."""

_PUBLISHED = re.compile(
    r"published (\d+) payments .* and (\d+) outcomes in ([\d.]+) s: (\d+) payments a second, (\d+) failed"
)
_MADE = re.compile(r"made in ([\d.]+) s")
_LATE = re.compile(r"late by ([\d.]+) ms \(median\), ([\d.]+) ms \(p99\), ([\d.]+) ms")


class LoadError(RuntimeError):
    """The switch failed."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """What the switch says of itself: lateness is from a record's schedule to its hand-over to the client."""

    payments: int
    failed: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    outcomes: int = 0

    @property
    def kept(self) -> bool:
        """Whether the load was the one that was asked for."""
        return self.failed == 0 and self.late_p99_ms <= LATE_MS

    def told(self) -> str:
        """Return a clause for a reader."""
        late = f"{self.late_p50_ms:.1f} ms (median), {self.late_p99_ms:.1f} (p99), {self.late_max_ms:.1f} (most)"
        if self.kept:
            return f"the switch was late by {late}"
        return f"THE LOAD GENERATOR FELL BEHIND, late by {late}: what was measured is partly the load itself"


def punctuality(text: str) -> Punctuality:
    """Read what `upifraud simulate --rate` prints. Raises LoadError where it does not say it."""
    published, late = _PUBLISHED.search(text), _LATE.search(text)
    if published is None or late is None:
        raise LoadError(f"Expected the switch to say what it published and how late, got: {text.strip()[-1000:]!r}")
    lateness = (float(late[group]) for group in (1, 2, 3))
    return Punctuality(int(published[1]), int(published[5]), *lateness, outcomes=int(published[2]))


class Switch:
    """A switch at work; `pid` for its CPU, `finish` for what it says in the end."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object; a pipe could fill up
        self.process = subprocess.Popen(
            [UPIFRAUD, "simulate", *arguments], env=dict(environment), stdout=self._said, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    def finish(self, seconds: float = 300) -> Punctuality:
        """Wait for its end. Raises LoadError if it fails."""
        code = self.process.wait(seconds)
        self._said.seek(0)
        text = self._said.read().decode(errors="replace")
        self._said.close()
        if code:
            raise LoadError(f"The switch ended with code {code}: {text.strip()[-2000:]}")
        return punctuality(text)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
