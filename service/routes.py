"""Every call: its path, scope, what it takes and what it answers; the app and the OpenAPI document are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.calls import entities, holds, outcomes, payments, score, verdicts
from service.calls.explained import ExplainedRecord
from service.door.bodies import MAX_ITEMS
from stream import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from service.calls.parts import Parts
    from stream.verdict_store.door import ApiKey


class Query(NamedTuple):
    """A parameter behind the path."""

    name: str
    schema: Mapping[str, Any]


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
    most: int = 1
    """How many of them it takes; more than one in an array."""
    answers: Mapping[int, Any] = field(default_factory=dict)
    """Type of the body by status; problems are added by `refusals`."""
    query: tuple[Query, ...] = ()
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
        most=MAX_ITEMS,
        answers={200: wire.Alert, 202: payments.Pending, 503: payments.Unconfirmed},
        refusals=(409, 413, 422),
        query=(Query("deadline_ms", {"type": "integer", "minimum": 1, "maximum": payments.MOST_MS, "default": 80}),),
    ),
    Route(
        "POST",
        "/v1/score",
        "score:what-if",
        score.post,
        "Say what a payment would get now; nothing of it is kept.",
        takes=wire.Payment,
        most=score.MOST,
        answers={200: ExplainedRecord},
        refusals=(413, 422),
    ),
    Route(
        "GET",
        "/v1/verdicts/{transaction_id}",
        "verdicts:read",
        verdicts.get,
        "Show the stored verdict of a payment.",
        answers={200: ExplainedRecord},
        refusals=(404, 422),
        query=(Query("explain", {"type": "string", "enum": ["all"]}),),
    ),
    Route(
        "POST",
        "/v1/verdicts/search",
        "verdicts:read",
        verdicts.search,
        "Find verdicts by RRN, party, device or account.",
        takes=verdicts.Search,
        answers={200: verdicts.Found},
        refusals=(413, 422),
    ),
    Route(
        "POST",
        "/v1/entities/lookup",
        "entities:read",
        entities.lookup,
        "Show the windows of a payer, a payee or a device as of now.",
        takes=entities.Lookup,
        answers={200: entities.Windows},
        refusals=(413, 422),
    ),
    Route(
        "POST",
        "/v1/outcomes",
        "outcomes:write",
        outcomes.post,
        "Report what a payment was.",
        takes=wire.Outcome,
        most=MAX_ITEMS,
        answers={200: outcomes.Accepted, 202: outcomes.Accepted},
        refusals=(413, 422),
        query=(Query("wait", {"type": "string", "enum": ["true", "false"], "default": "false"}),),
    ),
    Route(
        "POST",
        "/v1/holds/{transaction_id}/release",
        "holds:decide",
        holds.release,
        "Let a held payment go on.",
        takes=holds.Why,
        answers={200: wire.Resolution},
        refusals=(404, 409, 413, 422),
    ),
    Route(
        "POST",
        "/v1/holds/{transaction_id}/reject",
        "holds:decide",
        holds.reject,
        "Decline a held payment.",
        takes=holds.Why,
        answers={200: wire.Resolution},
        refusals=(404, 409, 413, 422),
    ),
)
