"""Bodies of requests: bounded, and taken apart without an object for each value."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import ClientDisconnect

from service.door.problems import Problem, unprocessable

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES: Final = 1 << 20
"""Longest body."""
SMALL: Final = 16 * 1024
"""Longest body of a call that takes one small object."""
MAX_ITEMS: Final = 1000
"""Most payments or outcomes of one call."""

_WHITE: Final = b" \t\r\n"
_items = msgspec.json.Decoder(list[msgspec.Raw])


async def read(request: Request, limit: int = MAX_BYTES) -> bytes:
    """Return the body; raises Problem with 413 where it is longer than the limit, unread where it says so."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    message = await request.receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, length = [body], len(body)
    while message.get("more_body"):
        if length > limit:
            raise _too_large(limit)
        message = await request.receive()
        parts.append(part := message.get("body", b""))
        length += len(part)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if length > limit:
        raise _too_large(limit)
    return b"".join(parts)


def is_array(body: bytes) -> bool:
    """Tell whether a body wants to be a JSON array."""
    return body.lstrip(_WHITE)[:1] == b"["


def items(body: bytes, most: int = MAX_ITEMS) -> list[bytes | None]:
    """Return the values of a JSON array, each as it was written; raises Problem where it is none, empty or too long."""
    try:
        values: list[bytes | None] = [bytes(value) for value in _items.decode(body)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise unprocessable("not-json", "Expected JSON: an object, or an array of objects.") from None
    if not values:
        raise unprocessable("out-of-range", "Expected at least one item in the array.")
    if len(values) > most:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-many-items",
            f"Expected at most {most:,} items in the array; send the rest in further calls.",
        )
    return values


def parsed(body: bytes, kind: type[Any]) -> Any:
    """Return a body as one of our own types; raises Problem with 422 that names the field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise unprocessable("not-json", "Expected a JSON object.") from None


def _invalid(said: str) -> Problem:
    """Turn msgspec's words into a refusal: they name types and the path, and of what came at most an unknown name."""
    what, _, path = said.partition(" - at `$")
    field = path.rstrip("`").removeprefix(".").partition("[")[0] or None
    if "missing required field" in what:
        field = what.rpartition("`")[0].rpartition("`")[2]
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "missing-field", f"{field}: expected it to be there", field=field
        )
    reason = "wrong-type" if what.startswith("Expected `") and ", got `" in what else "out-of-range"
    if reason == "wrong-type" and field is None:
        reason = "not-an-object"
    expected = what if what.startswith("Expected ") else "expected another value"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, reason, f"{field or 'body'}: {expected}", field=field)


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"Expected a body of at most {limit:,} bytes; send less at a time.",
    )
