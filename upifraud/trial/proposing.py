"""From a file to a proposed map: looked at, proposed, tried on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from files.formats.detect import table
from files.formats.piece import Told
from files.look import look
from upifraud.proposal.became import delay_of
from upifraud.proposal.propose import propose
from upifraud.proposal.sample import sample_of
from upifraud.trial.first_look import first_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from files.look import Look
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.trial.first_look import FirstLook

ROWS: Final = 10_000
"""Rows that a proposal is made of: the first."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal, and what it makes of the file."""

    look: Look
    proposal: Proposal
    first_look: FirstLook


def proposed(path: Path, chosen: Mapping[str, Toml], step: Callable[[str, int], Callable[[int], None]]) -> Proposed:
    """Return a map for a file; raises SourceError where the file cannot be read at all.

    The delay of reports depends on the time that the whole file spans, so it is set when all rows were read.
    """
    seen = look(path, rows=ROWS)
    proposal = propose(sample_of(seen, _why_none(seen)), chosen)
    looked = first_look(path, proposal.assumed(), step("reading", seen.row_count or 0))
    if looked.span_ms is not None:
        proposal.set_delay(delay_of(looked.span_ms))
    return Proposed(seen, proposal, looked)


def _why_none(seen: Look) -> str:
    """Return what is wrong with the first row, where not one could be looked at."""
    if seen.samples:
        return ""
    file = table(seen.files[0], Told(seen.encoding, seen.separator))
    try:
        refused = next((one for piece in file.pieces([], [], 1) for one in piece.refused), None)
    finally:
        file.close()
    return "" if refused is None else f" (row {refused.row}: {refused.detail})"
