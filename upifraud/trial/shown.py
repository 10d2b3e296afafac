"""A proposal in lines of text: the map with its reasons, what is to be chosen, the first rows, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from upifraud.proposal.map_text import line_text, option_text
from upifraud.trial.report import counts
from upifraud.trial.told import table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upifraud.proposal.proposal import Line, Proposal
    from upifraud.trial.first_look import FirstLook
    from upifraud.trial.proposing import Proposed, ProposedOutcomes

_LONGEST: Final = 28
_NAMES: Final = ("transaction_id", "event_time", "payer_vpa", "payee_vpa", "amount_paise", "outcome")


def lines_of(made: Proposed) -> Iterator[str]:
    """Yield a proposal as a person reads it."""
    proposal, looked = made.proposal, made.first_look
    yield from _file(made)
    yield from _map(proposal)
    yield from _questions(proposal)
    for note in proposal.notes:
        yield from wrapped(note, "- ")
    if proposal.notes:
        yield ""
    yield from _first(proposal, looked)
    yield from _counts(looked)


def lines_of_outcomes(made: ProposedOutcomes) -> Iterator[str]:
    """Yield a proposal for a file of outcomes as a person reads it."""
    yield ""
    yield f"{made.path.name}, the outcomes:"
    yield ""
    yield from _map(made.proposal)
    yield from _questions(made.proposal)
    if made.error is not None:
        yield f"With this map the file cannot be read: {made.error}"
    if made.refusals is not None:
        yield f"As outcomes: {made.refusals}"


def as_json_values(made: Proposed) -> dict[str, Any]:
    """Return a proposal as JSON values; times in the map are as TOML writes them."""
    proposal, looked = made.proposal, made.first_look
    return {
        "format": made.look.format,
        "map": proposal.tables(),
        "reasons": {target: line.reason for target, line in proposal.lines.items()},
        "questions": [
            {
                "target": question.target,
                "key": question.key,
                "why": question.why,
                "options": [{"value": option.value, "meaning": option.meaning} for option in question.options],
            }
            for question in proposal.questions
        ],
        "notes": proposal.notes,
        "first": looked.first,
        **(counts(looked.payments) if looked.payments is not None else {}),
        "outcomes": None if looked.outcomes is None else counts(looked.outcomes),
        "error": looked.error,
    }


def _file(made: Proposed) -> Iterator[str]:
    look = made.look
    told = [look.format]
    if look.encoding is not None:
        told.append(look.encoding)
    if look.separator is not None:
        told.append(f"separator {look.separator!r}")
    files = look.files[0].name if len(look.files) == 1 else f"{len(look.files)} files"
    yield f"{files}: {', '.join(told)}, {len(look.columns)} columns, {len(look.samples):,} rows looked at"
    yield ""


def _map(proposal: Proposal) -> Iterator[str]:
    yield "The map:"
    for target, line in proposal.lines.items():
        yield from _line(target, line)
    for name, lines in (("scale", proposal.scale), ("const", proposal.const)):
        if lines:
            yield f"  [{name}]"
            for target, line in lines.items():
                yield from _line(target, line)
    yield ""


def _line(target: str, line: Line) -> Iterator[str]:
    yield f"  {line_text(target, line.value)}"
    yield from (f"      {text.strip()}" for text in wrapped(line.reason))


def _questions(proposal: Proposal) -> Iterator[str]:
    if not proposal.questions:
        return
    yield "To be chosen, by --choose 'LINE' or in the map:"
    for question in proposal.questions:
        yield from wrapped(question.why, "- ")
        for option in question.options:
            value = option_text(question, option.value)
            chosen = value if question.key is None else f"{question.target}.{value}"
            yield f"    --choose '{chosen}'    {option.meaning}"
    yield ""


def _first(proposal: Proposal, looked: FirstLook) -> Iterator[str]:
    if not looked.first:
        return
    chosen = ", as if the first line of each choice were taken" if proposal.questions else ""
    yield f"The first rows as payments{chosen}:"
    names = [name for name in _NAMES if any(name in row for row in looked.first)]
    yield from table([names, *([_cell(name, row.get(name)) for name in names] for row in looked.first)])
    yield ""


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "event_time" and type(value) is int and 0 <= value < 253_402_300_800_000:
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _counts(looked: FirstLook) -> Iterator[str]:
    if looked.error is not None:
        yield f"With this map the file cannot be read: {looked.error}"
    for refusals in (looked.payments, looked.outcomes):
        if refusals is not None:
            yield f"As {refusals.what}: {refusals}"
