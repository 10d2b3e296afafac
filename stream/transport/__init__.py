"""The Faust transport on confluent-kafka: one message a fetch, watermarks of its own, drained before it lets go.

docs/specs/transport.md says what it guarantees, and which of Faust's hazards each part removes.
"""

from __future__ import annotations

from faust.types import TP

from stream.transport.fetch import Fetch, Slice
from stream.transport.hooks import Hooks, NoHooks

__all__ = ["TP", "Fetch", "Hooks", "NoHooks", "Slice"]
