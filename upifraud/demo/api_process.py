"""The demo's API, with a key of its own, and a call of it that anybody can try.

The call is a what-if, and the key opens nothing that counts: a payment posted during the demo would be one more than
its account of what was sent and what was judged.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from local.ports import HOST
from upifraud.demo.program_process import ProgramProcess
from upifraud.local_api.call import command_of, write_call
from upifraud.local_api.offer import port_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stream.wire import Alert

SCOPES: Final = ("score:what-if", "verdicts:read", "entities:read")
PORT: Final = 8000
"""The API's own, where it is free."""
_READY_SECONDS: Final = 0.2


class ApiProcess(ProgramProcess):
    """One `upifraud api`; `curl -K FILE` calls it, with FILE made here."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "api")
        self._curl = directory / "curl"
        self.address = ""

    def start(self, environment: Mapping[str, str], like: Alert | None) -> None:
        """Start it with these settings; the call that can be tried is about a payment like that of an alert."""
        from stream.verdict_store.door import keys

        port = port_for(PORT)
        self.address = f"http://{HOST}:{port}"
        key = keys.create(environment["UPIFRAUD_POSTGRES_URL"], "demo", SCOPES).key
        write_call(self._curl, f"{self.address}/v1/score", key, _payment(like))
        self._start({**environment, "UPIFRAUD_API_HOST": HOST, "UPIFRAUD_API_PORT": str(port)})

    def is_ready(self) -> bool:
        """Whether it answers now."""
        return self._get(f"{self.address}/readyz", _READY_SECONDS) is not None

    def call(self) -> str:
        """Return the command that calls it."""
        return command_of(self._curl)

    def stop(self, seconds: float) -> int | None:
        """Let it drain and end, and remove the call, whose key opens nothing any more."""
        self._curl.unlink(missing_ok=True)
        return super().stop(seconds)


def _payment(like: Alert | None) -> dict[str, object]:
    """Return a payment by the parties of an alert, a second later; without one, of nobody who is known, now."""
    if like is None:
        parties = {"payer_vpa": "asha.rao@okaxis", "payee_vpa": "krishna.stores@ybl", "amount_paise": 124_300}
        return {"transaction_id": "what-if", "event_time": int(time.time() * 1_000), **parties}
    parties = {"payer_vpa": like.payer_vpa, "payee_vpa": like.payee_vpa, "amount_paise": like.amount_paise}
    moment = int(datetime.fromisoformat(like.event_time).timestamp() * 1_000) + 1_000
    return {"transaction_id": "what-if", "event_time": moment, **parties}
