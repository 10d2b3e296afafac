"""The Faust transport on confluent-kafka: one message a fetch, watermarks of its own, drained before it lets go.

docs/specs/transport.md says what it guarantees, and which of Faust's hazards each part removes. Names are imported when
they are used: Faust takes half a second, and a command that only wants `stream.transport.config` should not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faust.types import TP

    from stream.transport.fetch import Fetch, Slice
    from stream.transport.hooks import Hooks, NoHooks

__all__ = ["TP", "Fetch", "Hooks", "NoHooks", "Slice"]

_HOMES = {
    "TP": "faust.types",
    "Fetch": "stream.transport.fetch",
    "Slice": "stream.transport.fetch",
    "Hooks": "stream.transport.hooks",
    "NoHooks": "stream.transport.hooks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
