"""Every call: its path, scope, what it takes and what it answers; the app and the OpenAPI document are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from service.calls import payments
from stream import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.calls.parts import Parts
    from service.door.keys import ApiKey


@dataclass(frozen=True, slots=True)
class Route:
    """One call."""

    method: str
    path: str
    scope: str
    call: Callable[[Parts, Request, ApiKey], Awaitable[Response]]
    summary: str
    takes: Any = None
    """Type of the body; None for none."""
    takes_many: bool = False
    """Whether it takes an array of them too."""
    answers: Mapping[int, Any] = field(default_factory=dict)
    """Type of the body by status; problems are added by `refusals`."""
    refusals: tuple[int, ...] = ()
    """Statuses of problems that are this call's own; 401, 403, 429 and 503 all have."""


ROUTES: Final = (
    Route(
        "POST",
        "/v1/payments",
        "payments:write",
        payments.post,
        "Decide a payment: it counts, and the answer is its stored verdict.",
        takes=wire.Payment,
        takes_many=True,
        answers={200: wire.Alert, 202: payments.Pending},
        refusals=(409, 413, 422),
    ),
)
