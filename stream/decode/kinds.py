"""Kinds of optional fields: which JSON values each may be, and which of those can be used.

A field's kind follows from its type in `stream.wire`. Both readers of payments ask msgspec for the JSON type, for all
fields at once or for one alone, and what can be used is decided here. So what a field may be is said once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

from msgspec import Meta, Struct

from features.columns import UNKNOWN_MCC
from stream.decode.times import parse_times
from stream.wire import (
    LAST_TIME_MS,
    MAX_EXTERNAL_SCORES,
    MAX_MCC,
    MAX_SHORT_TEXT,
    CodeNumber,
    CodeText,
    Degrees90,
    Degrees180,
    EpochMs,
    ExternalScores,
    Ifsc,
    Mobile,
    Rfc3339,
    Rrn,
    ShortText,
    Text,
    TwoCharacters,
)

Column = Sequence[Any]
"""The values of one field, one a payment; None is unknown."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MERCHANT_CODES: Final[dict[str | None, int]] = {f"{code:04d}": code for code in range(MAX_MCC + 1)} | {
    None: UNKNOWN_MCC
}
"""Every category as it is kept, and its number."""
_MOBILE: Final = re.compile(r"\+?([0-9]{10,15})")


def _up_to(characters: int) -> Any:
    return Annotated[str, Meta(max_length=characters)]


class Score(Struct, gc=False):
    """An external score, its words not looked at yet."""

    provider: Annotated[str, Meta(max_length=MAX_SHORT_TEXT)]
    type: Annotated[str, Meta(max_length=MAX_SHORT_TEXT)]
    value: Annotated[float, Meta(ge=0, le=100)]


class Kind(NamedTuple):
    """What an optional field may be."""

    json: Any
    """The JSON type, as msgspec checks it."""
    usable: Callable[[Column], Column] | None = None
    """Returns values of that type in the form in which they are kept, None for those that cannot be used; the very same
    column where all are as they are kept. None: so they always are."""
    is_text: bool = False
    """Whether all that is not empty and has no control character can be used, and is kept as it is."""


def kind_of(hint: Any) -> Kind:
    """Return the kind of a field of this type; raises TypeError for a type that none reads."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    types = frozenset(get_args(hint)) - {NoneType}
    if len(types) == 1 and get_origin(*types) is Literal:
        return _words(get_args(*types))
    if types not in _KINDS:
        raise TypeError(f"Expected a type that stream.decode.kinds reads, got {hint}; add its kind there.")
    return _KINDS[types]


def _texts(column: Column) -> Column:
    """Text is not empty and has no control characters."""
    if "" not in column and "".join(filter(None, column)).isprintable():
        return column
    return [None if text is None or not _is_text(text) else text for text in column]


def _is_text(text: str) -> bool:
    return text != "" and (text.isprintable() or _CONTROL.search(text) is None)


def _references(column: Column) -> Column:
    """A reference is text, or a whole number: switches write an RRN either way. It is kept as text."""
    if int in set(map(type, column)):
        column = [str(value) if type(value) is int else value for value in column]
    return _texts(column)


def _times(column: Column) -> Column:
    """A time is kept as epoch milliseconds."""
    if str not in set(map(type, column)):
        return column
    parsed = iter(parse_times([value for value in column if type(value) is str]))
    times = [next(parsed) if type(value) is str else value for value in column]
    return [None if time is None or not 0 <= time <= LAST_TIME_MS else time for time in times]


def _sized(characters: int, column: Column) -> Column:
    """Text of one length."""
    column = _texts(column)
    sizes = set(map(len, filter(None, column)))
    return column if sizes <= {characters} else [text if text and len(text) == characters else None for text in column]


def _mobiles(column: Column) -> Column:
    """A mobile number is kept as its digits."""
    found = [None if text is None else _MOBILE.fullmatch(text) for text in column]
    return [None if match is None else match[1] for match in found]


def _scores(column: Column) -> Column:
    """External scores are kept all, or none if the words of one cannot be used."""
    return [None if scores is None or not all(map(_is_score, scores)) else scores for scores in column]


def _is_score(score: Score) -> bool:
    return _is_text(score.provider) and _is_text(score.type)


def _merchant_codes(column: Column) -> Column:
    """A category is kept as four digits."""
    if MERCHANT_CODES.keys() >= {*column}:
        return column
    column = [f"{code:04d}" if type(code) is int else code for code in column]
    return [code if code in MERCHANT_CODES else None for code in column]


def _words(words: tuple[str, ...]) -> Kind:
    """Return the kind of a field that is one of some words."""
    known = frozenset({*words, None})

    def usable(column: Column) -> Column:
        return column if known.issuperset(column) else [word if word in known else None for word in column]

    return Kind(str | None, usable)


_KINDS: Final = {
    frozenset({Text}): Kind(str | None, _texts, is_text=True),
    frozenset({ShortText}): Kind(_up_to(MAX_SHORT_TEXT) | None, _texts, is_text=True),
    frozenset({Ifsc}): Kind(_up_to(11) | None, partial(_sized, 11)),
    frozenset({TwoCharacters}): Kind(_up_to(2) | None, partial(_sized, 2)),
    frozenset({Mobile}): Kind(_up_to(16) | None, _mobiles),
    frozenset({bool}): Kind(bool | None),
    frozenset({ExternalScores}): Kind(Annotated[list[Score], Meta(max_length=MAX_EXTERNAL_SCORES)] | None, _scores),
    frozenset({Text, Rrn}): Kind(str | Rrn | None, _references),
    frozenset({EpochMs, Rfc3339}): Kind(str | EpochMs | None, _times),
    frozenset({CodeNumber, CodeText}): Kind(_up_to(4) | CodeNumber | None, _merchant_codes),
    frozenset({Degrees90}): Kind(Degrees90 | None),
    frozenset({Degrees180}): Kind(Degrees180 | None),
}
"""By the types that a field may have besides null."""
