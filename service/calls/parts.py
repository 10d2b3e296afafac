"""What the calls are made of; put together once a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.identity import Identities
    from service.calls.reads import Reads
    from service.calls.what_if import WhatIfs
    from service.door.access import AccessLog
    from service.door.keys import Keys
    from service.servers import Servers
    from service.waiting.asked import Taking
    from service.waiting.records import Records
    from service.waiting.waiters import Waiters
    from stream.holds import Action, HoldStore
    from stream.kafka.receipts import Publishing


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a call may need."""

    identities: Identities
    earliest_ms: int
    """As UPIFRAUD_EARLIEST_TIME says it."""
    taking: Taking
    keys: Keys
    access: AccessLog
    servers: Servers
    waiters: Waiters
    what_ifs: WhatIfs
    records: Records
    reads: Reads
    holds: HoldStore
    hold_expiry: Action
    publisher: Publishing
    topic_outcomes: str
