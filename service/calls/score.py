"""POST /v1/score: the verdict that a payment would get now; nothing of it is kept."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from service.calls.explained import contributions_of, features_of, written
from service.calls.payments import JSON, Item
from service.calls.what_if import Scored
from service.door import bodies
from service.door.problems import Problem, busy, server_gone, unprocessable
from service.waiting.asked import take_apart
from stream.decode import Rejection
from stream.verdict_store.door import AccessLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from service.calls.parts import Parts
    from service.calls.what_if import NotScored
    from service.waiting.asked import Asked
    from stream.verdict_store.door import ApiKey

MOST: Final = 100
SECONDS: Final = 5.0
"""A what-if that takes longer counts as failed."""


async def post(parts: Parts, request: Request, key: ApiKey) -> Response:
    """Answer a what-if, or an array of them."""
    body = await bodies.read(request)
    many = bodies.is_array(body)
    length, rejections = 1, list[Rejection]()
    if many:
        values = bodies.items(body, MOST)
        length = len(values)
        asked, rejections = take_apart(values, int(time.time() * 1000), parts.identities, parts.earliest_ms)
    else:
        taken = await parts.taking.one(body)
        if isinstance(taken, Rejection):
            raise unprocessable(taken.reason, taken.detail)
        asked = [taken]
    scored = await parts.what_ifs.score(asked, asyncio.get_running_loop().time() + SECONDS) if asked else []
    parts.access.note(
        AccessLine(
            at=int(time.time() * 1000),
            who=key.key_id,
            kind="what-if",
            how_many=length,
            asked=None if many else asked[0].decoded.payments.payer[asked[0].row].tobytes(),
            outcome="scored" if all(isinstance(one, Scored) for one in scored) else "failed",
        )
    )
    stored = await _stored(parts, asked, scored)
    if not many:
        return Response(stored.get(0) or _body(parts, scored[0]), 200, media_type=JSON)
    items: dict[int, Item] = {}
    for rejection in rejections:
        items[rejection.index] = Item(422, msgspec.Raw(unprocessable(rejection.reason, rejection.detail).body))
    for turn, (one, said) in enumerate(zip(asked, scored, strict=True)):
        try:
            items[one.index] = Item(200, msgspec.Raw(stored.get(turn) or _body(parts, said)))
        except Problem as problem:
            items[one.index] = Item(problem.status, msgspec.Raw(problem.body))
    return Response(msgspec.json.encode([items[index] for index in range(length)]), 200, media_type=JSON)


async def _stored(parts: Parts, asked: Sequence[Asked], scored: Sequence[Scored | NotScored]) -> dict[int, bytes]:
    """Return what is stored of payments that may be in the logs already where nobody can locate them any more."""
    folded = [turn for turn, said in enumerate(scored) if isinstance(said, Scored) and said.perhaps_folded]
    if not folded:  # nearly always
        return {}
    keys = {turn: (asked[turn].transaction_id, asked[turn].event_time) for turn in folded}
    rows = await parts.reads.ask(lambda door: door.stored(list(keys.values())))
    found = {turn: rows[key] for turn, key in keys.items() if key in rows}
    explained = await parts.reads.run(lambda: parts.records.explained(list(found.values())))
    return {
        turn: written(
            one.record,
            features=features_of(one.artifact.feature_names, row.vector),
            contributions=contributions_of(one.artifact.feature_names, one.contributions),
        )
        for (turn, row), one in zip(found.items(), explained, strict=True)
    }


def _body(parts: Parts, said: Scored | NotScored) -> bytes:
    """Return the answer to one what-if; raises Problem where it was not scored."""
    if isinstance(said, Scored):
        names = parts.what_ifs.artifact.feature_names
        return written(
            said.record,
            features=features_of(names, said.vector),
            contributions=contributions_of(names, said.contributions),
        )
    if said.cause == "redis":
        raise server_gone("redis", f"Expected the logs of the payment's parties. {said.detail} Try again later.")
    if said.cause == "internal-error":
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", said.detail)
    raise busy(f"Expected to score the payment in time. {said.detail}")
