"""Raw results as JSON: what was found, and what must be known to compare it with another run."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from bench.peers.facts import facts

FORMAT = 1


def begin() -> dict[str, Any]:
    """Return the facts of a run that begins now."""
    return {
        "format": FORMAT,
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {**facts(), "cpu": _cpu(), "memory_bytes": _memory(), "system": platform.system()},
        "parts": {},
        "failed": {},
        "seconds": {},
    }


def write(path: Path, results: dict[str, Any]) -> None:
    """Write results, whole or not at all: a run that is interrupted leaves what it had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(results, indent=1, default=plain) + "\n")
    beside.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Read results. Raises ValueError for a file of another kind."""
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path}: expected results of `python -m bench`, format {FORMAT}; measure again.")
    return found


def merged(all_of: list[dict[str, Any]]) -> dict[str, Any]:
    """Put results together, later parts in place of earlier ones, each with the facts of its own run.

    What a part measured in pieces, `growth, trees`, is a list under the part's name.
    """
    pieces: dict[str, tuple[Any, Any]] = {}
    for one in all_of:
        facts_of = {**one["machine"], "measured_at": one["measured_at"]}
        pieces |= {name: (found, facts_of) for name, found in one["parts"].items()}
    result: dict[str, Any] = {"parts": {}, "machines": {}}
    for name, (found, facts_of) in pieces.items():
        part, piece, _ = name.partition(", ")
        if piece:
            result["parts"].setdefault(part, []).append(found)
        else:
            result["parts"][part] = found
        result["machines"][name] = facts_of
    return result


def plain(value: Any) -> Any:
    """Return what JSON takes for what it does not."""
    if is_dataclass(value) and not isinstance(value, type):
        properties = {"rate": value.rate} if hasattr(value, "rate") else {}
        return {**asdict(value), **properties}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON.")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
