"""A call whose path is written out goes past the framework; everything else goes through it."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import Response

from service.direct import Direct


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [("POST", "/v1/payments", "call"), ("GET", "/v1/payments", "app"), ("POST", "/v1/payments/", "app")],
)
def test_only_the_very_method_and_path_go_directly(method: str, path: str, who: str) -> None:
    async def call(request) -> Response:
        return Response(f"call {await request.body()!r}")

    async def app(scope, receive, send) -> None:
        await Response("app")(scope, receive, send)

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    sent = []

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    asyncio.run(Direct({("POST", "/v1/payments"): call}, app)(scope, receive, send))
    assert sent[1]["body"].startswith(who.encode())
    assert (b"{}" in sent[1]["body"]) is (who == "call")


def test_the_beginning_and_end_of_the_process_are_the_app_s() -> None:
    heard = []

    async def app(scope, _receive, _send) -> None:
        heard.append(scope["type"])

    asyncio.run(Direct({}, app)({"type": "lifespan"}, None, None))
    assert heard == ["lifespan"]
