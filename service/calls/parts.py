"""What the calls are made of; put together once a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.identity import Identities
    from service.calls.what_if import WhatIfs
    from service.door.access import AccessLog
    from service.door.keys import Keys
    from service.servers import Servers
    from service.waiting.waiters import Waiters


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a call may need."""

    identities: Identities
    earliest_ms: int
    """As UPIFRAUD_EARLIEST_TIME says it."""
    keys: Keys
    access: AccessLog
    servers: Servers
    waiters: Waiters
    what_ifs: WhatIfs
