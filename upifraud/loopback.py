"""Questions over HTTP to a server of this machine."""

from __future__ import annotations

from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_open: Final = build_opener(ProxyHandler({})).open  # loopback, whatever proxy the environment names


def get(url: str, seconds: float) -> str | None:
    """Return what a URL answers with 200; None where it does not within so many seconds."""
    try:
        with _open(url, timeout=seconds) as answer:
            return str(answer.read().decode())
    except (URLError, OSError):
        return None
