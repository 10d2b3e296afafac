"""A map for a file of outcomes alone: which payment, what became of it, and when that was known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upifraud.proposal.became import propose_what_became, take_report_time
from upifraud.proposal.choice import SURE, candidates, quoted
from upifraud.proposal.names import TRANSACTION_ID
from upifraud.proposal.proposal import Line, Option, Proposal

if TYPE_CHECKING:
    from upifraud.proposal.sample import Sample


def propose_outcomes(sample: Sample) -> Proposal:
    """Return a map for a file of outcomes that was looked at."""
    proposal = Proposal()
    for name in ("encoding", "separator"):
        if (said := getattr(sample, name)) is not None:
            proposal.lines[name] = Line(said, "as the file is written")
    _payment(sample, proposal)
    if not propose_what_became(sample, proposal, None):
        proposal.ask("outcome", None, "No column says what became of the payments.")
    # The name of the only column with times may say nothing: what else would they be the times of?
    if not take_report_time(sample, proposal, SURE) and not take_report_time(sample, proposal, 0.0):
        proposal.ask("reported_at", None, "No column says when an outcome was reported.")
    return proposal


def _payment(sample: Sample, proposal: Proposal) -> None:
    found = candidates(sample, TRANSACTION_ID, proposal.used, None)
    sure = [one.column.name for one in found if one.worth >= SURE]
    if sure:
        proposal.take("transaction_id", sure[0], f"{quoted(sure[0])} by its name", sure[0])
    else:
        options = [Option(one.column.name, f"{len(one.column.counts)} different values") for one in found[:4]]
        proposal.ask("transaction_id", None, "No column's name says which payment is meant.", *options)
