"""GET /v1/verdicts/ID and POST /v1/verdicts/search: what is stored, and by whom it can be found."""

from __future__ import annotations

import base64
import binascii
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from model.verdict import Verdict
from service.calls.explained import contributions_of, features_of, written
from service.calls.payments import JSON
from service.calls.times import epoch_ms
from service.door import bodies
from service.door.problems import Problem, unprocessable
from stream.verdict_store.door import AccessLine, Cursor, Period, Wanted
from stream.wire import Alert, EpochMs, Rfc3339, Rrn, Text, VerdictName, Vpa, utc_time

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.calls.parts import Parts
    from stream.verdict_store.door import ApiKey, Newest
    from stream.verdict_store.door.asked import Kind

DAYS_MS: Final = 31 * 86_400_000
"""What is searched where no `since` is given."""
_KINDS: Final[dict[str, Kind]] = {
    "rrn": "rrn",
    "payer_vpa": "payer_vpa",
    "payee_vpa": "payee_vpa",
    "device_id": "device",
    "payer_account": "payer_account",
    "payee_account": "payee_account",
}


class Search(Struct, frozen=True, kw_only=True):
    """What to search by: one of the first six, and the period and verdict to keep to."""

    rrn: Annotated[str, Meta(pattern="^[0-9]{1,12}$")] | Rrn | None = None
    payer_vpa: Vpa | None = None
    payee_vpa: Vpa | None = None
    device_id: Text | None = None
    payer_account: Text | None = None
    payee_account: Text | None = None
    since: Annotated[EpochMs | Rfc3339 | None, Meta(description="Least event_time; by default 31 days ago.")] = None
    until: Annotated[EpochMs | Rfc3339 | None, Meta(description="Behind the greatest event_time.")] = None
    verdict: VerdictName | None = None
    cursor: Annotated[str | None, Meta(description="That of the answer before, to go on.")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 100


class Found(Struct, frozen=True, kw_only=True):
    """What was found, latest first."""

    verdicts: tuple[Alert, ...]
    cursor: Annotated[str | None, Meta(description="Null where there is no more.")]
    partial: Annotated[bool, Meta(description="Whether time ran out: there may be more on days without an index.")]


async def get(parts: Parts, request: Request, _key: ApiKey) -> Response:
    """Answer with the newest record of an id."""
    explain = request.query_params.get("explain")
    if explain not in (None, "all"):
        raise unprocessable("out-of-range", "explain: expected all, or no such parameter")
    transaction_id: str = request.path_params["transaction_id"]
    newest = await parts.reads.ask(lambda door: door.newest(transaction_id))
    if newest is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-such-verdict",
            "Expected the id of a payment that has its verdict, spelled as it came. One that was answered with 202 a "
            "moment ago has it soon; one that the stream refused is on the topic of dead letters.",
        )
    body = await parts.reads.run(lambda: _record(parts, newest, is_all=explain == "all"))
    return Response(body, 200, media_type=JSON)


def _record(parts: Parts, newest: Newest, *, is_all: bool) -> bytes:
    (explained,) = parts.records.explained([newest.record])
    more: dict[str, Any] = {}
    if newest.earlier:
        more["earlier"] = [utc_time(at) for at in newest.earlier]
    if is_all:
        names = explained.artifact.feature_names
        more["features"] = features_of(names, newest.record.vector)
        more["contributions"] = contributions_of(names, explained.contributions)
    return written(explained.record, **more)


async def search(parts: Parts, request: Request, key: ApiKey) -> Response:
    """Answer with the verdicts of an RRN, a party, a device or an account."""
    asked: Search = bodies.parsed(await bodies.read(request, bodies.SMALL), Search)
    kind, wanted, hashed = _wanted(parts, asked)
    now_ms = int(time.time() * 1000)
    until = now_ms + DAYS_MS if asked.until is None else epoch_ms(asked.until, "until")
    since = min(until, now_ms) - DAYS_MS if asked.since is None else epoch_ms(asked.since, "since")
    if since >= until:
        raise unprocessable("out-of-range", "since: expected a time before until")
    period = Period(since, until, None if asked.verdict is None else Verdict[asked.verdict].value)
    cursor = None if asked.cursor is None else _cursor(asked.cursor)
    found = await parts.reads.ask(lambda door: door.search(wanted, period, cursor=cursor, limit=asked.limit))
    outcome = "partial" if found.partial else "found" if found.records else "none"
    line = AccessLine(now_ms, key.key_id, f"search:{kind}", len(found.records), hashed, outcome)
    await parts.access.noted(line)
    explained = await parts.reads.run(lambda: parts.records.explained(found.records))
    answer = Found(
        verdicts=tuple(one.record for one in explained),
        cursor=None if found.cursor is None else _written_cursor(found.cursor),
        partial=found.partial,
    )
    return Response(msgspec.json.encode(answer), 200, media_type=JSON)


def _wanted(parts: Parts, asked: Search) -> tuple[str, Wanted, bytes]:
    """Return what is searched by, and its keyed hash for the access log; raises Problem unless it is one thing."""
    given = [(name, getattr(asked, name)) for name in _KINDS if getattr(asked, name) is not None]
    if len(given) != 1:
        raise unprocessable("missing-field", f"Expected one of {', '.join(_KINDS)}, got {len(given)} of them.")
    name, value = given[0]
    text = str(value).lower() if name in ("payer_vpa", "payee_vpa") else str(value)
    (hashed,) = parts.identities.hash([text.encode()])
    if name == "rrn":
        wanted = Wanted("rrn", int(value))
    elif name in ("payer_vpa", "payee_vpa"):
        wanted = Wanted(_KINDS[name], text.encode())
    else:
        wanted = Wanted(_KINDS[name], int(hashed))
    return name, wanted, hashed.tobytes()


def _written_cursor(cursor: Cursor) -> str:
    packed = msgspec.json.encode([cursor.event_time, cursor.transaction_id])
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _cursor(text: str) -> Cursor:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        event_time, transaction_id = msgspec.json.decode(packed, type=tuple[EpochMs, str])
        return Cursor(event_time, transaction_id)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise unprocessable("out-of-range", "cursor: expected that of an answer before") from None
