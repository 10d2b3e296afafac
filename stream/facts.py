"""Facts: the optional fields of a payment that are kept with its verdict, packed to a few bytes.

Packed facts are UTF-8 JSON without white space: one object of what is known, by short keys, in the order of `FACTS`. So
Postgres reads them by `convert_from(facts, 'UTF8')::jsonb`. A payment without facts has no bytes. The keys are given in
`stream.wire`, and stay what they are for ever.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta

from stream.wire import MAX_SHORT_TEXT, Payment, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

_LAST: Final = 4
"""Characters of a concealed value that are shown, but at most half of it."""
_HASH_DIGITS: Final = 16


class Fact(NamedTuple):
    """A field that is kept."""

    name: str
    """That of the field."""
    short: str
    """Its key in packed facts."""
    hashed: bool
    """Whether only a keyed hash and the last characters are kept: see `conceal`."""
    unbounded: bool
    """Whether the field may have text of any length; what is longer than `MAX_SHORT_TEXT` is not kept."""


def _facts() -> tuple[Fact, ...]:
    hints = get_type_hints(Payment, include_extras=True)
    given = {
        name: meta.extra
        for name, hint in hints.items()
        for meta in get_args(hint)[1:]
        if isinstance(meta, Meta) and meta.extra is not None
    }
    return tuple(
        Fact(name, extra["fact"], extra["hashed"], Text in get_args(get_args(hints[name])[0]) and not extra["hashed"])
        for name, extra in given.items()
    )


FACTS: Final = _facts()
"""All facts, in the order of the payment's fields."""

_NAMES: Final = [fact.name for fact in FACTS]
_PLACES: Final = {name: place for place, name in enumerate(_NAMES)}
_UNBOUNDED: Final = [fact.name for fact in FACTS if fact.unbounded]
_BY_SHORT: Final = {fact.short: fact for fact in FACTS}
_Packed: Final = msgspec.defstruct("Packed", [(fact.short, Any, None) for fact in FACTS], omit_defaults=True, gc=False)
_encode: Final = msgspec.json.Encoder().encode
_NOTHING: Final = b"{}"


def pack(columns: Mapping[str, Sequence[Any]], length: int) -> list[bytes | None]:
    """Return the packed facts of some payments; None where nothing is known.

    `columns` has the values of facts by name, a value a payment, None where it is unknown: text, integers, booleans,
    external scores as lists of (provider, type, value), and of hashed ones what `conceal` returns. What it does not
    name is unknown.
    """
    last = max([_PLACES[name] for name in columns if name in _PLACES], default=-1)
    if last < 0:
        return [None] * length
    columns, nothing = _without_long_text(columns), (None,) * length
    kept = [columns.get(name, nothing) for name in _NAMES[: last + 1]]  # the rest need not be said
    packed: list[bytes | None] = [*map(_encode, map(_Packed, *kept))]
    return [None if facts == _NOTHING else facts for facts in packed] if _NOTHING in packed else packed


def _without_long_text(columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
    """Return the columns without text that is too long to be kept."""
    texts = [columns[name] for name in _UNBOUNDED if name in columns]
    if max(map(len, filter(None, chain(*texts))), default=0) <= MAX_SHORT_TEXT:
        return columns
    short = {
        name: [text if text is None or len(text) <= MAX_SHORT_TEXT else None for text in columns[name]]
        for name in _UNBOUNDED
        if name in columns
    }
    return {**columns, **short}


def unpack(facts: bytes | None) -> dict[str, Any]:
    """Return facts by name; a hashed one as `{"hash": ..., "last4": ...}`.

    A key that this version does not know is left out: a later one may have written it.
    """
    if facts is None:
        return {}
    found: dict[str, Any] = msgspec.json.decode(facts, type=dict[str, Any])
    known = {fact: found[short] for short in found if (fact := _BY_SHORT.get(short)) is not None}
    return {fact.name: _revealed(value) if fact.hashed else value for fact, value in known.items()}


def conceal(texts: Sequence[str | None], hashes: NDArray[np.uint64]) -> list[str | None]:
    """Return of each text its keyed hash in hexadecimal, a colon, and its last four characters, but at most half of it.

    `hashes` are `Identities.hash` of the texts.
    """
    digits = hashes.tobytes()[::-1].hex(":", 8).split(":")  # the highest byte first, and so the last hash
    return [
        None if text is None else f"{hashed}:{text[-_LAST:] if len(text) >= 2 * _LAST else _half(text)}"
        for text, hashed in zip(texts, reversed(digits), strict=False)  # of no hashes there is one, empty
    ]


def _half(text: str) -> str:
    return text[len(text) - len(text) // 2 :]


def _revealed(concealed: str) -> dict[str, str]:
    return {"hash": concealed[:_HASH_DIGITS], "last4": concealed[_HASH_DIGITS + 1 :]}
