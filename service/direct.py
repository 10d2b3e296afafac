"""The shortest way to a call whose path is written out: past the framework's middlewares and its list of routes.

They do nothing for calls that bound their bodies and turn every failure into an answer themselves. All other paths go
through the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """An ASGI app before another one."""

    def __init__(self, calls: Mapping[tuple[str, str], Callable[[Request], Awaitable[Response]]], app: ASGIApp) -> None:
        """`calls`: by method and path."""
        self._calls = calls
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        call = self._calls.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        response = await call(Request(scope, receive, send))
        await response(scope, receive, send)
