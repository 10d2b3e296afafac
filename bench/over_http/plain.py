"""The plain handler that people write: FastAPI with pydantic bodies, sorted sets, predict_proba, shap, an INSERT.

`python -m bench.over_http.plain --port N` serves it by uvicorn in one process, with the settings of the environment. As
the frameworks' documentation has it: asynchronous clients, one connection each, every effect awaited before the answer.
A body may be an array; then its payments are done one after the other. It measures the windows of bench/peers, which
are the worker's, and answers each payment with its verdict and the five largest contributions.
"""

from __future__ import annotations

import argparse
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import redis.asyncio
from fastapi import FastAPI
from pydantic import BaseModel, Field

from bench.peers import sorted_sets
from bench.peers.database import Database
from bench.peers.payment import payment_of
from bench.peers.scoring import SklearnAndShap
from bench.peers.vector import vector
from bench.peers.verdict import PAYER_COUNT, VerdictRow
from features.columns import FeatureState
from features.schema import FEATURE_NAMES, SCHEMA_HASH
from model.artifact import DEFAULT_DIR, load
from model.verdict import Verdict
from stream.settings import read_settings
from stream.verdict_store import VerdictStore
from upifraud.worker import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.peers.scoring import Judged
    from model.artifact import Artifact
    from stream.settings import Settings

REASONS = 5


class PaymentIn(BaseModel):
    """A payment as it is posted."""

    transaction_id: str = Field(min_length=1, max_length=64)
    event_time: int | datetime
    payer_vpa: str = Field(pattern=r"^[^@]+@[^@]+$")
    payee_vpa: str = Field(pattern=r"^[^@]+@[^@]+$")
    amount_paise: int = Field(gt=0)
    device_id: str | None = None
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    flow: str | None = None
    type: str | None = None
    initiation: str | None = None
    device_bound_at: int | datetime | None = None
    sim_changed_at: int | datetime | None = None
    payer_bank: str | None = None
    payee_bank: str | None = None


class ReasonOut(BaseModel):
    """Why, in part."""

    feature: str
    value: float | None
    contribution: float


class VerdictOut(BaseModel):
    """What a payment got."""

    transaction_id: str
    event_time: int
    decided_at: datetime
    payer_vpa: str
    payee_vpa: str
    amount_paise: int
    verdict: str
    score: float
    margin: float
    base_value: float
    feature_state: str
    model_id: str
    reasons: list[ReasonOut]


class Handler:
    """Its clients and its model."""

    def __init__(self, settings: Settings) -> None:
        directory = settings.model_dir or DEFAULT_DIR
        self._artifact: Artifact = load(directory, schema_hash=SCHEMA_HASH)
        store = VerdictStore(settings.postgres_url)
        try:
            self._model_key = store.model_key(described(self._artifact))
        finally:
            store.close()
        self._scoring = SklearnAndShap(directory, self._artifact)
        self._scoring.judge(np.zeros(len(FEATURE_NAMES), dtype=np.float32))
        self._redis = redis.asyncio.Redis.from_url(settings.redis_url, decode_responses=True)
        self._database = Database(settings.postgres_url)

    async def decide(self, posted: PaymentIn) -> VerdictOut:
        """Measure, score, explain and store one payment."""
        values = posted.model_dump()
        for name in ("event_time", "device_bound_at", "sim_changed_at"):
            if isinstance(values[name], datetime):
                values[name] = int(values[name].timestamp() * 1000)
        payment = payment_of(values)
        async with self._redis.pipeline(transaction=False) as pipeline:
            sorted_sets.ask(pipeline, payment)
            replies = await pipeline.execute()
        history, _ = sorted_sets.answer(payment, replies)
        measured = vector(payment, history)
        judged = self._scoring.judge(measured)
        state = FeatureState.COLD if measured[PAYER_COUNT] == 1 else FeatureState.FULL
        answer = self._answer(_Decided(payment, measured, judged, state))
        is_alert = judged.verdict != Verdict.ALLOW
        await self._database.insert(
            VerdictRow(
                payment.transaction_id, datetime.fromtimestamp(payment.event_time / 1000, UTC), answer.decided_at,
                payment.payer, payment.payee, payment.amount, judged.verdict, judged.score, judged.margin, state,
                self._model_key, measured.tobytes(), 0, 0, answer.model_dump_json().encode() if is_alert else None,
            )
        )  # fmt: skip
        return answer

    def _answer(self, one: _Decided) -> VerdictOut:
        contributions = one.judged.contributions
        largest = np.argsort(-np.abs(contributions))[:REASONS].tolist()
        values = one.vector.tolist()
        return VerdictOut(
            transaction_id=one.payment.transaction_id,
            event_time=one.payment.event_time,
            decided_at=datetime.now(UTC),
            payer_vpa=one.payment.payer,
            payee_vpa=one.payment.payee,
            amount_paise=one.payment.amount,
            verdict=Verdict(one.judged.verdict).name,
            score=one.judged.score,
            margin=one.judged.margin,
            base_value=self._artifact.base_value,
            feature_state=one.state.name,
            model_id=self._artifact.model_id,
            reasons=[
                ReasonOut(
                    feature=FEATURE_NAMES[index],
                    value=None if np.isnan(values[index]) else values[index],
                    contribution=float(contributions[index]),
                )
                for index in largest
            ],
        )

    async def close(self) -> None:
        """Let go of the servers."""
        await self._redis.aclose()
        await self._database.close()


class _Decided(NamedTuple):
    payment: Any
    vector: Any
    judged: Judged
    state: FeatureState


def make_app(settings: Settings) -> FastAPI:
    """Return the app."""
    handlers: list[Handler] = []

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        handlers.append(Handler(settings))
        yield
        await handlers[0].close()

    app = FastAPI(lifespan=life)

    @app.post("/v1/payments")
    async def post(posted: PaymentIn) -> VerdictOut:
        return await handlers[0].decide(posted)

    @app.post("/v1/payments/many")
    async def post_many(posted: list[PaymentIn]) -> list[VerdictOut]:
        return [await handlers[0].decide(one) for one in posted]

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    """Serve until SIGTERM."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m bench.over_http.plain", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(make_app(read_settings(os.environ)), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
