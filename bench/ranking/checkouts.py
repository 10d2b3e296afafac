"""Two checkouts of the project: an earlier commit in a work tree of its own, and the one that this is part of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parents[2]

_FACTS = """
import dataclasses, json
from features.schema import FEATURE_NAMES
from model.training.train import TrainingSettings
print(json.dumps({"features": list(FEATURE_NAMES), "settings": dataclasses.asdict(TrainingSettings())}))
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit's code, and what it measures and trains with by default."""

    path: Path
    features: tuple[str, ...]
    settings: dict[str, Any]

    def measure(self, payments: Path, outcomes: Path, out: Path) -> None:
        """Write the vectors of a history as this code measures them, by its own command."""
        command = ["-m", "upifraud", "features", "--payments", payments, "--outcomes", outcomes, "--out", out]
        _run(self.path, *map(str, command))

    def lines(self, script: Path, *arguments: str) -> Iterator[str]:
        """Run a script with this code, and yield what it prints line by line; raises RuntimeError if it fails."""
        command = [sys.executable, str(script), *arguments]
        with subprocess.Popen(
            command, cwd=self.path, env=_environment(self.path), stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            yield from running.stdout
        if running.returncode:
            raise RuntimeError(f"{' '.join(command)} in {self.path} ended with {running.returncode}.")


def here() -> Checkout:
    """Return the checkout that this is part of."""
    return _known(HERE)


def earlier(commit: str, path: Path) -> Checkout:
    """Return a commit's code in a work tree at `path`, which is made unless it is there."""
    if not path.exists():
        _git("worktree", "add", "--detach", str(path), commit)
    found, wanted = _git("rev-parse", "HEAD", at=path), _git("rev-parse", commit)
    if found != wanted:
        raise ValueError(f"{path}: expected a work tree of {commit} ({wanted}), found {found}; give another directory.")
    return _known(path)


def remove(path: Path) -> None:
    """Remove the work tree that `earlier` made."""
    _git("worktree", "remove", "--force", str(path))


def _known(path: Path) -> Checkout:
    facts = json.loads(_run(path, "-c", _FACTS))
    return Checkout(path, tuple(facts["features"]), facts["settings"])


def _run(path: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], cwd=path, env=_environment(path), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _environment(path: Path) -> dict[str, str]:
    """Let the checkout's packages come first; one thread a fit, because spinning threads are counted as work."""
    return {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}


def _git(*arguments: str, at: Path = HERE) -> str:
    return subprocess.run(
        ["git", "-C", str(at), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
