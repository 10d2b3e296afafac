"""POST /v1/holds/ID/release and /reject: a person ends a hold; the row in Postgres decides."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.responses import Response

from service.calls.payments import JSON
from service.door import bodies
from service.door.problems import Problem
from stream.holds import Action, HoldEndedError, NoSuchHoldError, OtherActionError, decide
from stream.wire import HoldReason  # noqa: TC001 - the type of a member, read when the program runs

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.calls.parts import Parts
    from stream.verdict_store.door import ApiKey


class Why(Struct, frozen=True):
    """Why a hold ends."""

    reason: HoldReason


async def release(parts: Parts, request: Request, key: ApiKey) -> Response:
    """Let a held payment go on."""
    return await _end(parts, request, key, Action.RELEASE)


async def reject(parts: Parts, request: Request, key: ApiKey) -> Response:
    """Decline a held payment."""
    return await _end(parts, request, key, Action.REJECT)


async def _end(parts: Parts, request: Request, key: ApiKey, action: Action) -> Response:
    why: Why = bodies.parsed(await bodies.read(request, bodies.SMALL), Why)
    transaction_id: str = request.path_params["transaction_id"]
    try:
        decided = await parts.reads.run(
            lambda: decide(
                parts.holds,
                transaction_id,
                action,
                by=key.key_id,
                reason=why.reason,
                at=int(time.time() * 1000),
                expiry=parts.hold_expiry,
            )
        )
    except NoSuchHoldError:
        raise Problem(
            HTTPStatus.NOT_FOUND, "no-such-hold", "Expected the id of a payment with the verdict HOLD, as it came."
        ) from None
    except HoldEndedError as error:
        return _stands("hold-ended", "Expected the action before the end of the hold; its expiry stands.", error.record)
    except OtherActionError as error:
        return _stands("other-action", "Expected an open hold; what somebody did before stands.", error.record)
    return Response(decided.record, 200, media_type=JSON)


def _stands(reason: str, detail: str, record: bytes) -> Response:
    """Return the refusal with the record that stands."""
    problem = Problem(HTTPStatus.CONFLICT, reason, detail)
    response = problem.response()
    response.body = problem.body[:-1] + b',"stands":' + record + b"}"
    response.headers["content-length"] = str(len(response.body))
    return response
