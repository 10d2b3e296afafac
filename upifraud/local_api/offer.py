"""Whether the API can be started here, and on which port."""

from __future__ import annotations

import importlib.util
from typing import Final

from local.ports import free_port, is_free

NEEDED: Final = ("fastapi", "uvicorn", "uvloop")
HOW_TO_INSTALL: Final = "pip install 'upi-fraud-stream[api]'"


def is_installed() -> bool:
    """Whether this installation has what the API needs besides."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def port_for(*wanted: int | None) -> int:
    """Return the first of some loopback ports that is free; else any that is. 0 and None stand for any."""
    return next((port for port in wanted if port and is_free(port)), None) or free_port()
