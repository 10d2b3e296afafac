"""The API as a server of the local stack: `upifraud api` in the background, with a key and a call to try it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar, Final

from local.ports import HOST
from local.record import write_private
from local.server import ProcessServer
from upifraud.local_api.call import command_of, write_call
from upifraud.local_api.key import development_key
from upifraud.local_api.offer import port_for
from upifraud.loopback import get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ANSWER_SECONDS: Final = 2.0
_DEADLINE_MS: Final = 1_000
"""Of the call to try: so long that a worker which has just been started is waited for."""
NO_SETTINGS: Final[Mapping[str, str]] = {}


class ApiServer(ProcessServer):
    """One `upifraud api` on loopback. It has no data, but a key, which goes when the stack is wiped."""

    name: ClassVar[str] = "api"
    start_seconds: ClassVar[float] = 300
    """The first start of all compiles kernels, on a machine that may be busy with a worker that does the same."""
    stop_seconds: ClassVar[float] = 40
    """Twice what calls that were begun may take to end."""

    def __init__(
        self,
        directory: Path,
        addresses: Mapping[str, str] = NO_SETTINGS,
        environ: Mapping[str, str] = NO_SETTINGS,
        wanted_port: int = 0,
    ) -> None:
        """Of a directory. What it is started with: the settings that lead to the servers, and all others."""
        super().__init__(directory)
        self.data = directory
        self.key_file = directory / "key"
        self._call_file = directory / "curl"
        self._started_with = directory / "env"
        self._addresses = addresses
        self._environ = environ
        self._wanted_port = wanted_port

    @property
    def address(self) -> str:
        """The API's URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def is_on_others(self) -> bool:
        """Whether it runs and was started on servers with other addresses than those that it was given now."""
        return self.running and (
            not self._started_with.exists() or self._started_with.read_text() != _lines(self._addresses)
        )

    def start(self) -> None:
        """Return when it answers, with a call that can be tried; one that runs on the same servers is left alone."""
        if self.is_on_others:
            self.stop()
        if not self.running:
            # Where nothing runs, the port that is wanted comes first: it is the one that people know.
            self._port = port_for(self._wanted_port, self._last_port())
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = development_key(self.key_file, self._addresses["UPIFRAUD_POSTGRES_URL"])
        super().start()
        write_call(self._call_file, f"{self.address}/v1/payments?deadline_ms={_DEADLINE_MS}", key, _payment())

    def problem(self) -> str | None:
        """Ask whether it takes calls."""
        answer = get(f"{self.address}/readyz", _ANSWER_SECONDS)
        return None if answer is not None else f"{self.address}/readyz does not answer with 200"

    def call(self) -> str:
        """Return the command that posts a payment."""
        return command_of(self._call_file)

    def _last_port(self) -> int | None:
        return int(self._port_file.read_text()) if self._port_file.exists() else None

    def _prepare(self) -> None:
        # Before it starts: should `up` be killed meanwhile, the next one finds where it is.
        self._port_file.write_text(f"{self.port}\n")
        write_private(self._started_with, _lines(self._addresses))

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "upifraud", "api"]

    def _environment(self) -> dict[str, str]:
        given = {**self._addresses, "UPIFRAUD_API_HOST": HOST, "UPIFRAUD_API_PORT": str(self.port)}
        # Of a setting and a file that holds it, only one may be there.
        others = {name: value for name, value in self._environ.items() if name.removesuffix("_FILE") not in given}
        return {**others, **given}


def _lines(addresses: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in addresses.items())


def _payment() -> dict[str, object]:
    """Return a payment that is made now, by nobody who is known."""
    now = int(time.time() * 1_000)
    parties = {"payer_vpa": "asha.rao@okaxis", "payee_vpa": "krishna.stores@ybl", "amount_paise": 124_300}
    return {"transaction_id": f"first-call-{now}", "event_time": now, **parties, "flow": "P2M", "type": "PAY"}
