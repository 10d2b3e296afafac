"""POST /v1/outcomes: published to the topic of outcomes, and if asked for waited for until they are stored."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from service.calls.payments import JSON, Item, Source
from service.door import bodies
from service.door.problems import MEDIA_TYPE, server_gone, unprocessable
from stream.decode import decode_outcomes
from stream.errors import StreamError
from stream.kafka.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from service.calls.parts import Parts
    from stream.decode import DecodedOutcome
    from stream.verdict_store.door import ApiKey, Door
    from stream.verdict_store.door.reader import Rank

CONFIRM_SECONDS: Final = 3.0
STORE_SECONDS: Final = 5.0
_LOOK: Final = 0.02


class Accepted(Struct, frozen=True, kw_only=True):
    """The topic has the outcome."""

    status: Literal["ACCEPTED", "STORED"]
    transaction_id: str
    source: Source
    stands: bool | UnsetType = UNSET
    """Whether it is the newest of its payment."""


class _Sent:
    """One outcome on its way."""

    __slots__ = ("outcome", "said")

    def __init__(self, outcome: DecodedOutcome) -> None:
        self.outcome = outcome
        self.said: Receipt | StreamError | None = None

    def told(self, said: Receipt | StreamError) -> None:
        self.said = said

    @property
    def rank(self) -> tuple[int, int, int]:
        receipt = self.said
        assert isinstance(receipt, Receipt)  # noqa: S101 - asked only of what the broker confirmed
        return self.outcome.reported_at, receipt.offset, receipt.partition


async def post(parts: Parts, request: Request, _key: ApiKey) -> Response:
    """Answer an outcome, or an array of outcomes."""
    wait = request.query_params.get("wait", "false")
    if wait not in ("true", "false"):
        raise unprocessable("wrong-type", "wait: expected true or false")
    body = await bodies.read(request)
    many = bodies.is_array(body)
    values: list[bytes | None] = bodies.items(body) if many else [body]
    decoded = decode_outcomes(values, earliest_ms=parts.earliest_ms)
    if decoded.rejections and not many:
        raise unprocessable(decoded.rejections[0].reason, decoded.rejections[0].detail)
    sent = await _publish(parts, values, decoded.rows)
    standing = await _wait(parts, sent) if wait == "true" else {}
    items: dict[int, Item] = {}
    for rejection in decoded.rejections:
        items[rejection.index] = Item(422, msgspec.Raw(unprocessable(rejection.reason, rejection.detail).body))
    for one in sent:
        items[one.outcome.index] = _item(one, standing)
    if many:
        return Response(msgspec.json.encode([items[index] for index in range(len(values))]), 200, media_type=JSON)
    item = items[0]
    return Response(bytes(item.body), item.status, media_type=JSON if item.status < 400 else MEDIA_TYPE)


async def _publish(parts: Parts, values: Sequence[bytes | None], outcomes: Sequence[DecodedOutcome]) -> list[_Sent]:
    """Publish outcomes, and return when the broker has said of each what became of it, or time is out."""
    sent = [_Sent(outcome) for outcome in outcomes]
    for one in sent:
        value = values[one.outcome.index] or b""
        try:
            parts.publisher.send(parts.topic_outcomes, one.outcome.transaction_id, value, one.told)
        except StreamError as error:
            one.said = error
    loop = asyncio.get_running_loop()
    until = loop.time() + CONFIRM_SECONDS
    while any(one.said is None for one in sent) and loop.time() < until:
        parts.publisher.poll()
        await asyncio.sleep(0.002)
    return sent


async def _wait(parts: Parts, sent: Sequence[_Sent]) -> dict[bytes, Rank]:
    """Return the rank of the outcome that stands for each payment, once all are stored or time is out."""
    wanted = {one.outcome.transaction_id: one for one in sent if isinstance(one.said, Receipt)}
    standing: dict[bytes, Rank] = {}
    loop = asyncio.get_running_loop()
    until = loop.time() + STORE_SECONDS
    while wanted and loop.time() < until:
        found = await parts.reads.ask(partial(_ranks, names=list(wanted)))
        standing |= found
        wanted = {name: one for name, one in wanted.items() if found.get(name, (-1, -1, -1)) < one.rank}
        if wanted:
            await asyncio.sleep(_LOOK)
    return standing


def _ranks(door: Door, names: Sequence[bytes]) -> dict[bytes, Rank]:
    return door.outcome_ranks(names)


def _item(one: _Sent, standing: dict[bytes, Rank]) -> Item:
    if not isinstance(one.said, Receipt):
        problem = server_gone("kafka", "Expected Kafka's confirmation in time; post the outcome again, it counts once.")
        return Item(HTTPStatus.SERVICE_UNAVAILABLE, msgspec.Raw(problem.body))
    stands = standing.get(one.outcome.transaction_id, (-1, -1, -1))
    is_stored = stands >= one.rank
    answer = Accepted(
        status="STORED" if is_stored else "ACCEPTED",
        transaction_id=one.outcome.transaction_id.decode(),
        source=Source(*one.said),
        stands=stands == one.rank if is_stored else UNSET,
    )
    return Item(200 if is_stored else 202, msgspec.Raw(msgspec.json.encode(answer)))
