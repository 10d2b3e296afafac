"""Windows as sorted sets, the way Redis' own documentation has them: event time as score, one set an entity.

One pipeline a payment: add, drop what is older than 30 days, read the 30 days back. Adding a member again changes
nothing, so redelivery is harmless. Beside the sets: when an entity was first seen, the outcome reports, and which
parties a payment had, since an outcome names only the payment. Works with `redis` and with `redis.asyncio`, whose
pipelines take the same calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.peers.vector import History, Report, Seen, Sent
from features.windows import HOUR, LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.payment import Outcome, Payment

EXPIRY_MS = LONGEST + 24 * HOUR


def ask(pipeline: Any, p: Payment) -> None:
    """Put the commands of one payment into a pipeline."""
    now, old = p.event_time, p.event_time - LONGEST
    entities = [
        (f"payer:{p.payer}", f"{p.amount} {p.payee} {p.place} {p.transaction_id}"),
        (f"payee:{p.payee}", f"{p.payer} {p.amount} {p.transaction_id}"),
    ]
    if p.device is not None:
        entities.append((f"device:{p.device}", f"{p.payer} {p.transaction_id}"))
    for key, member in entities:
        pipeline.zadd(key, {member: now})
        pipeline.zremrangebyscore(key, "-inf", old)
        pipeline.zrangebyscore(key, f"({old}", now, withscores=True)
        pipeline.pexpire(key, EXPIRY_MS)
        pipeline.set(f"first:{key}", now, nx=True, px=EXPIRY_MS)
        pipeline.get(f"first:{key}")
        pipeline.zrangebyscore(f"reports:{key}", "-inf", now, withscores=True)
    pipeline.zrangebyscore(f"payer:{p.payee}", f"({old}", now, withscores=True)
    pipeline.zrangebyscore(f"payee:{p.payer}", f"({now - HOUR}", now)
    pipeline.hset(f"payment:{p.transaction_id}", mapping={"payee": p.payee, "device": p.device or ""})
    pipeline.pexpire(f"payment:{p.transaction_id}", EXPIRY_MS)
    pipeline.lrange(f"early:{p.transaction_id}", 0, -1)


def answer(p: Payment, replies: Sequence[Any]) -> tuple[History, list[Outcome]]:
    """Return what the replies to `ask` say, and outcomes that had come before their payment."""
    from bench.peers.payment import Outcome

    payer, payee = replies[2], replies[9]
    device, device_first, device_reports = ((), None, ()) if p.device is None else (replies[16], *replies[19:21])
    paid_out, received, early = replies[-5], replies[-4], replies[-1]
    history = History(
        sent=[_sent(member, score) for member, score in payer],
        payee=[_paid(member, score) for member, score in payee],
        device=[Seen(int(score), member.split(" ", 1)[0]) for member, score in device],
        received=[int(member.split(" ", 2)[1]) for member in received],
        paid_out=[_sent(member, score) for member, score in paid_out],
        payer_first=int(replies[5]),
        payee_first=int(replies[12]),
        device_first=None if device_first is None else int(device_first),
        payee_reports=_reports(replies[13]),
        device_reports=_reports(device_reports),
    )
    outcomes = [Outcome(p.transaction_id, kind == "FRAUD", int(time)) for kind, time in map(str.split, early)]
    return history, outcomes


def parties_key(outcome: Outcome) -> str:
    """Return the key of a payment's parties, a hash of `payee` and `device`."""
    return f"payment:{outcome.transaction_id}"


def report(pipeline: Any, outcome: Outcome, payee: str | None, device: str | None) -> None:
    """Put the commands of one outcome into a pipeline; without parties it waits for its payment."""
    kind = "FRAUD" if outcome.is_fraud else "GENUINE"
    if payee is None:
        pipeline.rpush(f"early:{outcome.transaction_id}", f"{kind} {outcome.reported_at}")
        pipeline.pexpire(f"early:{outcome.transaction_id}", EXPIRY_MS)
        return
    for key in (f"payee:{payee}", *([f"device:{device}"] if device else [])):
        pipeline.zadd(f"reports:{key}", {f"{kind} {outcome.transaction_id}": outcome.reported_at})
        pipeline.pexpire(f"reports:{key}", EXPIRY_MS)


def _sent(member: str, score: float) -> Sent:
    amount, payee, place, transaction_id = member.split(" ", 3)
    return Sent(int(score), int(amount), payee, int(place), transaction_id)


def _paid(member: str, score: float) -> Seen:
    payer, amount, _ = member.split(" ", 2)
    return Seen(int(score), payer, int(amount))


def _reports(found: Sequence[tuple[str, float]]) -> list[Report]:
    return [
        Report(int(score), transaction_id, kind == "FRAUD")
        for member, score in found
        for kind, transaction_id in [member.split(" ", 1)]
    ]
