"""What a refusal looks like: application/problem+json with a documented reason and the field, never the value."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/problem+json"

TITLES: Final[Mapping[str, str]] = {
    "bad-request": "The request is not HTTP",
    "bad-time": "A time is not RFC 3339 with an offset",
    "bad-vpa": "A VPA is not one",
    "busy": "The server has too much to do",
    "conflicting-duplicate": "The id belongs to another payment",
    "hold-ended": "The hold had ended before",
    "internal-error": "The server failed",
    "key-invalid": "The key is unknown, revoked or expired",
    "key-missing": "A key is needed",
    "method-not-allowed": "The method is not allowed here",
    "missing-field": "A required field is missing",
    "no-such-hold": "There is no such hold",
    "no-such-verdict": "There is no verdict of this id",
    "not-an-object": "JSON, but no object",
    "not-found": "There is nothing here",
    "not-json": "The body is not JSON",
    "not-logged": "The look-up could not be written to the access log",
    "null-value": "The value is null",
    "out-of-range": "A value is out of range",
    "other-action": "Somebody had ended the hold already",
    "scope-missing": "The key does not have the scope",
    "server-gone": "A server does not answer",
    "time-in-future": "The time is too far ahead of the clock",
    "too-large": "Too large",
    "too-many-items": "Too many items",
    "too-many-requests": "Too many requests",
    "too-slow": "The request came too slowly",
    "wrong-type": "A value has another type than expected",
}
"""Every reason of a refusal. Where a dead letter has a word for it, that is the word."""


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """RFC 9457."""

    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    reason: Annotated[str, Meta(description="Stable; docs/api.md lists all.", examples=["bad-vpa"])]
    detail: Annotated[str, Meta(description="What was expected and what to do; never the value that came.")]
    field: Annotated[str, Meta(description="The field that it is about.")] | UnsetType = UNSET
    server: Annotated[str, Meta(description="The server that does not answer.")] | UnsetType = UNSET


class Problem(Exception):  # noqa: N818 - an answer to a caller, not an error of ours
    """A call that is refused; whoever handles the request turns it into the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        reason: str,
        detail: str,
        *,
        field: str | None = None,
        server: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{int(status)} {reason}")
        self.status = int(status)
        self.headers = headers
        self.body = msgspec.json.encode(
            ProblemDetails(
                title=TITLES[reason],
                status=int(status),
                reason=reason,
                detail=detail,
                field=UNSET if field is None else field,
                server=UNSET if server is None else server,
            )
        )

    def response(self) -> Response:
        """Return the answer."""
        return Response(self.body, self.status, dict(self.headers or {}), MEDIA_TYPE)


def unprocessable(reason: str, detail: str) -> Problem:
    """Return the refusal of what would be a dead letter; `detail` is a dead letter's: the field comes first."""
    field, colon, _ = detail.partition(":")
    named = field if colon and field.isidentifier() else None
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, reason, detail, field=named)


def server_gone(server: str, detail: str) -> Problem:
    """Return the refusal of what cannot be done without a server that does not answer."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "server-gone", detail, server=server, headers={"Retry-After": "1"})


def busy(detail: str) -> Problem:
    """Return the refusal of more than can be done at a time."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers={"Retry-After": "1"})
