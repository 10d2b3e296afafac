"""Starts the API on a stack, and says what happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack import Stack
    from upifraud.local_api.server import ApiServer


def start_api(stack: Stack, api: ApiServer, wanted_port: int, say: Callable[[str], None]) -> None:
    """Return when the API answers: it is started where it does not run, or runs on servers that this stack has left."""
    if api.is_on_others:
        say("api: runs on other servers than the stack has now; it ends, and starts on these")
    elif not api.running:
        say("api: starting; the first start of all compiles its kernels, for half a minute to two")
    stack.start_program(api)
    if wanted_port and api.port != wanted_port:
        say(f"api: somebody else has port {wanted_port}, so it has {api.port}")
    key_file = os.path.relpath(api.key_file)
    say(f"api: {api.address}, all calls at {api.address}/docs; its key for development is in {key_file}")
