"""POST /v1/entities/lookup: what the logs say of a payer, a payee or a device as of now."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from features.entities import KINDS
from service.calls.payments import JSON
from service.door import bodies
from service.door.problems import unprocessable
from stream.facts import unpack
from stream.verdict_store.door import AccessLine, Period, Wanted
from stream.wire import MAX_VPA, UtcTime, utc_time

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.calls.parts import Parts
    from stream.verdict_store.door import ApiKey
    from stream.verdict_store.door.asked import Kind

_KINDS: Final = {kind.name: kind for kind in KINDS}
_MOST: Final = 1024
_LATELY_MS: Final = 31 * 86_400_000
_SIDES: Final[dict[str, Kind]] = {"payer": "payer_vpa", "payee": "payee_vpa"}

IdType = Literal["vpa", "account", "device"]


class Lookup(Struct, frozen=True, kw_only=True):
    """Whom to look up."""

    kind: Literal["payer", "payee", "device"]
    id: Annotated[str, Meta(min_length=1, max_length=_MOST, examples=["asha.rao@okaxis"])]
    id_type: Annotated[
        IdType | None, Meta(description="By default device for a device, else vpa.", examples=["vpa"])
    ] = None


class Windows(Struct, frozen=True, kw_only=True):
    """What the logs say of an entity."""

    kind: str
    as_of: UtcTime
    known: Annotated[bool, Meta(description="Whether there is a payment of it in the logs.")]
    windows: Annotated[dict[str, float | None], Meta(description="By feature name; null where it is missing.")]
    payments: Annotated[int, Meta(ge=0, description="Payments ever logged.")]
    folded: Annotated[bool, Meta(description="Whether windows beyond 5 minutes move in steps.")]
    first_seen: UtcTime | None
    last_seen: UtcTime | None


async def lookup(parts: Parts, request: Request, key: ApiKey) -> Response:
    """Answer with an entity's windows."""
    asked: Lookup = bodies.parsed(await bodies.read(request, bodies.SMALL), Lookup)
    identity = await _identity(parts, asked)
    now_ms = int(time.time() * 1000)
    found = await parts.what_ifs.windows(_KINDS[asked.kind], identity, now_ms)
    outcome = "found" if found.records else "none"
    hashed = identity.to_bytes(8, "little")
    await parts.access.noted(AccessLine(now_ms, key.key_id, f"entity:{asked.kind}", found.records, hashed, outcome))
    answer = Windows(
        kind=asked.kind,
        as_of=utc_time(now_ms),
        known=found.records > 0,
        windows={name: None if math.isnan(value) else value for name, value in found.values.items()},
        payments=found.records,
        folded=found.folded,
        first_seen=None if found.first_seen is None else utc_time(found.first_seen),
        last_seen=None if found.last_seen is None else utc_time(found.last_seen),
    )
    return Response(msgspec.json.encode(answer), 200, media_type=JSON)


async def _identity(parts: Parts, asked: Lookup) -> int:
    """Return the hash under which the logs of an entity are kept; raises Problem where its id is of another kind."""
    id_type = asked.id_type or ("device" if asked.kind == "device" else "vpa")
    if (id_type == "device") != (asked.kind == "device"):
        raise unprocessable("out-of-range", "id_type: expected device for a device, and vpa or account for the others")
    by_account = parts.identities.by_account
    if id_type == "account" and not by_account:
        raise unprocessable("out-of-range", "id_type: expected vpa, for logs are kept by VPA here")
    if id_type == "vpa" and (asked.id.count("@") != 1 or len(asked.id) > MAX_VPA):
        raise unprocessable("bad-vpa", "id: expected a VPA, name@handle")
    text = asked.id.lower() if id_type == "vpa" else asked.id
    own = int(parts.identities.hash([text.encode(errors="replace")])[0])
    if id_type == "vpa" and by_account:
        return await _account_of(parts, "payer" if asked.kind == "payer" else "payee", text) or own
    return own


async def _account_of(parts: Parts, side: Literal["payer", "payee"], vpa: str) -> int | None:
    """Return the hash of a VPA's account as its latest payment of a month has it; None where it has none."""
    now_ms = int(time.time() * 1000)
    wanted = Wanted(_SIDES[side], vpa.encode(errors="replace"))
    period = Period(now_ms - _LATELY_MS, now_ms + _LATELY_MS)
    found = await parts.reads.ask(lambda door: door.search(wanted, period, limit=1))
    account = unpack(found.records[0].facts).get(f"{side}_account") if found.records else None
    return int(account["hash"], 16) if account else None
