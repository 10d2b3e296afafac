"""Free loopback ports that no outgoing connection can take while their server is down."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from local.errors import FatalError

HOST = "127.0.0.1"
_LOWEST = 10_240
_TRIES = 200
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_EPHEMERAL = (32_768, 60_999)


def free_port() -> int:
    """Return a loopback port nobody listens on, outside the range the kernel gives to outgoing connections.

    A port from that range would be lost while its server is stopped: a client that retries can be given the same
    number as its source port, connects to itself, and holds the port when the server comes back.
    """
    low, high = _ephemeral_range()
    choices = range(_LOWEST, low) if low - _LOWEST > 1_000 else range(high + 1, 65_536)
    if not choices:
        choices = range(_LOWEST, 65_536)
    chooser = random.SystemRandom()
    for _ in range(_TRIES):
        port = chooser.choice(choices)
        if is_free(port):
            return port
    raise FatalError(
        f"Expected a free port on {HOST} between {choices[0]} and {choices[-1]}, found none in {_TRIES} tries. "
        "Stop servers that are not needed (`ss -ltn` lists them)."
    )


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of the last run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _ephemeral_range() -> tuple[int, int]:
    try:
        low, high = map(int, _RANGE_FILE.read_text().split())
    except (OSError, ValueError):
        return _USUAL_EPHEMERAL
    return low, high
