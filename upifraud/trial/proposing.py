"""From a file to a proposed map: looked at, proposed, tried on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from files.column_map import map_of
from files.errors import SourceError
from files.formats.detect import table
from files.formats.piece import Told
from files.look import look
from history.message_fields import OUTCOME
from history.reading import read_outcomes
from upifraud.proposal.became import delay_of
from upifraud.proposal.outcomes import propose_outcomes
from upifraud.proposal.propose import propose
from upifraud.proposal.sample import sample_of
from upifraud.trial.first_look import first_look

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from files.column_map import ColumnMap
    from files.look import Look
    from history.refusals import Refusals
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.trial.first_look import FirstLook
    from upifraud.trial.history import Step

ROWS: Final = 10_000
"""Rows that a proposal is made of: the first."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal, and what it makes of the file."""

    look: Look
    proposal: Proposal
    first_look: FirstLook


@dataclass(frozen=True, slots=True)
class ProposedOutcomes:
    """A proposal for a file of outcomes, and what it makes of it."""

    path: Path
    proposal: Proposal
    refusals: Refusals | None
    error: str | None

    @property
    def needs_map(self) -> bool:
        """Whether its columns are other than the message's fields."""
        return any(line.value != target for target, line in self.proposal.lines.items()) or bool(self.proposal.scale)


def proposed(path: Path, chosen: Mapping[str, Toml], step: Step, *, outcomes_elsewhere: bool = False) -> Proposed:
    """Return a map for a file; raises SourceError where the file cannot be read at all.

    The delay of reports depends on the time that the whole file spans, so it is set when all rows were read.
    """
    seen = look(path, rows=ROWS)
    proposal = propose(sample_of(seen, _why_none(seen)), chosen, outcomes_elsewhere=outcomes_elsewhere)
    looked = first_look(path, proposal.assumed(), step)
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


def proposed_outcomes(path: Path) -> ProposedOutcomes:
    """Return a map for a file of outcomes; raises SourceError where the file cannot be read at all."""
    seen = look(path, rows=ROWS)
    proposal = propose_outcomes(sample_of(seen, _why_none(seen)))
    try:
        return ProposedOutcomes(path, proposal, read_outcomes(path, None, outcome_columns(proposal)).refusals, None)
    except SourceError as error:
        return ProposedOutcomes(path, proposal, None, str(error))
    except click.ClickException as error:
        return ProposedOutcomes(path, proposal, None, error.message)


def outcome_columns(proposal: Proposal) -> ColumnMap:
    """Return a proposed map as commands read it."""
    return map_of(dict(proposal.assumed()), "the map", OUTCOME)
