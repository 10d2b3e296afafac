"""`python -m service.openapi [--check]`: write the OpenAPI document, or say that it is not what the routes say."""

from __future__ import annotations

import argparse
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.calls import entities, holds, verdicts
from service.door.problems import MEDIA_TYPE, TITLES, ProblemDetails
from service.routes import ROUTES
from stream import wire
from stream.schemas import examples

if TYPE_CHECKING:
    from service.routes import Route

FILE: Final = Path(__file__).with_name("openapi.json")
VERSION: Final = "1.0.0"
_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (400, 401, 403, 408, 429, 431, 500, 503)
"""What every call may answer."""
_EXAMPLES: Final[dict[Any, Any]] = {
    wire.Payment: examples.PAYMENT,
    wire.Outcome: examples.OUTCOME,
    verdicts.Search: verdicts.Search(payer_vpa=examples.PAYMENT.payer_vpa),
    entities.Lookup: entities.Lookup(kind="payer", id=examples.PAYMENT.payer_vpa, id_type="vpa"),
    holds.Why: holds.Why(reason="The customer confirmed it by phone."),
}


def document() -> dict[str, Any]:
    """Return the document."""
    types = dict.fromkeys(
        [
            ProblemDetails,
            *(route.takes for route in ROUTES if route.takes is not None),
            *(kind for route in ROUTES for kind in route.answers.values()),
        ]
    )
    _, schemas = msgspec.json.schema_components(list(types), ref_template=_REF)
    schemas["Item"] = {
        "title": "Item",
        "description": "The answer to one item of an array: what it would have got alone.",
        "type": "object",
        "properties": {"status": {"type": "integer"}, "body": {"type": "object"}},
        "required": ["status", "body"],
    }
    schemas["ProblemDetails"]["properties"]["reason"]["enum"] = sorted([*TITLES, "UNCONFIRMED"])
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for path, about in _PROBES.items():
        paths[path] = {"get": _probe(about)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "upi-fraud-stream",
            "version": VERSION,
            "description": "Fraud verdicts with exact reasons for every UPI payment. In words: docs/api.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "upifraud keys create"}},
        },
    }


_PROBES: Final = {
    "/health": "Say for people whether all is well.",
    "/healthz": "Say whether the process should be left running.",
    "/readyz": "Say whether calls should come here; it names the servers that are waited for.",
    "/metrics": "Show the meters, for Prometheus.",
}


def _operation(route: Route) -> dict[str, Any]:
    name = route.path.removeprefix("/v1/").replace("/{transaction_id}", "")
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}_{name}"),
        "summary": route.summary,
        "description": f"Scope: `{route.scope}`.",
        "parameters": [
            *(_path_parameter(name) for name in re.findall(r"{(\w+)}", route.path)),
            *({"name": name, "in": "query", "schema": dict(schema)} for name, schema in route.query),
        ],
        "responses": _responses(route),
    }
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: _body(route)}}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "example": examples.PAYMENT.transaction_id,
    }


def _body(route: Route) -> dict[str, Any]:
    one = {"$ref": _REF.format(name=route.takes.__name__)}
    example = {key: value for key, value in msgspec.to_builtins(_EXAMPLES[route.takes]).items() if value is not None}
    if route.most == 1:
        return {"schema": one, "example": example}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": route.most}
    return {
        "schema": {"oneOf": [one, many]},
        "examples": {"one": {"value": example}, "several": {"value": [example, {**example, "transaction_id": "AXB2"}]}},
    }


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in route.answers.items():
        schema: dict[str, Any] = {"$ref": _REF.format(name=kind.__name__)}
        if status == HTTPStatus.OK and route.most > 1:
            schema = {"oneOf": [schema, {"type": "array", "items": {"$ref": _REF.format(name="Item")}}]}
        media = _JSON if status < HTTPStatus.BAD_REQUEST else MEDIA_TYPE
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": {media: {"schema": schema}}}
    for status in sorted({*route.refusals, *_ALWAYS}):
        problem = {"$ref": _REF.format(name="ProblemDetails")}
        content = responses.get(str(status), {}).get("content", {}).get(MEDIA_TYPE)
        schema = {"anyOf": [content["schema"], problem]} if content else problem
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
    return dict(sorted(responses.items()))


def _probe(about: str) -> dict[str, Any]:
    answer = {"description": "OK"}
    return {
        "summary": about,
        "security": [],
        "responses": {"200": answer, "503": {"description": HTTPStatus.SERVICE_UNAVAILABLE.phrase}},
    }


def written() -> bytes:
    """Return the file's bytes."""
    return json.dumps(document(), indent=2, ensure_ascii=False).encode() + b"\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file where it differs; with --check write nothing and return 1 if it does."""
    parser = argparse.ArgumentParser(prog="python -m service.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the file is out of date")
    check = parser.parse_args(arguments).check
    wanted = written()
    if FILE.is_file() and FILE.read_bytes() == wanted:
        return 0
    if check:
        print(f"{FILE} is not what the routes say; run python -m service.openapi.", file=sys.stderr)
        return 1
    FILE.write_bytes(wanted)
    print(FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
