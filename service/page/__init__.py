"""/docs and /openapi.json: files that are served as they are, with a policy under which nothing else is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

HERE: Final = Path(__file__).parent
OPENAPI: Final = HERE.parent / "openapi.json"

HEADERS: Final = {
    # Swagger UI sets styles on its elements, and draws its icons as data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FILES: Final = {
    "/docs": (HERE / "index.html", "text/html"),
    "/docs/start.js": (HERE / "start.js", "text/javascript"),
    "/docs/swagger-ui-bundle.js": (HERE / "swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": (HERE / "swagger-ui.css", "text/css"),
    "/openapi.json": (OPENAPI, "application/json"),
}


def file_at(path: str) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with the file of a path."""
    file, media_type = FILES[path]

    async def answer(_request: Request) -> Response:
        return Response(file.read_bytes(), headers=HEADERS, media_type=media_type)

    return answer
