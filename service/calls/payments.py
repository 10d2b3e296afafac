"""POST /v1/payments: through the topic like any other payment, and back with its stored verdict."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from service.calls.what_if import Scored
from service.door import bodies, meters
from service.door.problems import MEDIA_TYPE, Problem, unprocessable
from service.waiting.asked import take_apart
from service.waiting.waiter import Answer
from stream.decode import Rejection
from stream.wire import Alert  # noqa: TC001 - types of members, read when the program runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from service.calls.parts import Parts
    from service.calls.what_if import NotScored
    from service.waiting.asked import Asked
    from service.waiting.waiter import Waiter
    from stream.verdict_store.door import ApiKey

JSON: Final = "application/json"
DEADLINE_MS: Final = 80
MOST_MS: Final = 10_000
_RESERVE: Final = 0.015
_RESERVE_SHARE: Final = 0.05
_RESERVE_A_PAYMENT: Final = 0.001
"""Seconds before the deadline that are kept for provisional verdicts: so many, or that share of all if it is more, and
for each payment; at most a third of all."""
_DIGITS: Final = 9
_PROVISIONAL: Final = 100
"""Provisional verdicts of one call at most."""


class Source(Struct, frozen=True):
    """Where the payment is in the topic."""

    partition: int
    offset: int


class Pending(Struct, frozen=True, kw_only=True):
    """The payment will get its verdict, but does not have it yet: ask again at `location`, or post it again."""

    status: str = "PENDING"
    location: str
    source: Source | UnsetType = UNSET
    provisional: Alert | None = None
    cause: str | UnsetType = UNSET


class Unconfirmed(Struct, frozen=True, kw_only=True):
    """Nobody knows yet whether the topic has the payment: post it again."""

    status: str = "UNCONFIRMED"
    title: str = "The broker has not confirmed the payment in time"
    reason: str = "UNCONFIRMED"
    detail: str = "Expected Kafka's confirmation before the deadline; post the payment again, it counts once."
    server: str = "kafka"
    provisional: Alert | None = None
    cause: str | UnsetType = UNSET


class Item(Struct, frozen=True):
    """The answer to one payment of an array."""

    status: int
    body: msgspec.Raw


async def post(parts: Parts, request: Request, _key: ApiKey) -> Response:
    """Answer a payment, or an array of payments."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + _deadline_ms(request) / 1000
    body = await bodies.read(request)
    many = bodies.is_array(body)
    length, rejections = 1, list[Rejection]()
    if many:
        values = bodies.items(body)
        length = len(values)
        asked, rejections = take_apart(values, int(time.time() * 1000), parts.identities, parts.earliest_ms)
    else:
        taken = await parts.taking.one(body)
        if isinstance(taken, Rejection):
            meters.PAYMENTS.labels("422").inc()
            raise unprocessable(taken.reason, taken.detail)
        asked = [taken]
    waiters = await _wait(parts, asked, began, deadline) if asked else []
    answers = await _answers(parts, waiters, deadline)
    for answer in answers:
        meters.PAYMENTS.labels(str(answer.status)).inc()
    if many:
        return _array(length, asked, answers, rejections)
    return _single(answers[0], asked[0])


async def _wait(parts: Parts, asked: Sequence[Asked], began: float, deadline: float) -> list[Waiter]:
    """Wait for the payments' rows until shortly before the deadline."""
    loop = asyncio.get_running_loop()
    call, joined = parts.waiters.join(asked)
    whole = deadline - began
    provisional = max(_RESERVE, _RESERVE_SHARE * whole) + _RESERVE_A_PAYMENT * min(len(asked), _PROVISIONAL)
    reserve = min(whole / 3, provisional)
    # Where Postgres does not answer the stream still decides: it knows duplicates and conflicts by their claims.
    publish = loop.call_at(began + whole / 3, parts.waiters.publish, joined)
    enough = loop.call_at(deadline - reserve, call.give_up)
    try:
        await call.done
    finally:
        publish.cancel()
        enough.cancel()
        parts.waiters.leave(call, joined)
    return joined


async def _answers(parts: Parts, waiters: Sequence[Waiter], deadline: float) -> list[Answer]:
    """Return an answer for each payment: its row's, or a provisional one."""
    open_ones = [waiter for waiter in waiters if waiter.answer is None]
    if not open_ones:
        return [waiter.answer for waiter in waiters if waiter.answer is not None]
    parts.waiters.poll()
    scored = await parts.what_ifs.score([waiter.payment for waiter in open_ones[:_PROVISIONAL]], deadline)
    said = dict(zip(map(id, open_ones), scored, strict=False))
    for waiter in open_ones:
        one = said.get(id(waiter))
        if isinstance(one, Scored):
            parts.waiters.note_provisional(waiter, one.record.verdict)
    return [waiter.answer or _provisional(waiter, said.get(id(waiter))) for waiter in waiters]


def _provisional(waiter: Waiter, said: Scored | NotScored | None) -> Answer:
    provisional = said.record if isinstance(said, Scored) else None
    cause = UNSET if isinstance(said, Scored) else "too-many-items" if said is None else said.cause
    if not waiter.is_accepted:
        meters.PROVISIONAL.labels("unconfirmed").inc()
        return Answer(503, msgspec.json.encode(Unconfirmed(provisional=provisional, cause=cause)))
    meters.PROVISIONAL.labels("pending").inc()
    source = UNSET if waiter.receipt is None else Source(*waiter.receipt)
    location = location_of(waiter.payment.transaction_id)
    return Answer(
        202, msgspec.json.encode(Pending(location=location, source=source, provisional=provisional, cause=cause))
    )


def location_of(transaction_id: bytes) -> str:
    """Return the path of a payment's record."""
    return f"/v1/verdicts/{quote(transaction_id, safe='')}"


def _single(answer: Answer, asked: Asked) -> Response:
    if answer.status == HTTPStatus.ACCEPTED:
        return Response(answer.body, 202, {"Location": location_of(asked.transaction_id)}, JSON)
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Response(answer.body, 503, {"Retry-After": "1"}, MEDIA_TYPE)
    return Response(answer.body, answer.status, media_type=JSON if answer.status < 400 else MEDIA_TYPE)


def _array(length: int, asked: Sequence[Asked], answers: Sequence[Answer], rejections: Sequence[Rejection]) -> Response:
    items: list[Item | None] = [None] * length
    for payment, answer in zip(asked, answers, strict=True):
        items[payment.index] = Item(answer.status, msgspec.Raw(answer.body))
    for rejection in rejections:
        meters.PAYMENTS.labels("422").inc()
        problem = unprocessable(rejection.reason, rejection.detail)
        items[rejection.index] = Item(422, msgspec.Raw(problem.body))
    return Response(msgspec.json.encode(items), 200, media_type=JSON)


def _deadline_ms(request: Request) -> int:
    """Return the milliseconds that a caller gives us; raises Problem for anything but 1 to 10,000."""
    query: bytes = request.scope["query_string"]
    if not query:
        return DEADLINE_MS
    name, _, value = query.partition(b"=")
    if name == b"deadline_ms" and value.isdigit() and len(value) <= _DIGITS:  # nearly always
        text: str | None = value.decode()
    else:
        text = request.query_params.get("deadline_ms")
    if text is None:
        return DEADLINE_MS
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-type", "deadline_ms: expected a whole number", field="deadline_ms"
        )
    if not 1 <= int(text) <= MOST_MS:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "out-of-range",
            f"deadline_ms: expected 1 to {MOST_MS:,} milliseconds",
            field="deadline_ms",
        )
    return int(text)
