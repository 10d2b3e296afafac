"""The app: each route with its door in front, and every refusal as application/problem+json."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service import page
from service.door import meters
from service.door.problems import Problem
from service.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request

    from service.calls.parts import Parts
    from service.door.probes import Probes
    from service.routes import Route

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOWHERE = "(none)"
"""The route on the meter of a request that no route takes: a path is the caller's word."""


def make_app(
    parts_of: Callable[[], Parts],
    probes_of: Callable[[], Probes],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """Return the app; parts and probes are asked for when the first request comes."""
    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for route in ROUTES:
        app.add_route(_path(route.path), _with_door(route, parts_of), methods=[route.method])
    for path in ("health", "healthz", "readyz", "metrics"):
        app.add_route(f"/{path}", _probe(path, probes_of), methods=["GET"])
    for path in page.FILES:
        app.add_route(path, page.file_at(path), methods=["GET"])
    app.add_exception_handler(HTTPException, _nowhere)
    return app


def _path(declared: str) -> str:
    """Let an id have slashes: in the path it is percent-encoded, and routes see it decoded."""
    return declared.replace("{transaction_id}", "{transaction_id:path}")


def _with_door(route: Route, parts_of: Callable[[], Parts]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        parts = parts_of()
        try:
            key = await parts.keys.admit(request, route.scope)
            response = await route.call(parts, request, key)
        except Problem as problem:
            response = problem.response()
        except ClientDisconnect:
            response = Response(status_code=499)  # nobody reads it
        except Exception:
            log.exception("A call of %s failed", route.path)
            response = Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "It failed here; the API's own log says why."
            ).response()
        meters.observe(route.path, route.method, response.status_code, time.perf_counter() - began)
        return response

    return answer


def _probe(name: str, probes_of: Callable[[], Probes]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        probes = probes_of()
        asked = {"health": probes.health, "healthz": probes.live, "readyz": probes.ready, "metrics": probes.metrics}
        return await asked[name](request)

    return answer


async def _nowhere(request: Request, error: Any) -> Response:
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        problem = Problem(status, "method-not-allowed", f"Expected {allowed} here.", headers=error.headers)
    else:
        problem = Problem(HTTPStatus.NOT_FOUND, "not-found", "Expected a path that /openapi.json lists.")
    meters.observe(NOWHERE, request.method if request.method in METHODS else "other", problem.status, 0.0)
    return problem.response()
