"""The proposal as a whole: each required field, then what became of payments, then the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from upifraud.proposal.became import LONGEST_MS, SHARE, delay_of, propose_outcome
from upifraud.proposal.choice import quoted
from upifraud.proposal.money import propose_amount
from upifraud.proposal.proposal import SAID, Line, Proposal
from upifraud.proposal.rest import propose_rest
from upifraud.proposal.when import propose_time
from upifraud.proposal.who import propose_id, propose_made_id, propose_parties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upifraud.proposal.proposal import Toml
    from upifraud.proposal.sample import Sample

_REQUIRED: Final = ("transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise")
_OURS: Final = (*_REQUIRED, "outcome", "reported_at")
_ORDER: Final = ("zone", "encoding", "separator", "earliest", *_OURS)
_FEW_ROWS: Final = 30


def propose(sample: Sample, chosen: Mapping[str, Toml] | None = None, *, outcomes_elsewhere: bool = False) -> Proposal:
    """Return a map for a file that was looked at; what a person has chosen stands, and is not asked again.

    outcomes_elsewhere: what became of the payments is in another file, so nothing is said of it.
    """
    chosen = dict(chosen or {})
    proposal = Proposal()
    for name in ("encoding", "separator"):
        if (said := getattr(sample, name)) is not None:
            proposal.lines[name] = Line(said, "as the file is written")
    if "zone" in chosen:
        proposal.lines["zone"] = Line(chosen["zone"], SAID)
    proposal.used |= _columns_in(chosen, sample)
    times = propose_time(sample, proposal, _column(chosen, "event_time"))
    span_ms = times.span_ms if times else LONGEST_MS * SHARE
    propose_id(sample, proposal, _column(chosen, "transaction_id"))
    propose_amount(sample, proposal, _column(chosen, "amount_paise"))
    if not outcomes_elsewhere:
        propose_outcome(sample, proposal, _column(chosen, "outcome"), delay_of(span_ms))
    propose_parties(sample, proposal, _column(chosen, "payer_vpa"), _column(chosen, "payee_vpa"))
    propose_made_id(sample, proposal)
    propose_rest(sample, proposal, chosen)
    proposal.choose(chosen)
    proposal.lines = {name: proposal.lines[name] for name in (*_ORDER, *proposal.lines) if name in proposal.lines}
    proposal.notes[:0] = _notes(sample)
    unknown = {question.target for question in proposal.questions if question.key is None}
    if "outcome" in proposal.lines and {"payer_vpa", "payee_vpa", "amount_paise"} <= unknown:
        proposal.notes.insert(0, "This looks like a file of outcomes. Give it beside that of the payments: --outcomes.")
    return proposal


def _notes(sample: Sample) -> list[str]:
    notes = []
    if not sample.rows:
        notes.append(
            f"Not one row could be looked at{sample.why_none}, so nothing is known but the names of the columns."
        )
    elif sample.rows < _FEW_ROWS:
        notes.append(f"Only {sample.rows} rows were looked at: what so few values say may not be true of others.")
    values = [column.name for column in sample if _is_a_value(column.name)]
    if len(values) * 2 > len(sample.columns):
        notes.append(
            f"The names of the columns look like values ({quoted(values[0])}): put a line with names at the "
            "beginning of the file."
        )
    return notes


def _is_a_value(name: str) -> bool:
    return "@" in name or (bool(name) and not any(letter.isalpha() for letter in name))


def _column(chosen: Mapping[str, Toml], target: str) -> str | None:
    """Return the column that a person has chosen for a field."""
    line = chosen.get(target)
    column = line.get("column") if isinstance(line, dict) else line
    return column if isinstance(column, str) else None


def _columns_in(chosen: Mapping[str, Toml], sample: Sample) -> set[str]:
    """Return the columns that a person has given to fields of ours, so that no other field takes them."""
    names: set[str] = set()
    for line in chosen.values():
        for one in _strings(line):
            if one in sample.columns:
                names.add(one)
    return names


def _strings(line: Toml) -> list[str]:
    if isinstance(line, str):
        return [line]
    if isinstance(line, dict):
        parts = [line.get("column"), line.get("columns")]
        return [text for part in parts if part is not None for text in _strings(part)]
    return [text for text in line if isinstance(text, str)] if isinstance(line, list) else []
