"""Record values as JSON objects: what counts as JSON is decided here, once, for payments and outcomes.

The grammar is RFC 8259's as msgspec checks it, in UTF-8 without a byte order mark, nested at most `MAX_NESTING` deep.
Of a repeated name the last value stands. NaN and Infinity are not JSON. An escaped surrogate without its partner is
grammatical but no character: it spoils the string it is in, not the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.decode.odd_text import nests_deeper, without_half_pairs
from stream.decode.rejection import Rejected
from stream.wire import MAX_NESTING, MAX_VALUE_BYTES, RejectionReason

if TYPE_CHECKING:
    from msgspec import Struct

_any_value = msgspec.json.Decoder(msgspec.Raw)


class ObjectReader:
    """Takes values apart into the fields of one wire type, each field as the JSON it was written in."""

    def __init__(self, wire_type: type[Struct]) -> None:
        described = msgspec.structs.fields(wire_type)
        self._required = [field.name for field in described if field.required]
        # Raw fields cannot fail by their type: whether one bad field costs the record is for its reader to say.
        raw_type = msgspec.defstruct(
            f"Raw{wire_type.__name__}", [(field.name, msgspec.Raw, msgspec.Raw(b"")) for field in described]
        )
        self._decoder = msgspec.json.Decoder(raw_type)

    def read(self, value: bytes | None) -> dict[str, bytes]:
        """Return the fields that the value has, all the required ones among them; raises Rejected for any other bytes.

        Fields that the type does not name are checked to be JSON and dropped.
        """
        if value is None:
            raise Rejected(RejectionReason.NULL_VALUE, "expected a JSON object, not a null value (tombstone)")
        if len(value) > MAX_VALUE_BYTES:
            raise Rejected(
                RejectionReason.TOO_LARGE,
                f"expected at most {MAX_VALUE_BYTES} bytes, {len(value)} came; drop extra fields",
            )
        text = _checked(value)
        if not text.lstrip(b" \t\r\n").startswith(b"{"):
            raise Rejected(RejectionReason.NOT_AN_OBJECT, "expected a JSON object, another kind of JSON value came")
        raws = msgspec.structs.asdict(self._decoder.decode(text))
        found = {name: bytes(raw) for name, raw in raws.items() if bytes(raw)}
        for name in self._required:
            if name not in found:
                raise Rejected(RejectionReason.MISSING_FIELD, f"{name}: expected, but the record has no such field")
        return found


def _checked(value: bytes) -> bytes:
    """Return the value as JSON that msgspec takes, surrogates without a partner replaced by U+0000."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(RejectionReason.NOT_JSON, f"expected UTF-8, byte {error.start} is not") from None
    if value.count(b"[") + value.count(b"{") > MAX_NESTING and nests_deeper(value, MAX_NESTING):
        raise Rejected(RejectionReason.NOT_JSON, f"expected nesting of at most {MAX_NESTING} levels")
    problem = _grammar_problem(value)
    if problem is not None and b"\\u" in value:
        value = without_half_pairs(value)
        problem = _grammar_problem(value)
    if problem is not None:
        raise Rejected(RejectionReason.NOT_JSON, f"expected JSON (RFC 8259): {problem}")
    return value


def _grammar_problem(value: bytes) -> str | None:
    try:
        _any_value.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)
    return None
