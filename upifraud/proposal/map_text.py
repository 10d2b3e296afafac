"""A map as TOML that a person reads: each line with its reason, and what is open with what can be chosen."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from upifraud.proposal.proposal import OPEN, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from upifraud.proposal.proposal import Line, Proposal, Question, Toml

_WIDTH: Final = 100


def map_text(proposal: Proposal, of: str) -> str:
    """Return the map of a file as TOML."""
    return "\n".join(_lines(proposal, of)) + "\n"


def toml(value: Toml) -> str:
    """Return a value as TOML writes it, in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {toml(one)}' for name, one in value.items())} }}"
    return repr(value)


def line_text(target: str, value: Toml) -> str:
    """Return one line of a map."""
    return f"{target} = {toml(value)}"


def option_text(question: Question, value: Toml) -> str:
    """Return what a person writes for an option: the line, or the part of the line."""
    return line_text(question.target if question.key is None else question.key, value)


def tables_text(tables: dict[str, Toml]) -> str:
    """Return a map without comments."""
    plain = [line_text(name, value) for name, value in tables.items() if name not in {"scale", "const"}]
    for name in ("scale", "const"):
        part = tables.get(name)
        if isinstance(part, dict) and part:
            plain += [f"[{name}]", *(line_text(target, value) for target, value in part.items())]
    return "\n".join(plain) + "\n"


def _lines(proposal: Proposal, of: str) -> Iterator[str]:
    yield f"# The map of {_comment(of)}: which column is which field of a payment, proposed by `upifraud try`."
    yield "# Read it before you use it: each line says why it is there."
    if proposal.questions:
        yield f'# Where "{OPEN}" stands, write what is right; until then no command takes this map.'
    for note in proposal.notes:
        yield from _wrapped(f"Note: {note}")
    yield ""
    whole: dict[str, Line] = {str(name): proposal.lines[name] for name in WHOLE if name in proposal.lines}
    fields = {target: line for target, line in proposal.lines.items() if target not in WHOLE}
    for lines in (whole, fields):
        yield from _section(proposal, lines)
        if lines:
            yield ""
    for name, lines in (("scale", proposal.scale), ("const", proposal.const)):
        if lines:
            yield f"[{name}]"
            yield from _section(proposal, lines)
            yield ""


def _section(proposal: Proposal, lines: dict[str, Line]) -> Iterator[str]:
    for target, line in lines.items():
        questions = [question for question in proposal.questions if question.target == target]
        if not any(question.key is None for question in questions):
            yield from _wrapped(line.reason)
        for question in questions:
            yield from _wrapped(f"CHOOSE: {question.why}")
            for option in question.options:
                yield f"#   {option_text(question, option.value)}    # {_comment(option.meaning)}"
        yield line_text(target, line.value)


def _wrapped(text: str) -> Iterable[str]:
    line = "#"
    for word in _comment(text).split(" "):
        if len(line) + len(word) >= _WIDTH and line != "#":
            yield line
            line = "#"
        line += f" {word}"
    yield line


def _comment(text: str) -> str:
    """Return a text that is fit for a comment: one line, no control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _text(value: str) -> str:
    """Return a basic string: as in JSON, but for DEL, which TOML wants escaped, and for halves of characters."""
    quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return "".join(letter if not "\ud800" <= letter <= "\udfff" else "\\uFFFD" for letter in quoted)
