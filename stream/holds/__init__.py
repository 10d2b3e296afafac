"""Holds that end: by a person, or of themselves, once and for good; docs/holds.md.

`decide` ends one for a person. `Outbox` ends those whose time has come, and brings every resolution to its topic.
"""

from stream.holds.decide import HoldStore, decide
from stream.holds.errors import HoldEndedError, HoldError, NoSuchHoldError, OtherActionError
from stream.holds.memory import MemoryHolds
from stream.holds.outbox import Outbox, show
from stream.holds.postgres import PostgresHolds
from stream.holds.records import Action, Cause, Decided, Hold

__all__ = [
    "Action",
    "Cause",
    "Decided",
    "Hold",
    "HoldEndedError",
    "HoldError",
    "HoldStore",
    "MemoryHolds",
    "NoSuchHoldError",
    "OtherActionError",
    "Outbox",
    "PostgresHolds",
    "decide",
    "show",
]
