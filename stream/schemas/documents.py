"""The generated documents: a JSON Schema (draft 2020-12) for every message, and AsyncAPI 3.0 for the topics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from stream import wire
from stream.schemas import examples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from msgspec import Struct

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSION: Final = "1.1.0"
"""Of the messages. A field more raises the second number; one retyped, renamed or gone, the first."""

_SCHEMAS: Final[Mapping[str, Struct]] = {
    "payment": examples.PAYMENT,
    "outcome": examples.OUTCOME,
    "alert": examples.ALERT,
    "resolution": examples.RESOLUTION,
    "dead-letter-headers": examples.DEAD_LETTER,
}
_VPA_KEY: Final = {"type": "string", "description": "payer_vpa; a wrong or missing key is expected and harmless."}
_ID_KEY: Final = {"type": "string", "description": "transaction_id; a wrong or missing key is expected and harmless."}
_ORIGINAL_KEY: Final = {"description": "The original's key, whatever it is."}
_LENIENT: Final = (
    "What is accepted is wider than the schema: extra fields are ignored, and an optional field of a wrong type or "
    "with an unknown value counts as unknown. An integer with a fraction (100.0) is no integer."
)


def documents() -> dict[str, bytes]:
    """Return every generated file by its name, as the bytes it must have."""
    files = {f"{name}.schema.json": _schema(name, example) for name, example in _SCHEMAS.items()}
    return {name: _written(document) for name, document in {**files, "asyncapi.json": _asyncapi()}.items()}


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _schema(name: str, example: Struct) -> dict[str, Any]:
    (root,), components = msgspec.json.schema_components([type(example)], ref_template="#/$defs/{name}")
    message = components.pop(root["$ref"].rpartition("/")[2])
    document = {"$schema": DRAFT, "$id": f"urn:upi-fraud-stream:{name}:{VERSION}", **message}
    document["examples"] = [msgspec.to_builtins(example)]
    return document | ({"$defs": components} if components else {})


def _asyncapi() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(
        [type(example) for example in _SCHEMAS.values()], ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "upi-fraud-stream",
            "version": VERSION,
            "description": "Fraud verdicts with exact reasons for every UPI payment. The rules in words: "
            "docs/specs/messages.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "transactions": _channel(wire.TRANSACTIONS, "payment", "Payments, as the switch publishes them."),
            "outcomes": _channel(wire.OUTCOMES, "outcome", "What case systems found out about payments."),
            "alerts": _channel(wire.ALERTS, "alert", "Every verdict but ALLOW; all of them if so configured."),
            "resolutions": _channel(wire.RESOLUTIONS, "resolution", "How HOLDs ended: one at most for each."),
            "transactionsDeadLetter": _channel(
                wire.TRANSACTIONS_DEAD_LETTER, "deadLetter", "Records of transactions that are no payments."
            ),
            "outcomesDeadLetter": _channel(
                wire.OUTCOMES_DEAD_LETTER, "deadLetter", "Records of outcomes that are no outcomes."
            ),
        },
        "operations": {
            "consumePayments": _operation("receive", "transactions", "payment"),
            "consumeOutcomes": _operation("receive", "outcomes", "outcome"),
            "raiseAlerts": _operation("send", "alerts", "alert"),
            "endHolds": _operation("send", "resolutions", "resolution"),
            "buryPayments": _operation("send", "transactionsDeadLetter", "deadLetter"),
            "buryOutcomes": _operation("send", "outcomesDeadLetter", "deadLetter"),
        },
        "components": {
            "messages": {
                "payment": _message("Payment", examples.PAYMENT, _VPA_KEY, _LENIENT),
                "outcome": _message("Outcome", examples.OUTCOME, _ID_KEY, _LENIENT),
                "alert": _message(
                    "Alert",
                    examples.ALERT,
                    {"type": "string", "description": "payer_vpa in lower case."},
                    "Delivered at least once: one with an alert_id that was seen before is identical.",
                ),
                "resolution": _message(
                    "Resolution",
                    examples.RESOLUTION,
                    {"type": "string", "description": "transaction_id."},
                    "Delivered at least once: one of a payment that was seen before is identical.",
                ),
                "deadLetter": _dead_letter(),
            },
            "schemas": schemas,
        },
    }


def _channel(topic: str, message: str, about: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": about,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, channel: str, message: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _message(name: str, example: Struct, key: Mapping[str, Any], about: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": "application/json",
        "description": about,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "examples": [{"payload": msgspec.to_builtins(example)}],
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "DeadLetter",
        "contentType": "application/octet-stream",
        "description": "The original bytes, key and headers; ours stand behind the original's, as UTF-8 text.",
        "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
        "payload": {"description": "The original's value, whatever bytes it has; null for a tombstone."},
        "examples": [{"headers": msgspec.to_builtins(examples.DEAD_LETTER)}],
        "bindings": {"kafka": {"key": _ORIGINAL_KEY, "bindingVersion": "0.5.0"}},
    }
